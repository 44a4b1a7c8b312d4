"""Join keys of which one side is a number and the other text: equal only where the text writes numbers in one way."""

import re

from agent_etl.agents.rules.expressions import Ref, kind_of
from agent_etl.agents.rules.links import Links
from agent_etl.agents.rules.reading import Reading

__all__ = ["refuse_unlike_keys"]

_KNOWN = 200
_NUMBER = re.compile(r"\s*[-+]?\d+(?:\.\d+)?\s*")
_PLAIN = re.compile(r"0|-?[1-9]\d*")


def refuse_unlike_keys(r: Reading, links: Links) -> None:
    """Refuse a join of whole numbers with text such as 007 or 7.0, which is the number 7 and not its text.

    Raises: Unclear.
    """
    apart = [links.completed(edge) for edge in r.intent.edges if edge.how in ("anti", "semi")]
    for edge in (*links.edges, *apart):
        for one, other in edge.pairs:
            refs = (Ref(edge.left, one), Ref(edge.right, other))
            kinds = [_kind(r, ref) for ref in refs]
            if set(kinds) != {"integer", "text"}:
                continue
            written, whole = refs if kinds[0] == "text" else refs[::-1]
            known = [value for value, _ in r.request.prober.values(r.table(written.source), written.column, _KNOWN).top]
            if any(_NUMBER.fullmatch(value) and not _PLAIN.fullmatch(value) for value in known):
                reason = (
                    f"{r.label(whole)} holds whole numbers and {r.label(written)} writes them as text with leading "
                )
                reason += "zeros, signs or decimals; cast one side, so that it is plain which of them are equal"
                raise r.asking.refuse(links.span_of(r.intent.source(written.source)), reason)


def _kind(r: Reading, ref: Ref) -> str:
    found = r.table(ref.source).column(ref.column)
    return kind_of(found.type) if found is not None else ""
