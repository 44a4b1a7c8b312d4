"""Names to columns and tables: every match is scored, so that a second one within reach becomes a question."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import OSA

from agent_etl.agents.rules.expressions import Expr, Ref, column, kind_of
from agent_etl.agents.rules.intent import Source
from agent_etl.agents.rules.lexicon import QUANTITY_NOUNS, SAME_ROOT, SYNONYMS, UNITS
from agent_etl.agents.rules.names import entity_words, stems
from agent_etl.engine.schema import Column, Table

__all__ = ["STRONG", "WEAK", "Candidate", "close", "columns", "entities", "entity_score", "key_of", "unit_of"]

STRONG = 0.92
"""The words are the name: exact, in other case, plural, or with the table's own name before it."""
WEAK = 0.75
"""A typo, a synonym or the name's last word: good only when nothing else matches."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A column that the words may mean."""

    source: str
    column: Column
    score: float

    @property
    def ref(self) -> Ref:
        """The reference to it."""
        return Ref(self.source, self.column.name)

    @property
    def expression(self) -> Expr:
        """The column as an expression, with the unit that its name states."""
        return column(self.source, self.column.name, self.column.type, unit_of(self.column))


def unit_of(found: Column) -> str | None:
    """The unit that a numeric column's name states: `total_cents` -> cent, `Milliseconds` -> millisecond."""
    if kind_of(found.type) not in ("integer", "number"):
        return None
    words = stems(found.name)
    return words[-1] if words and words[-1] in UNITS else None


def columns(words: Sequence[str], sources: Iterable[Source], owner: str | None = None) -> list[Candidate]:
    """Every column that the words may mean, best first; `owner` restricts to one source."""
    found: list[Candidate] = []
    for source in sources:
        if owner is not None and source.alias != owner:
            continue
        for candidate in source.table.columns:
            score = _score(words, source, candidate, owned=owner is not None)
            if score > 0:
                found.append(Candidate(source.alias, candidate, score))
    return sorted(found, key=lambda one: -one.score)


def _score(words: Sequence[str], source: Source, found: Column, *, owned: bool) -> float:
    raw = " ".join(words).lower()
    name = found.name.lower()
    if len(words) == 1 and "." in raw:
        return _dotted(raw, source, found)
    if name in (raw, raw.replace(" ", "_"), raw.replace(" ", "")):
        return 1.0
    wanted, have, entity = stems(raw), stems(found.name), entity_words(source.table.name)
    if not wanted or not have:
        return 0.0
    return max(_stem_score(wanted, have, entity), _loose_score(wanted, have, entity, owned=owned))


def _dotted(raw: str, source: Source, found: Column) -> float:
    table, name = raw.rsplit(".", 1)
    alike = stems(table) == stems(source.table.name) or entity_words(table) == entity_words(source.table.name)
    if table not in (source.alias.lower(), *source.table.names) and not alike:
        return 0.0
    if name == found.name.lower():
        return 1.0
    return 0.97 if stems(name) == stems(found.name) else 0.0


def _stem_score(wanted: tuple[str, ...], have: tuple[str, ...], entity: tuple[str, ...]) -> float:
    """Names that are equal in words, maybe with the table's name or the unit said or left out."""
    bare = have[:-1] if len(have) > 1 and have[-1] in UNITS else have
    owners = {entity, entity[-1:]}
    for form, loss in ((have, 0.0), (bare, 0.03)):
        if wanted == form or "".join(wanted) == "".join(form):
            return 0.97 - loss
        if any(wanted == owner + form for owner in owners):
            return 0.96 - loss
        if any(owner + wanted == form for owner in owners):
            return 0.95 - loss
        rest = _without_root(wanted, entity)
        if rest is not None and rest == form:
            return 0.95 - loss
    return 0.0


def _without_root(wanted: tuple[str, ...], entity: tuple[str, ...]) -> tuple[str, ...] | None:
    """`amount paid` without `paid` when the table holds payments; None when no such word is there."""
    rest = tuple(word for word in wanted if SAME_ROOT.get(word) not in entity)
    return rest if rest and len(rest) < len(wanted) else None


def _loose_score(wanted: tuple[str, ...], have: tuple[str, ...], entity: tuple[str, ...], *, owned: bool) -> float:
    own = wanted
    for owner in (entity, entity[-1:]):
        if len(wanted) > len(owner) and wanted[: len(owner)] == owner:
            own = wanted[len(owner) :]
            break
    for form in (wanted, own):
        if len(form) == len(have) and all(close(one, other) for one, other in zip(form, have, strict=True)):
            return 0.86
    bare = have[:-1] if len(have) > 1 and have[-1] in UNITS else have
    if all(SAME_ROOT.get(word) in entity for word in wanted) and bare[-1] in ("amount", "total", "value"):
        # `total paid` over payments
        return 0.8
    if len(own) == 1 and _synonym(own[0], bare):
        return 0.8
    if have == (*own, "id"):
        return 0.7
    if len(bare) > len(own) and bare[-len(own) :] == own and own != ("id",):
        return 0.9 if owned else 0.78
    return 0.5 if set(own) & set(have) - {"id"} else 0.0


def _synonym(word: str, have: tuple[str, ...]) -> bool:
    family = SYNONYMS.get(word)
    if family is None or not have:
        return False
    if word in QUANTITY_NOUNS:
        return have[-1] in family and set(have) <= family | {"order", "invoice", "payment", "line", "net", "grand"}
    return len(have) == 1 and have[0] in family


def close(one: str, other: str) -> bool:
    """Equal, or one slip of the keyboard apart in a word of five letters or more."""
    if one == other:
        return True
    if min(len(one), len(other)) < 5 or one[0] != other[0]:
        return False
    return OSA.distance(one, other, score_cutoff=1) <= 1


def entity_score(words: Sequence[str], table: Table) -> float:
    """How well the words name one row of the table."""
    raw = " ".join(words).lower()
    if raw in table.names:
        return 1.0
    wanted, entity = stems(raw), entity_words(table.name)
    if not wanted:
        return 0.0
    if wanted in (entity, stems(table.name)):
        return 0.97
    if "".join(wanted) == "".join(entity):
        return 0.96
    if len(wanted) == len(entity) and all(close(one, other) for one, other in zip(wanted, entity, strict=True)):
        return 0.86
    if len(entity) > 1 and wanted == entity[-1:]:
        return 0.8
    if len(wanted) == len(entity) == 1 and entity[0] in SYNONYMS.get(wanted[0], frozenset()):
        return 0.78
    return 0.0


def entities(words: Sequence[str], sources: Iterable[Source]) -> list[tuple[float, Source]]:
    """Sources whose rows the words may name, best first."""
    scored = [(entity_score(words, source.table), source) for source in sources]
    return sorted((one for one in scored if one[0] >= WEAK), key=lambda one: -one[0])


def key_of(table: Table) -> tuple[str, ...]:
    """The columns that declare or by name claim to tell the table's rows apart; empty when nothing does."""
    if table.primary_key:
        return table.primary_key
    if table.unique:
        return min(table.unique, key=lambda columns_: (len(columns_), columns_))
    entity = entity_words(table.name)
    for wanted in (("id",), (*entity, "id"), (entity[-1], "id")):
        for found in table.columns:
            if stems(found.name) == wanted:
                return (found.name,)
    return ()
