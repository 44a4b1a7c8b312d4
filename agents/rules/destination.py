"""The one destination of a plan: stated, or derived from the goal; its mode, key and format."""

from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal, cast

from agent_etl.agents.rules.expressions import kind_of
from agent_etl.agents.rules.intent import Output, TargetSpec
from agent_etl.agents.rules.names import slug, stems
from agent_etl.agents.rules.reading import Reading
from agent_etl.engine.schema import Column, Table

__all__ = ["Destination", "adopt_columns", "derived_name", "existing", "keyed", "settle_target"]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the load writes. `stem` is a short name for steps; `phrase` the clause that states it, if one does."""

    connection: str
    table: str
    mode: Literal["append", "replace", "merge"]
    stem: str
    phrase: int | None
    key_words: tuple[tuple[str, tuple[int, int]], ...] = ()
    key: tuple[str, ...] = ()
    format: Literal["csv", "tsv", "jsonl", "parquet"] | None = None
    file: bool = False


def settle_target(r: Reading) -> Destination:
    """The goal's destination. Raises: Unclear when it names two, or leaves the mode for an existing table open."""
    if not r.intent.targets:
        name = derived_name(r)
        return Destination(r.request.catalogue.default_target, name, "replace", name, None)
    spec = _single(r)
    table = spec.table or derived_name(r)
    if spec.file and not PurePosixPath(table).suffix:
        table = f"{table}.{spec.format or 'csv'}"
    connection = spec.connection or ("here" if spec.file else r.request.catalogue.default_target)
    stem = slug(PurePosixPath(table).name.split(".")[0] if spec.file else table.split(".")[-1])
    found = Destination(connection, table, "replace", stem, spec.phrase, spec.key_words, (), spec.format, spec.file)
    _not_a_source(r, spec, found)
    return replace(found, mode=_mode(r, spec, found))


def _not_a_source(r: Reading, spec: TargetSpec, found: Destination) -> None:
    """Writing over what is read must be said, by `replace` or `overwrite`. Raises: Unclear."""
    for source in r.sources:
        same = source.table.connection == found.connection
        names = (source.table.dataset.lower(),) if spec.file else source.table.names
        if same and found.table.lower() in names and spec.mode != "replace":
            raise r.asking.refuse(spec.span, "this is one of the sources; say `replace` if it is to be overwritten")


def _single(r: Reading) -> TargetSpec:
    specs = r.intent.targets
    named = [spec for spec in specs if spec.table is not None or spec.connection is not None]
    different = {(spec.connection, spec.table) for spec in named}
    if len(different) > 1:
        options = {f"{spec.connection or 'default'}: {spec.table}": spec for spec in named}
        last = named[-1]
        answer = r.asking.choose(
            "target", last.span, "The goal names two destinations for one result. Which one?", [(o, o) for o in options]
        )
        return options[answer]
    best = named[0] if named else specs[0]
    modes = [spec.mode for spec in specs if spec.mode is not None]
    formats = [spec.format for spec in specs if spec.format is not None]
    keys = next((spec.key_words for spec in specs if spec.key_words), ())
    plain = list(dict.fromkeys(spec.mode for spec in specs if spec.explicit and spec.mode is not None))
    if len(plain) > 1:
        raise r.asking.refuse(specs[-1].span, f"the goal says both {plain[0]} and {plain[1]}; say one of them")
    return replace(
        best,
        mode=plain[0] if plain else best.mode or (modes[0] if modes else None),
        format=best.format or (formats[0] if formats else None),
        file=best.file or any(spec.file for spec in specs),
        key_words=keys,
    )


