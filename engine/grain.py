"""The grain of every step: what one row stands for, which joins multiply rows, which sums would count twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent_etl.engine.bind import Binding
from agent_etl.engine.goal import Finding
from agent_etl.engine.lineage import Base, Origin, Shape, opaque, source_atom
from agent_etl.engine.plan import Extract, Plan
from agent_etl.engine.ports import KeyFacts, Prober
from agent_etl.engine.scopes import Reader

__all__ = ["Grain", "KeyProof", "grain"]


@dataclass(frozen=True, slots=True)
class KeyProof:
    """What is known of a key before the run: `unique` and `filled` are True, False, or None (only the data will tell).

    `facts` are measured over the source table where the key's columns are its columns.
    """

    unique: bool | None
    filled: bool | None
    facts: KeyFacts | None = None


@dataclass(frozen=True)
class Grain:
    """The shape of each step that binds, and what its joins and aggregates gave rise to."""

    shapes: Mapping[str, Shape]
    findings: tuple[Finding, ...]
    prober: Prober

    def errors(self) -> tuple[Finding, ...]:
        """The findings that stop the plan."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    def key(self, step: str, columns: Sequence[str]) -> KeyProof:
        """What is known of those columns as a key of the step. Side effects: measures through the prober."""
        shape = self.shapes.get(step)
        if shape is None:
            return KeyProof(None, None)
        origins = [shape.origin(name) for name in columns]
        found = shape.unique(origins, self.prober)
        facts = self._measured(shape, origins)
        filled: bool | None = None
        if facts is not None:
            filled = True if facts.nulls == 0 else None if shape.partial else False
        if found.proven:
            return KeyProof(True, filled, facts)
        # What a filter leaves of a table that holds a key twice may still hold it once.
        sure = found.proven is False and not shape.partial and not any(base.partial for base in shape.bases)
        return KeyProof(False if sure else None, filled, facts or found.facts)

    def sorts(self, step: str, columns: Sequence[str]) -> bool:
        """Whether those columns tell all rows of a step apart, those that its own limit leaves out included."""
        shape = self.shapes.get(step)
        if shape is None:
            return False
        whole = replace(shape, one_row=False)
        return whole.unique([shape.origin(name) for name in columns], self.prober).proven is True

    def _measured(self, shape: Shape, origins: Sequence[Origin | None]) -> KeyFacts | None:
        """Facts of the key in its source table, seen through the groups that were made of it."""
        atoms = [source_atom(origin) for origin in origins]
        known = [atom for atom in atoms if atom is not None]
        owners = {base for base, _ in known}
        if len(known) != len(atoms) or len(owners) != 1:
            return None
        base = owners.pop()
        if base.table is None or len(shape.bases) > 1:
            return None
        return self.prober.keys(base.table, tuple(name for _, name in known))


def grain(plan: Plan, binding: Binding, prober: Prober) -> Grain:
    """Analyse every step that binds, in the plan's order. Side effects: measures keys and overlaps through `prober`."""
    shapes: dict[str, Shape] = {}
    findings: list[Finding] = []
    for extract in plan.extracts:
        if extract.name in binding.columns:
            shapes[extract.name] = _extracted(extract, binding)
    for step in plan.transforms:
        query = binding.queries.get(step.name)
        if query is None:
            continue
        reader = Reader(step.name, prober)
        shape = reader.query(query, shapes, step.name)
        names = [column.name for column in binding.columns[step.name]]
        shapes[step.name] = shape.renamed(names) if len(shape.columns) == len(names) else opaque(step.name, names)
        seen = [f for f in reader.findings if f.severity == "error" or f.code not in step.acknowledge]
        findings += dict.fromkeys(seen)
    return Grain(shapes, tuple(findings), prober)


def _extracted(step: Extract, binding: Binding) -> Shape:
    table = binding.sources[step.name]
    base = Base(step.name, table=table, partial=step.where is not None)
    bases = frozenset({base})
    columns = [(column.name, Origin(bases, (base, column.name))) for column in binding.columns[step.name]]
    return replace(Shape(tuple(columns), bases), partial=step.where is not None)
