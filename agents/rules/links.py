"""How tables belong together: join keys from the goal, declared keys, names and measured containment; cardinalities."""

from typing import Literal

from agent_etl.agents.rules.expressions import Ref, kind_of
from agent_etl.agents.rules.ground import key_of
from agent_etl.agents.rules.intent import Edge, Source
from agent_etl.agents.rules.keyfinding import possible_keys
from agent_etl.agents.rules.names import entity_words, stems
from agent_etl.agents.rules.reading import Reading
from agent_etl.engine.ports import Overlap

__all__ = ["Links"]

How = Literal["inner", "left", "anti", "semi"] | None
Pairs = tuple[tuple[str, str], ...]
_CONTAINED = 0.95


class Links:
    """The joins among the sources that a result needs, completed and measured."""

    def __init__(self, r: Reading) -> None:
        self.r = r
        self.edges: list[Edge] = []

    def settle(self, involved: list[Source]) -> None:
        """Connect the sources by stated edges, then by inferred ones. Raises: Unclear when that is not possible."""
        aliases = {source.alias for source in involved}
        for edge in self.r.intent.edges:
            if {edge.left, edge.right} <= aliases and edge.how not in ("anti", "semi"):
                done = self.completed(edge)
                known = [
                    (one.left, one.right, set(one.pairs)) for other in self.edges for one in (other, other.turned())
                ]
                if (done.left, done.right, set(done.pairs)) not in known:
                    self.edges.append(done)
        reached = {involved[0].alias}
        self._grow(reached)
        while len(reached) < len(aliases):
            self._connect(involved, reached)
            self._grow(reached)

    def _grow(self, reached: set[str]) -> None:
        grown = True
        while grown:
            grown = False
            for edge in self.edges:
                if (edge.left in reached) != (edge.right in reached):
                    reached |= {edge.left, edge.right}
                    grown = True

    def _connect(self, involved: list[Source], reached: set[str]) -> None:
        """One more table, by the only link between it and the tables that are joined already."""
        for source in involved:
            if source.alias in reached:
                continue
            found = [
                (near, pairs) for near in involved if near.alias in reached for pairs in self.candidates(near, source)
            ]
            if not found:
                continue
            keyed = [one for one in found if self._keyed(source, *one)]
            found = keyed or found
            near, pairs = found[0] if len(found) == 1 else self._ask(source, found)
            self.edges.append(Edge(near.alias, source.alias, pairs, self._how(near, source), source.phrase))
            return
        left = next(source for source in involved if source.alias not in reached)
        guessed = [
            (near, pairs)
            for near in involved
            if near.alias in reached
            for pairs in possible_keys(self.r.request.prober, near.table, left.table)
        ]
        if guessed:
            near, pairs = self._ask(left, guessed)
            self.edges.append(Edge(near.alias, left.alias, pairs, self._how(near, left), left.phrase))
            return
        others = ", ".join(sorted(self.r.table(alias).name for alias in reached))
        raise self.r.asking.refuse(
            self.span_of(left), f"nothing tells how {left.table.name} belongs to {others}; name the join key"
        )

    def _how(self, near: Source, source: Source) -> How:
        """The kind of join that the goal names for all its tables together."""
        for aliases, kind, _ in self.r.intent.joined:
            if {near.alias, source.alias} <= aliases:
                return "left" if kind == "left" else "inner"
        return None

    def _keyed(self, source: Source, near: Source, pairs: Pairs) -> bool:
        """One of the two sides is told apart by the join key."""
        return self.unique(near, tuple(a for a, _ in pairs)) or self.unique(source, tuple(b for _, b in pairs))

    def _ask(self, source: Source, found: list[tuple[Source, Pairs]]) -> tuple[Source, Pairs]:
        options = {self.describe(near, source, pairs): (near, pairs) for near, pairs in found}
        answer = self.r.asking.choose(
            "join",
            self.span_of(source),
            f"{source.table.name} can be joined in several ways. Which one?",
            [(text, text) for text in options],
        )
        return options[answer]

    def span_of(self, source: Source) -> tuple[int, int]:
        """The goal's words that name the table, for a question about it."""
        entity = entity_words(source.table.name)
        for token in self.r.cur.tokens:
            if token.kind == "place" and source.table.dataset.lower().endswith(token.low.removeprefix("./")):
                return token.start, token.end
            if token.kind == "word" and (stems(token.text) == entity or token.low == source.table.name.lower()):
                return token.start, token.end
        return 0, len(self.r.cur.goal)

    def describe(self, left: Source, right: Source, pairs: Pairs) -> str:
        """`orders.customer_id = customers.id`."""
        return " and ".join(f"{left.table.name}.{a} = {right.table.name}.{b}" for a, b in pairs)

    def completed(self, edge: Edge) -> Edge:
        """The edge with its key found. Raises: Unclear when there is none, or more than one."""
        if edge.pairs:
            return edge
        left, right = self.r.intent.source(edge.left), self.r.intent.source(edge.right)
        found = self.candidates(left, right)
        if not found and (guessed := possible_keys(self.r.request.prober, left.table, right.table)):
            chosen = self._ask(right, [(left, one) for one in guessed])[1]
            return Edge(edge.left, edge.right, chosen, edge.how, edge.phrase, edge.stated, edge.attached)
        if not found:
            raise self.r.asking.refuse(
                self.span_of(right),
                f"nothing tells how {left.table.name} and {right.table.name} belong together; name the join key",
            )
        pairs = found[0] if len(found) == 1 else self._ask(right, [(left, one) for one in found])[1]
        return Edge(edge.left, edge.right, pairs, edge.how, edge.phrase, edge.stated, edge.attached)

    def candidates(self, left: Source, right: Source) -> list[Pairs]:
        """Possible keys between two tables: what the goal says, else declared, else named, else measured ones."""
        stated = self._stated(left, right)
        if stated:
            return stated
        declared = self._declared(left, right)
        if declared:
            return declared
        named = self._named(left, right)
        if named:
            return named
        return self._measured(left, right) + [tuple((b, a) for a, b in pairs) for pairs in self._measured(right, left)]

    def _stated(self, left: Source, right: Source) -> list[Pairs]:
        found: list[Pairs] = []
        for one, other in self.r.same:
            if (one.source, other.source) == (left.alias, right.alias):
                found.append(((one.column, other.column),))
            elif (one.source, other.source) == (right.alias, left.alias):
                found.append(((other.column, one.column),))
        return list(dict.fromkeys(found))

    def _declared(self, left: Source, right: Source) -> list[Pairs]:
        found: list[Pairs] = []
        for one, other, turned in ((left, right, False), (right, left, True)):
            if one.table.connection != other.table.connection:
                continue
            for key in one.table.foreign_keys:
                if key.table.lower() in (other.table.dataset.lower(), other.table.name.lower()):
                    pairs = tuple(zip(key.columns, key.referred, strict=True))
                    found.append(tuple((b, a) for a, b in pairs) if turned else pairs)
        return list(dict.fromkeys(found))

    def _named(self, left: Source, right: Source) -> list[Pairs]:
        """`customer_id` in both, or `customer_id` here and the customers' own `id` there."""
        found: list[Pairs] = []
        for one in left.table.columns:
            for other in right.table.columns:
                if not _comparable(one.type, other.type):
                    continue
                if self.r.equal(Ref(left.alias, one.name), Ref(right.alias, other.name)):
                    found.append(((one.name, other.name),))
        if found:
            return list(dict.fromkeys(found))
        for one in left.table.columns:
            twin = right.table.column(one.name)
            if twin is None or stems(one.name) == ("id",) or not _comparable(one.type, twin.type):
                continue
            if kind_of(one.type) in ("text", "integer") and self._holds(left, one.name, right, twin.name):
                found.append(((one.name, twin.name),))
        return found

    def _holds(self, left: Source, column: str, right: Source, other: str) -> bool:
        unique = self.unique(left, (column,)) or self.unique(right, (other,))
        if not unique:
            return False
        overlap = self.overlap(Edge(left.alias, right.alias, ((column, other),), None, 0))
        matched = max(
            _share(overlap.left_rows, overlap.left_unmatched), _share(overlap.right_rows, overlap.right_unmatched)
        )
        return matched >= 0.5

    def _measured(self, left: Source, right: Source) -> list[Pairs]:
        """A column named like a reference whose values all are keys of the other table."""
        key = key_of(right.table)
        if len(key) != 1:
            return []
        target = right.table.column(key[0])
        own = set(key_of(left.table))
        found: list[Pairs] = []
        for one in left.table.columns:
            words = stems(one.name)
            if target is None or one.name in own or len(words) < 2 or words[-1] not in ("id", "key", "code"):
                continue
            known = any(
                words[:-1] in (entity_words(table.name), entity_words(table.name)[-1:])
                for table in self.r.request.catalogue.tables
                if table != right.table
            )
            if known or not _comparable(one.type, target.type):
                continue
            edge = Edge(left.alias, right.alias, ((one.name, key[0]),), None, 0)
            overlap = self.overlap(edge)
            contained = _share(overlap.left_rows, overlap.left_unmatched) >= _CONTAINED
            if contained and self.unique(right, key):
                found.append(((one.name, key[0]),))
                self.r.asking.note(f"{self.describe(left, right, found[-1])}: found by their values.")
        return found

    def overlap(self, edge: Edge) -> Overlap:
        """How many rows of both sides find a partner."""
        return self.r.request.prober.overlap(
            self.r.table(edge.left),
            [one for one, _ in edge.pairs],
            self.r.table(edge.right),
            [other for _, other in edge.pairs],
        )

    def unique(self, source: Source, names: tuple[str, ...]) -> bool:
        """No two rows share these columns: declared, made so by de-duplication, or measured."""
        wanted = set(names)
        for key in (source.table.primary_key, *source.table.unique):
            if key and set(key) <= wanted:
                return True
        for dedupe in self.r.intent.dedupes:
            keys = [key.sole for key in dedupe.keys]
            if dedupe.source != source.alias or dedupe.span is not None or not keys:
                continue
            if all(key is not None and key.column in wanted for key in keys):
                return True
        return self.r.request.prober.keys(source.table, names).unique

    def to_one(self, edge: Edge, origin: str) -> bool:
        """From `origin` over the edge every row finds at most one partner."""
        seen = edge if edge.left == origin else edge.turned()
        return self.unique(self.r.intent.source(seen.right), tuple(other for _, other in seen.pairs))

    def reach(self, alias: str) -> set[str]:
        """The tables that add columns but never rows to that one."""
        found, queue = {alias}, [alias]
        while queue:
            here = queue.pop()
            for edge in self.edges:
                if here in (edge.left, edge.right):
                    other = edge.right if edge.left == here else edge.left
                    if other not in found and self.to_one(edge, here):
                        found.add(other)
                        queue.append(other)
        return found

    def path(self, start: str, end: str) -> list[Edge]:
        """The edges from one table to another, each seen from where the path comes from."""
        routes: dict[str, list[Edge]] = {start: []}
        queue = [start]
        while queue:
            here = queue.pop(0)
            for edge in self.edges:
                if here in (edge.left, edge.right):
                    seen = edge if edge.left == here else edge.turned()
                    if seen.right not in routes:
                        routes[seen.right] = [*routes[here], seen]
                        queue.append(seen.right)
        return routes.get(end, [])


def _share(rows: int, unmatched: int) -> float:
    return (rows - unmatched) / rows if rows else 0.0


def _comparable(one: str, other: str) -> bool:
    first, second = kind_of(one), kind_of(other)
    return first == second or {first, second} <= {"integer", "number"} or {first, second} == {"integer", "text"}