def _mode(r: Reading, spec: TargetSpec, found: Destination) -> Literal["append", "replace", "merge"]:
    if spec.mode == "append" and spec.file and r.cur.goal[slice(*spec.span)].lower().find("append") < 0:
        # "load … to out.parquet": a file is written whole.
        return "replace"
    if spec.mode is not None and (spec.explicit or not r.intent.grouped):
        return spec.mode
    if spec.file or existing(r, found.connection, found.table) is None:
        return "replace"
    before = r.request.catalogue.written.get((found.connection, found.table))
    if before in ("append", "replace"):
        return cast(Literal["append", "replace"], before)
    answer = r.asking.choose(
        "mode",
        spec.span,
        f"{found.table} is there already. Are its rows replaced, or are rows added?",
        [("replace", "replace all rows"), ("append", "add the new rows")],
    )
    return "append" if answer == "append" else "replace"


def keyed(r: Reading, found: Destination, names: tuple[str, ...]) -> Destination:
    """The destination with its merge key among the result's columns. Raises: Unclear."""
    if found.mode != "merge":
        return found
    keys = tuple(_key(r, words, span, names) for words, span in found.key_words)
    if not keys:
        keys = tuple(group.name for group in r.intent.groups if group.name in names)
    if not keys:
        span = next(spec.span for spec in r.intent.targets)
        keys = (r.asking.choose("key", span, "Which column identifies a row to merge by?", [(n, n) for n in names]),)
    return replace(found, key=keys)


def _key(r: Reading, words: str, span: tuple[int, int], names: tuple[str, ...]) -> str:
    wanted = stems(words)
    for name in names:
        if name.lower() == words.lower() or stems(name) == wanted:
            return name
    entity = [name for name in names if stems(name) in ((*wanted, "id"), (*wanted, "key"))]
    if len(entity) == 1:
        return entity[0]
    near = ", ".join(names)
    raise r.asking.refuse(span, f"the result has no column {words!r} to merge by; it has {near}")


def existing(r: Reading, connection: str, name: str) -> Table | None:
    """The target table when the survey saw it."""
    for table in (*r.request.catalogue.tables, *r.request.catalogue.outputs):
        if table.connection == connection and name.lower() in (table.dataset.lower(), table.name.lower()):
            return table
    return None


def adopt_columns(r: Reading, found: Destination) -> None:
    """A total that the goal does not name goes to a column of the table that is there, or to a new one: asked.

    Without the question `sum hours` would leave the table's own `hours` as they were. Raises: Unclear.
    """
    table = None if found.file else existing(r, found.connection, found.table)
    if table is None or r.intent.layout or not r.intent.targets:
        return
    taken = {one.name.lower() for one in r.intent.outputs} | {one.name.lower() for one in r.intent.groups}
    for at, one in enumerate(r.intent.outputs):
        if one.named or not one.expression.measures() or table.column(one.name) is not None:
            continue
        free = [other.name for other in table.columns if other.name.lower() not in taken and _holds(one, other)]
        if not free:
            continue
        text = f"{table.name} has no column {one.name}. Which of its columns gets {' '.join(one.words)}?"
        options = [*((name, name) for name in free), ("new", f"none: a column {one.name} is added")]
        answer = r.asking.choose(f"place-{one.name}", r.intent.targets[-1].span, text, options)
        name = one.name if answer == "new" else answer
        r.intent.outputs[at] = replace(one, name=name, named=True)
        taken.add(name.lower())


def _holds(output: Output, place: Column) -> bool:
    kinds = {output.expression.kind, kind_of(place.type)}
    return len(kinds) == 1 or kinds <= {"integer", "number"}


def derived_name(r: Reading) -> str:
    """A table name from what the goal asks for: `revenue_per_region`, `orders`."""
    outputs = [one for one in r.intent.outputs if one.expression.measures()]
    groups = [one.name for one in r.intent.groups]
    apart = {edge.right for edge in r.intent.edges if edge.how in ("anti", "semi")}
    sources = [source.alias for source in r.sources if source.alias not in apart]
    if outputs:
        parts = [outputs[0].name, *(["per", *groups] if groups else [])]
        name = slug(" ".join(parts))
    else:
        name = slug(f"{sources[0]}_result" if sources else "result")
    return name
