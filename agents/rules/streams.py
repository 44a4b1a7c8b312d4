"""Which step carries a source's rows, and which of its columns are read."""

from agent_etl.agents.rules.expressions import Expr, Ref, identifier, kind_of
from agent_etl.agents.rules.intent import Edge, Filter, Source
from agent_etl.agents.rules.names import slug
from agent_etl.agents.rules.reading import Reading

__all__ = ["Streams"]


class Streams:
    """Names of steps by source alias; the steps made so far; the columns that any statement read."""

    def __init__(self, r: Reading, involved: list[Source]) -> None:
        self.r = r
        self.made: list[tuple[str, str, tuple[int, ...]]] = []
        self.whole: set[str] = set()
        self.applied: set[int] = set()
        self._steps: dict[str, str] = {source.alias: source.alias for source in r.sources}
        self._used: dict[str, set[str]] = {source.alias: set() for source in involved}

    def step(self, alias: str) -> str:
        """The step that holds the source's rows now."""
        self._used.setdefault(alias, set())
        return self._steps[alias]

    def leave(self, alias: str) -> None:
        """The source is not read."""
        self._used.pop(alias, None)

    def add(self, name: str, sql: str, why: tuple[int, ...]) -> str:
        """A new transform; gives its name, made unlike every other."""
        taken = [*self._steps, *(one for one, _, _ in self.made)]
        unique = slug(name, taken)
        self.made.append((unique, sql, why))
        return unique

    def move(self, alias: str) -> None:
        """The source's rows come from the newest step from now on."""
        self._steps[alias] = self.made[-1][0]

    def bare(self, ref: Ref) -> str:
        """The column's name alone, for statements over one step."""
        self._used.setdefault(ref.source, set()).add(ref.column)
        return identifier(ref.column)

    def full(self, ref: Ref) -> str:
        """The column with its step's name."""
        self._used.setdefault(ref.source, set()).add(ref.column)
        return f"{identifier(self._steps[ref.source])}.{identifier(ref.column)}"

    def join(self, edge: Edge, keyword: str) -> str:
        """`JOIN b ON a.k = b.k` for an edge whose left side is there already."""
        on = " AND ".join(self.equal(Ref(edge.left, one), Ref(edge.right, other)) for one, other in edge.pairs)
        return f"{keyword} {identifier(self.step(edge.right))} ON {on}"

    def equal(self, one: Ref, other: Ref, step: str = "") -> str:
        """Two keys are equal: as text where one of them is, as they were measured. `step` holds the other one."""
        left = self.full(one)
        right = f"{step}.{identifier(other.column)}" if step else self.full(other)
        kinds = [self._kind(one), self._kind(other)]
        if "text" in kinds and set(kinds) != {"text"}:
            left, right = (
                side if kind == "text" else f"CAST({side} AS VARCHAR)"
                for side, kind in zip((left, right), kinds, strict=True)
            )
        return f"{left} = {right}"

    def _kind(self, ref: Ref) -> str:
        found = self.r.table(ref.source).column(ref.column)
        return kind_of(found.type) if found is not None else ""

    def pending(self) -> list[Filter]:
        """Row conditions that no step has applied yet."""
        return [one for one in self.r.intent.filters if id(one) not in self.applied]

    def where(self, expression: Expr) -> str:
        """The condition with full column names."""
        return expression.sql(self.full)

    def read(self) -> list[Source]:
        """The sources that are read, in the goal's order."""
        return [source for source in self.r.sources if source.alias in self._used]

    def columns(self, alias: str) -> set[str] | None:
        """The columns that were read; None: all."""
        return None if alias in self.whole else self._used[alias]
