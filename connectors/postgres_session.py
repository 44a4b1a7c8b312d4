"""A PostgreSQL database as the load protocol sees it: one transaction, an advisory lock, rows by binary COPY."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from agent_etl.connectors import postgres_catalog as catalog
from agent_etl.connectors.adbc import Channel
from agent_etl.connectors.fit import Slot
from agent_etl.connectors.marker import MARKERS
from agent_etl.connectors.names import TableName, find, parse
from agent_etl.connectors.postgres_types import STORED, Native, direct, placed, staged, wire
from agent_etl.connectors.pour import Pour
from agent_etl.connectors.session import creation, no_table, staging, stored
from agent_etl.engine.duck import literal, quote
from agent_etl.engine.errors import AgentEtlError, ConnectionLost, OutcomeUnknown, TargetError
from agent_etl.engine.ports import Capabilities, Relation
from agent_etl.engine.schema import Column

__all__ = ["CAPABILITIES", "PostgresSession"]

CAPABILITIES = Capabilities(
    kind="postgres",
    dialect="postgres",
    modes=frozenset({"append", "replace", "merge", "scd2"}),
    effect="exactly_once",
    types=STORED,
    max_columns=1600,
    max_identifier=63,
    creates="SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = {0}",
    folds_case=False,
)

_LOCK_TIMEOUT = "30s"
_WORK_MEM = "64MB"
_ROUNDED = re.compile(r"^(timestamp|time)\([0-5]\) ")


class PostgresSession:
    """One connection with one transaction; see loading.Session."""

    capabilities = CAPABILITIES

    def __init__(self, channel: Channel, memory_limit: str) -> None:
        self._channel = channel
        self._memory_limit = memory_limit

    def find(self, dataset: str) -> TableName | None:
        return find(dataset, catalog.tables(self._channel), catalog.default_schema(self._channel))

    def meant(self, dataset: str) -> TableName:
        default = catalog.default_schema(self._channel)
        return self.find(dataset) or parse(dataset, default, catalog.schemas(self._channel))

    def begin(self, dataset: str) -> TableName:
        name = self.meant(dataset)
        self._channel.query(
            f"SELECT set_config('lock_timeout', '{_LOCK_TIMEOUT}', true), set_config('work_mem', '{_WORK_MEM}', true)"
        )
        self._lock(f"agent-etl:{name.sql}")
        # Two first loads into one schema would both make the marker table.
        if not self.has_markers(name):
            self._lock(f"agent-etl:{name.schema}")
        return name

    def _lock(self, key: str) -> None:
        self._channel.query(f"SELECT pg_advisory_xact_lock(hashtextextended({literal(key)}, 0))::text")

    def slots(self, name: TableName) -> tuple[Slot, ...] | None:
        kind = self._kind(name)
        if kind is None:
            return None
        if kind not in {"r", "p", "f"}:
            raise no_table(name)
        return tuple(placed(column) for column in catalog.columns(self._channel, name) if not column.computed)

    def native(self, column: Column) -> Slot:
        return placed(Native(column.name, stored(column, CAPABILITIES)))

    def create(self, name: TableName, slots: Sequence[Slot]) -> None:
        self.execute(creation(name, slots, CAPABILITIES))

    def has_markers(self, name: TableName) -> bool:
        return self._kind(TableName(name.schema, MARKERS)) is not None

    def _kind(self, name: TableName) -> str | None:
        found = self.query(
            "SELECT c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            f"WHERE n.nspname = {literal(name.schema or '')} AND c.relname = {literal(name.table)}"
        )
        return str(found[0][0]) if found else None

    def query(self, sql: str) -> Sequence[Sequence[Any]]:
        return self._channel.query(sql)

    def execute(self, sql: str) -> int:
        return max(self._channel.execute(sql), 0)

    def pour(self, name: TableName, pour: Pour, rows: Relation) -> int:
        wired, texts = _wired(pour)
        if all(direct(slot, text) for (_, slot, _), text in zip(pour.items, texts, strict=True)):
            return self._channel.ingest(name.table, wired, rows, self._memory_limit, schema=name.schema)
        source, given = self.stage(pour, rows, ())
        self._channel.execute(f"INSERT INTO {name.sql} ({pour.names}) SELECT {pour.names} FROM {source} AS s")
        return given

    def stage(self, pour: Pour, rows: Relation, key: Sequence[str]) -> tuple[str, int]:
        wired, texts = _wired(pour)
        table = staging()
        given = self._channel.ingest(table, wired, rows, self._memory_limit)
        slots = pour.slots
        self._check_rounding(table, slots)
        if key:
            self._channel.execute(f"ANALYZE pg_temp.{quote(table)}")
        casts = ", ".join(f"{staged(s, text)} AS {quote(s.name)}" for s, text in zip(slots, texts, strict=True))
        return f"(SELECT {casts} FROM pg_temp.{quote(table)} AS s)", given

    def _check_rounding(self, table: str, slots: Sequence[Slot]) -> None:
        """A column of whole seconds or milliseconds would round finer times without a word."""
        for slot in slots:
            if _ROUNDED.match(slot.native):
                c = quote(slot.name)
                changed = self.query(
                    f"SELECT count(*) FROM pg_temp.{quote(table)} WHERE {c} IS DISTINCT FROM {c}::{slot.native}"
                )[0][0]
                if changed:
                    raise TargetError(
                        "A value does not fit the target's column without loss",
                        column=slot.name,
                        column_type=slot.native,
                        values=int(changed),
                        hint="round the column in the plan, or widen the target's column",
                    )

    def held(self, name: TableName, staged: str, keys: Sequence[Slot]) -> str:
        return name.sql

    def commit(self) -> None:
        try:
            self._channel.commit()
        except ConnectionLost as error:
            raise OutcomeUnknown(
                "The reply to the commit was lost; the marker tells whether it happened", **error.fields
            ) from None

    def rollback(self) -> None:
        with suppress(AgentEtlError):
            self._channel.rollback()


def _wired(pour: Pour) -> tuple[Pour, list[bool]]:
    """The pour as the driver sends it, and which columns go as text."""
    items = []
    texts = []
    for position, (column, slot, expression) in enumerate(pour.items):
        sent, as_text = wire(expression, column.type, slot.type, position)
        items.append((column, slot, sent))
        texts.append(as_text)
    return replace(pour, items=tuple(items)), texts
