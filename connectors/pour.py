"""Which column of the data goes into which column of the target, and how it fits there without loss."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent_etl.connectors.fit import Slot, fitting, misfitting
from agent_etl.connectors.names import folded
from agent_etl.engine.duck import quote
from agent_etl.engine.errors import AgentEtlError, TargetError, TargetSchemaMismatch
from agent_etl.engine.ports import LoadOrder
from agent_etl.engine.relay import received
from agent_etl.engine.schema import Column

__all__ = ["Pour", "explained", "matched", "named"]


@dataclass(frozen=True, slots=True)
class Pour:
    """Where each column of the data goes: `items` are (column, slot, DuckDB expression that fits it there)."""

    items: tuple[tuple[Column, Slot, str], ...]

    @property
    def slots(self) -> list[Slot]:
        """The target's columns in the data's order."""
        return [slot for _, slot, _ in self.items]

    @property
    def names(self) -> str:
        """The target's columns in the data's order, quoted, as SQL."""
        return ", ".join(quote(slot.name) for slot in self.slots)

    def select(self, relation: str) -> str:
        """A DuckDB SELECT over `relation` that gives the target's columns."""
        return f"SELECT {', '.join(f'{e} AS {quote(s.name)}' for _, s, e in self.items)} FROM ({relation})"

    def keys(self, order: LoadOrder) -> list[Slot]:
        """The target's columns of the merge key. Raises: TargetError when the data lacks one, or there is no key."""
        found = [slot for wanted in order.key for column, slot, _ in self.items if column.name == wanted]
        if len(found) != len(order.key) or not found:
            valid = [column.name for column in order.columns]
            raise TargetError("A merge key is not a column of the data", key=list(order.key), valid=valid)
        return found

    def spare(self, slots: Sequence[Slot]) -> list[str]:
        """Names of the target's columns, of all its `slots`, that the data does not fill."""
        filled = {slot.name for slot in self.slots}
        return [slot.name for slot in slots if slot.name not in filled]


def named(slots: Sequence[Slot], name: str, *, folds: bool) -> Slot | None:
    """The slot of exactly that name, else, where `folds`, the only one that differs in case alone."""
    exact = [slot for slot in slots if slot.name == name]
    near = [slot for slot in slots if folds and folded(slot.name) == folded(name)]
    return exact[0] if exact else near[0] if len(near) == 1 else None


def matched(order: LoadOrder, slots: Sequence[Slot], *, folds: bool) -> Pour:
    """Each column's place. Raises: TargetSchemaMismatch naming all that is missing, extra or of another type."""
    items: list[tuple[Column, Slot, str]] = []
    missing: list[str] = []
    differing: dict[str, str] = {}
    for position, column in enumerate(order.columns):
        slot = named(slots, column.name, folds=folds)
        expression = fitting(column.name, column.type, slot.type, position) if slot else None
        if slot is None:
            missing.append(column.name)
        elif expression is None:
            differing[column.name] = f"data {column.type}, target {slot.native or slot.type}"
        else:
            items.append((column, slot, expression))
    filled = [slot.name for _, slot, _ in items]
    twice = sorted({name for name in filled if filled.count(name) > 1})
    extra = [slot.name for slot in slots if slot.required and slot.name not in filled]
    if missing or differing or extra or twice:
        raise TargetSchemaMismatch(
            "The target's columns differ from the data's",
            target=order.table,
            missing=sorted(missing),
            extra=extra,
            differing=differing,
            **({"twice": twice} if twice else {}),
            hint="add the missing columns to the load's evolve, or rename and cast in the plan",
        )
    return Pour(tuple(items))


def explained(text: str, pour: Pour, **fields: object) -> AgentEtlError | None:
    """What a stream of rows failed of, when the text says so: a source's error, or a value that has no place."""
    relayed = received(text)
    position = misfitting(text)
    if relayed is not None or position is None:
        return relayed
    column, slot, _ = pour.items[position]
    return TargetError(
        "A value does not fit the target's column without loss",
        column=column.name,
        data=column.type,
        column_type=slot.native or slot.type,
        hint="cast or round the column in the plan, or load into a table whose column is wider",
        **fields,
    )
