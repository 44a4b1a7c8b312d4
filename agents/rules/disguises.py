"""An order over texts that hold numbers, times or dates is refused: it would be that of their letters."""

from collections.abc import Sequence

from agent_etl.agents.rules.expressions import Expr, Ref, column
from agent_etl.agents.rules.reading import Reading
from agent_etl.engine.disguises import KNOWN, disguise

__all__ = ["refuse_disguised_order"]


def refuse_disguised_order(r: Reading, clauses: Sequence[tuple[int, int]]) -> None:
    """Refuse an order or an extreme over such a text, quoting the clause. Raises: Unclear."""
    intent = r.intent
    ordered = [(one.expression, one.phrase) for one in intent.sorts]
    ordered += [(one.argument, one.phrase) for one in intent.measures if one.func in ("min", "max") and one.argument]
    ordered += [(_column(r, one.order), one.phrase) for one in intent.dedupes if one.order is not None]
    cast = {one.replaces for one in intent.outputs if one.replaces is not None and one.expression.kind != "text"}
    for expression, phrase in ordered:
        ref = expression.sole
        if ref is None or expression.kind != "text" or ref in cast:
            continue
        what = disguise([value for value, _ in r.request.prober.values(r.table(ref.source), ref.column, KNOWN).top])
        if what:
            reason = f"{r.label(ref)} holds {what} as text, and text is ordered by its letters; cast it first"
            raise r.asking.refuse(clauses[phrase], reason)


def _column(r: Reading, ref: Ref) -> Expr:
    return next(column(ref.source, one.name, one.type) for one in r.table(ref.source).columns if one.name == ref.column)
