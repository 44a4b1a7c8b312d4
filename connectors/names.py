"""Names of tables in SQL systems: how a plan's dataset becomes schema and table, quoted."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent_etl.engine.duck import quote
from agent_etl.engine.errors import TargetError
from agent_etl.engine.ports import Capabilities

__all__ = ["TableName", "check_names", "find", "folded", "parse"]

_QUOTED = r'"(?:[^"]|"")+"'
_WHOLE = re.compile(rf"^(?:({_QUOTED})\.)?({_QUOTED})$")


@dataclass(frozen=True, slots=True)
class TableName:
    """A table of one database: its schema (None: the system has none) and its own name, both unquoted."""

    schema: str | None
    table: str

    @property
    def sql(self) -> str:
        """The name as SQL, quoted."""
        return self.sibling(self.table)

    def sibling(self, table: str) -> str:
        """Another table of the same schema as SQL, quoted."""
        return quote(table) if self.schema is None else f"{quote(self.schema)}.{quote(table)}"

    def dataset(self, default: str | None) -> str:
        """How a plan names it: without the schema when that is the default one."""
        return self.table if self.schema in (None, default) else f"{self.schema}.{self.table}"


def find(dataset: str, tables: Sequence[TableName], default: str | None) -> TableName | None:
    """The existing table that a dataset's name means, or None.

    Exact spelling comes first, `schema.table` before a bare name in the default schema; then quoted spelling
    (`"My.Table"`); then the only one that differs in case alone.
    """
    spelled = parse(dataset, default, tuple({name.schema for name in tables if name.schema is not None}))
    for name in tables:
        if dataset == f"{name.schema}.{name.table}" or (dataset == name.table and name.schema == default):
            return name
    if spelled in tables:
        return spelled
    wanted = folded(dataset)
    near = [
        name
        for name in tables
        if wanted == folded(f"{name.schema}.{name.table}") or (wanted == folded(name.table) and name.schema == default)
    ]
    return near[0] if len(near) == 1 else None


def parse(dataset: str, default: str | None, schemas: Sequence[str]) -> TableName:
    """The name that a dataset would have as a new table: a known schema before the first dot, else the default one."""
    quoted = _WHOLE.match(dataset)
    if quoted:
        schema, table = (None if part is None else part[1:-1].replace('""', '"') for part in quoted.groups())
        return TableName(schema if schema is not None else default, table or "")
    head, dot, rest = dataset.partition(".")
    if default is not None and dot and rest and head in schemas:
        return TableName(head, rest)
    return TableName(default, dataset)


def folded(name: str) -> str:
    """The name as DuckDB and SQLite compare names: ASCII letters without their case."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


def check_names(names: Sequence[str], capabilities: Capabilities, **fields: str) -> None:
    """Refuse names that the system cannot hold as they are.

    Raises: TargetError naming them and the limit: empty, with NUL or a sign that it has not, too long, too
    many, or equal but for case.
    """
    limit = capabilities.max_identifier
    bad = [name for name in names if not name or "\0" in name]
    if bad:
        raise TargetError("A name is empty or holds a NUL", names=bad, hint="rename the column in the plan", **fields)
    wide = [name for name in names if capabilities.narrow_names and any(ord(sign) > 0xFFFF for sign in name)]
    if wide:
        message = "A name has a character that the target's names cannot have"
        raise TargetError(message, names=wide, hint="rename it in the plan", **fields)
    long = [name for name in names if limit is not None and len(name.encode()) > limit]
    if long:
        raise TargetError(
            "A name is longer than the target allows", names=long, limit=limit, hint="rename it in the plan", **fields
        )
    if capabilities.max_columns is not None and len(names) > capabilities.max_columns:
        raise TargetError(
            "The data has more columns than the target allows",
            columns=len(names),
            limit=capabilities.max_columns,
            hint="choose fewer columns",
            **fields,
        )
    seen: dict[str, str] = {}
    for name in names:
        # The rows pass through DuckDB, which folds case, whatever the target does.
        if folded(name) in seen:
            raise TargetError(
                "Two columns differ in case alone",
                columns=sorted((seen[folded(name)], name)),
                hint="rename one of them in the plan",
                **fields,
            )
        seen[folded(name)] = name
