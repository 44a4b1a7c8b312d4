"""The state of reading one goal: where we are, what is in scope, what was understood so far."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from agent_etl.agents.planner import PlanRequest
from agent_etl.agents.rules.asking import Asking, Unclear
from agent_etl.agents.rules.cursor import Cursor
from agent_etl.agents.rules.expressions import Expr, Ref, kind_of
from agent_etl.agents.rules.ground import STRONG, WEAK, Candidate, columns, entities, unit_of
from agent_etl.agents.rules.intent import GroupKey, Intent, Measure, Output, Source
from agent_etl.agents.rules.lexicon import ARTICLES, BREAKS
from agent_etl.agents.rules.names import entity_words, slug, stems
from agent_etl.engine.schema import Table

__all__ = ["Prior", "Reading"]

_LONGEST = 6


@dataclass
class Prior:
    """What an earlier reading of the same goal learned that helps this one: words may come before what they name."""

    outputs: list[Output] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)
    units: dict[Ref, str] = field(default_factory=dict)
    same: list[tuple[Ref, Ref]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    groups: list[GroupKey] = field(default_factory=list)
    apart: frozenset[str] = frozenset()


class Reading:
    """One pass over a goal. Productions take tokens from `cur` and add to `intent`."""

    def __init__(self, request: PlanRequest, asking: Asking, cur: Cursor, prior: Prior) -> None:
        self.request = request
        self.asking = asking
        self.cur = cur
        self.prior = prior
        self.intent = Intent()
        self.phrase = 0
        self.units: dict[Ref, str] = dict(prior.units)
        self.same: list[tuple[Ref, Ref]] = list(prior.same)
        self.target_starts: dict[int, str] = {}
        self.echo: dict[int, str] = {}
        self.current: Source | None = None
        self.operand: Expr | None = None
        self.place: str | None = None
        self.places: set[str] = set()
        self.subjects: list[Source] = []
        self.converted: dict[Ref, str] = {}

    # -- sources ---------------------------------------------------------------------------------------------------

    @property
    def sources(self) -> list[Source]:
        """Every source in scope."""
        return self.intent.sources

    @property
    def scope(self) -> list[Source]:
        """The sources whose columns a result can show: not those whose rows must be absent."""
        apart = {edge.right for edge in self.intent.edges if edge.how in ("anti", "semi")} | self.prior.apart
        return [source for source in self.sources if source.alias not in apart]

    def add_source(self, table: Table, *, listed: bool) -> Source:
        """The source for that table, added when it is new."""
        for at, source in enumerate(self.sources):
            if source.table == table:
                if listed and not source.listed:
                    self.sources[at] = Source(source.alias, table, self.phrase, True)
                return self.sources[at]
        taken = [source.alias for source in self.sources]
        source = Source(slug(table.name, taken), table, self.phrase, listed)
        self.sources.append(source)
        return source

    def table(self, alias: str) -> Table:
        """The table behind an alias."""
        return self.intent.source(alias).table

    def shared(self, ref: Ref) -> bool:
        """Several tables in scope have a column of that name."""
        return sum(source.table.column(ref.column) is not None for source in self.sources) > 1

    def label(self, ref: Ref) -> str:
        """`table.column` for a person."""
        return f"{self.table(ref.source).name}.{ref.column}"

    # -- noun phrases ----------------------------------------------------------------------------------------------

    def words_ahead(self, limit: int = _LONGEST) -> list[str]:
        """The run of word tokens at the cursor."""
        words: list[str] = []
        while len(words) < limit and self.cur.kind(len(words)) == "word":
            token = self.cur.peek(len(words))
            words.append(token.text if token else "")
        return words

    def take_entity(self, sources: Iterable[Source] | None = None, *, least: float = 0.78) -> Source | None:
        """The source whose rows the words at the cursor name, taken; the longest name wins.

        Raises: Unclear when two sources are named equally well.
        """
        start = self.cur.at
        self.cur.skip(ARTICLES)
        pool = list(self.sources if sources is None else sources)
        if self.cur.kind() == "place":
            return self._placed(pool, start)
        words = self.words_ahead(4)
        for size in range(len(words), 0, -1):
            found = [(score, source) for score, source in entities(words[:size], pool) if score >= least]
            if not found:
                continue
            best = [source for score, source in found if score >= found[0][0] - 0.02]
            self.cur.at += size
            if len(best) == 1:
                return best[0]
            name = self.asking.choose(
                "table",
                self.cur.span(start),
                f"Several tables may be meant by {self.cur.quote(start)!r}. Which one?",
                [(source.alias, f"{source.table.connection}.{source.table.dataset}") for source in best],
            )
            return self.intent.source(name)
        self.cur.at = start
        return None

    def _placed(self, pool: list[Source], start: int) -> Source | None:
        """A file by its name."""
        wanted = self.cur.next().low.removeprefix("./")
        for source in pool:
            have = source.table.dataset.lower()
            if have == wanted or have.endswith("/" + wanted):
                return source
        self.cur.at = start
        return None

    def take_column(
        self,
        *,
        sources: Iterable[Source] | None = None,
        owner: str | None = None,
        want: frozenset[str] | None = None,
        least: float = WEAK,
    ) -> Expr | None:
        """The column that the words at the cursor name, taken with its owner (`artist's name`, `name of the artist`).

        `want` are kinds that settle between equal candidates. Raises: Unclear when several columns match.
        """
        start = self.cur.at
        found = self._column(list(self.scope if sources is None else sources), owner, want, least)
        if found is None:
            self.cur.at = start
        return found

    def _column(self, pool: list[Source], owner: str | None, want: frozenset[str] | None, least: float) -> Expr | None:
        self.cur.skip(ARTICLES)
        if self.cur.kind() == "string":
            return self._quoted(pool, owner)
        owner = owner or self._take_owner(pool)
        if owner is not None:
            self.cur.skip(ARTICLES | {"own"})
        start = self.cur.at
        words = self.words_ahead()
        for size in range(len(words), 0, -1):
            derived = self._derived(words[:size]) if owner is None else None
            if derived is not None:
                self.cur.at += size
                return derived
            found = [one for one in columns(words[:size], pool, owner) if one.score >= least]
            if any(word.lower() in BREAKS for word in words[:size]):
                found = [one for one in found if self._noun(words[:size], one)]
            if found:
                self.cur.at += size
                return self._pick(self._owned_after(found, pool), (start, self.cur.at), want)
        return None

    def _noun(self, words: Sequence[str], one: Candidate) -> bool:
        """Operator words in a name count only as parts of the table's or the column's own name (`order status`)."""
        if one.score == 1.0:
            return True
        own = {*stems(one.column.name), *entity_words(self.table(one.source).name)}
        return one.score >= STRONG and all(word.lower() not in BREAKS or set(stems(word)) <= own for word in words)

    def _quoted(self, pool: list[Source], owner: str | None) -> Expr | None:
        token = self.cur.next()
        found = [one for one in columns([token.text], pool, owner) if one.score == 1.0]
        return self._pick(found, (self.cur.at - 1, self.cur.at), None) if found else None

    def _take_owner(self, pool: list[Source]) -> str | None:
        """`artist's` before a column: the source that must hold it."""
        for size in (1, 2, 3):
            token = self.cur.peek(size - 1)
            if token is None or token.kind != "word":
                return None
            if token.possessive:
                words = [one.text for one in self.cur.tokens[self.cur.at : self.cur.at + size]]
                found = entities(words, pool)
                if found and found[0][0] > 0.78:
                    self.cur.at += size
                    return found[0][1].alias
                return None
        return None

    def _owned_after(self, found: list[Candidate], pool: list[Source]) -> list[Candidate]:
        """`name of the artist`: the words after settle the table."""
        start = self.cur.at
        if self.cur.take("of"):
            self.cur.skip(ARTICLES | {"each", "every"})
            entity = self.take_entity(pool, least=0.86)
            if entity is not None:
                owned = [one for one in found if one.source == entity.alias]
                if owned:
                    return owned
        self.cur.at = start
        return found

    def _derived(self, words: Sequence[str]) -> Expr | None:
        wanted = slug(words)
        for output in self.intent.outputs:
            if output.derived and (output.name.lower() == wanted or " ".join(words).lower() == output.name.lower()):
                return output.expression
        return None

    def _pick(self, found: list[Candidate], at: tuple[int, int], want: frozenset[str] | None) -> Expr:
        rivals = self._rivals(found)
        if len(rivals) > 1 and want is not None:
            fitting = [one for one in rivals if kind_of(one.column.type) in want]
            rivals = fitting or rivals
        classes: list[Candidate] = []
        for one in rivals:
            if not any(self.equal(one.ref, other.ref) for other in classes):
                classes.append(one)
        if len(classes) > 1:
            classes = self._of_each(classes) or classes
        if len(classes) == 1:
            return self._expression(classes[0])
        span = self.cur.span(*at)
        quote = self.cur.goal[slice(*span)]
        chosen = self.asking.choose(
            "column",
            span,
            f"{quote!r} may be any of {len(classes)} columns. Which one?",
            [(self.label(one.ref), f"{self.label(one.ref)} ({one.column.type})") for one in classes],
        )
        return self._expression(next(one for one in classes if self.label(one.ref) == chosen))

    def _of_each(self, classes: list[Candidate]) -> list[Candidate]:
        """`for each playlist write the name`: the column of the thing that a row stands for."""
        things = {group.entity for group in self.intent.groups if group.each and group.entity is not None}
        return [one for one in classes if one.source in things] if len(things) == 1 else []

    def _rivals(self, found: list[Candidate]) -> list[Candidate]:
        best = found[0].score
        if best < STRONG:
            return [one for one in found if one.score >= min(WEAK, best)]
        strong = [one for one in found if one.score >= STRONG]
        if best == 1.0:
            exact = {one.source for one in strong if one.score == 1.0}
            strong = [one for one in strong if one.score == 1.0 or one.source not in exact]
        return strong

    def _expression(self, one: Candidate) -> Expr:
        expression = one.expression
        return expression.as_kind(expression.kind, self.unit(one))

    def unit(self, one: Candidate) -> str | None:
        """The unit that the goal or the column's name states."""
        return self.converted.get(one.ref) or self.units.get(one.ref) or unit_of(one.column)

    def equal(self, one: Ref, other: Ref) -> bool:
        """The two columns hold the same value wherever their tables are joined."""
        if one == other or (one, other) in self.same or (other, one) in self.same:
            return True
        if one.source == other.source:
            return False
        first, second = stems(one.column), stems(other.column)
        if first == second:
            return len(first) > 1 and first[-1] == "id"
        return self._points_at(first, other) or self._points_at(second, one)

    def _points_at(self, words: tuple[str, ...], key: Ref) -> bool:
        entity = entity_words(self.table(key.source).name)
        return stems(key.column) == ("id",) and words in ((*entity, "id"), (entity[-1], "id"))

    def unknown(self, start: int, reason: str, end: int | None = None) -> Unclear:
        """Record that the words from token `start` cannot be grounded."""
        return self.asking.refuse(self.cur.span(start, end), reason)

    def nearest(self, words: Sequence[str], limit: int = 4) -> list[str]:
        """Columns whose names share a word with these, as `table.column`."""
        found = columns(words, self.sources)
        return [self.label(one.ref) for one in found[:limit]]
