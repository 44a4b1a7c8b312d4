"""History (slowly changing dimension, type 2): each version of a row with the times between which it was valid.

A load says what a key was from a time on. Together with the stored versions of the keys that it touches that makes a
chain of events, each valid until the next one; what differs from the stored versions is written, and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agent_etl.connectors.fit import Slot
from agent_etl.connectors.layout import clock, dated, validity
from agent_etl.connectors.merge import among, differs, same, update
from agent_etl.connectors.names import TableName
from agent_etl.connectors.pour import Pour
from agent_etl.connectors.session import Effect, Session, staging
from agent_etl.engine.duck import quote
from agent_etl.engine.errors import CheckFailed
from agent_etl.engine.ports import LoadOrder, Relation
from agent_etl.engine.schema import Column

__all__ = ["scd2"]

_GONE = quote("_etl_gone")
_RANK = quote("_etl_rank")
_PLACE = quote("_etl_place")
_NEWS = quote("_etl_news")
# Of two events at one time the higher counts: the load's own, a stored version, the end of a stored version.
_LOADED, _STORED, _ENDED = 2, 1, 0


def scd2(
    session: Session, name: TableName, order: LoadOrder, pour: Pour, slots: Sequence[Slot], rows: Relation
) -> Effect:
    """Bring the rows into the history; `slots` are all of the target's columns.

    Raises: CheckFailed for rows without key or time, for several rows of one key and time, for stored versions that
    overlap; TargetError for a key that the data lacks. Side effects: the session's transaction.
    """
    keys = pour.keys(order)
    since, until = validity(order, slots)
    values = [slot for slot in pour.slots if slot not in keys]
    staged, count = session.stage(dated(order, pour, since), rows, [slot.name for slot in keys])
    work = _Work(session, name, order, staged, keys, since, until, values)
    work.check_rows()
    now = ""
    if order.delete_missing:
        moment, _ = session.stage(clock(order, since), Relation((Column("one", "INTEGER"),), "(SELECT 1 AS one)"), ())
        now = f"(SELECT {quote(since.name)} FROM {moment} AS s)"
    held = work.hold(now)
    work.check_versions(held)
    return work.write(held, work.chain(work.events(held, now)), count)


@dataclass(frozen=True)
class _Work:
    """One load into one history, as the statements that it takes."""

    session: Session
    name: TableName
    order: LoadOrder
    staged: str
    keys: Sequence[Slot]
    since: Slot
    until: Slot
    values: Sequence[Slot]

    def check_rows(self) -> None:
        """Each row has a key and a time, and a key has one state at a time; the same row twice is no matter."""
        absent = " OR ".join(f"{_c(slot)} IS NULL" for slot in (*self.keys, self.since))
        nulls = self._count(f"SELECT count(*) FROM {self.staged} AS s WHERE {absent}")
        since = _c(self.since)
        rows = (
            f"SELECT {self._of('', self._whole)}, {self._before}lag({since}) OVER w AS {_PLACE} "
            f"FROM {self.staged} AS s WINDOW w AS {self._by_time}"
        )
        repeated = self._count(f"SELECT count(*) FROM ({rows}) AS e WHERE {_PLACE} = {since} AND ({self._changed})")
        if nulls or repeated:
            raise CheckFailed(
                "The key and the time of change do not identify the versions that are to be loaded",
                check="history_key_unique",
                table=self.order.table,
                key=[*self.order.key, *([self.order.effective] if self.order.effective else [])],
                nulls=nulls,
                duplicates=repeated,
                hint="drop rows without a key or a time, and keep one row for each; name the column with the time of "
                "change as the load's effective when a key has several versions",
            )

    def hold(self, now: str) -> str:
        """The stored versions of the keys that are touched; by `delete_missing` also those of keys without a row.

        Of the latter only what is valid at the load's time or later, marked as gone.
        """
        held = quote(staging())
        picked = f"{self._of('t', self._whole)}, t.{_c(self.until)}"
        touched = among(self.keys, f"SELECT {self._of('s', self.keys)} FROM {self.staged} AS s")
        target = f"(SELECT {self._of('', (*self._whole, self.until))} FROM {self.name.sql} WHERE {touched})"
        self._make(held, f"SELECT {picked}, 0 AS {_GONE} FROM {target} AS t")
        if now:
            open_then = f"(t.{_c(self.until)} IS NULL OR t.{_c(self.until)} > {now})"
            there = " AND ".join(f"t.{_c(slot)} IS NOT NULL" for slot in self.keys)
            self._put(
                held,
                f"SELECT {picked}, 1 FROM {self.name.sql} AS t LEFT JOIN {self.staged} AS s ON {same(self.keys)} "
                f"WHERE s.{_c(self.keys[0])} IS NULL AND {there} AND {open_then}",
            )
        return held

    def check_versions(self, held: str) -> None:
        """Stored versions of one key follow each other: no two at a time, none that ends before it begins."""
        since, until = _c(self.since), _c(self.until)
        unsorted = self.session.capabilities.unsorted
        if unsorted and self.since.type.startswith("TIMESTAMP"):
            strange = " OR ".join(unsorted.format(column) for column in (since, until))
            self._refuse(
                "Stored times are texts in a form that does not sort",
                "history_times",
                self._count(f"SELECT count(*) FROM {held} AS t WHERE {strange}"),
                f"write {self.since.name} and {self.until.name} in the target as YYYY-MM-DD HH:MM:SS",
            )
        after = f"lead({since}) OVER w AS {_PLACE}, row_number() OVER w AS {_RANK}, count(*) OVER (PARTITION BY "
        after += f"{self._of('', self.keys)}) AS {_NEWS}"
        rows = f"SELECT {since}, {until}, {after} FROM {held} AS t WINDOW w AS {self._by_time}"
        wrong = (
            f"{since} IS NULL OR {until} <= {since} OR {_PLACE} < {until} OR ({until} IS NULL AND {_RANK} < {_NEWS})"
        )
        self._refuse(
            "Stored versions of one key overlap, or end before they begin",
            "history_overlaps",
            self._count(f"SELECT count(*) FROM ({rows}) AS e WHERE {wrong}"),
            f"correct {self.since.name} and {self.until.name} in the target: one version of a key at a time, "
            f"{self.until.name} NULL for the open one",
        )

    def _refuse(self, message: str, check: str, versions: int, hint: str) -> None:
        if versions:
            key = list(self.order.key)
            raise CheckFailed(message, check=check, table=self.order.table, key=key, versions=versions, hint=hint)

    def events(self, held: str, now: str) -> str:
        """What is known of the touched keys: from which time on which values, or that the key was gone."""
        events = quote(staging())
        whole, values = self._of("", self._whole), "".join(f", {_c(slot)}" for slot in self.values)
        keys, until = self._of("", self.keys), _c(self.until)
        # The table's own types: what is compared later is what would be stored.
        self._make(events, f"SELECT {whole}, 0 AS {_GONE}, 0 AS {_RANK} FROM {self.name.sql} AS t WHERE 1 = 0")
        self._put(events, f"SELECT {whole}, 0, {_LOADED} FROM {self.staged} AS s")
        begun = f" OR {_c(self.since)} <= {now}" if now else ""
        self._put(events, f"SELECT {whole}, 0, {_STORED} FROM {held} AS t WHERE {_GONE} = 0{begun}")
        ended = f"{_GONE} = 0 AND {until} IS NOT NULL"
        self._put(events, f"SELECT {keys}, {until}{values}, 1, {_ENDED} FROM {held} AS t WHERE {ended}")
        if now:
            self._put(events, f"SELECT {keys}, {now}{values}, 1, {_LOADED} FROM {held} AS t WHERE {_GONE} = 1")
            self._put(events, self._returned(held, now))
        return events

    def _returned(self, held: str, now: str) -> str:
        """Keys that were retired after the time of their row in the data are there again, from the load's time on."""
        keys, since, until = self._of("", self.keys), _c(self.since), _c(self.until)
        ends = (
            f"SELECT {keys}, max({until}) AS {_PLACE} FROM {held} AS h WHERE {_GONE} = 0 "
            f"GROUP BY {keys} HAVING count(*) = count({until})"
        )
        newest = (
            f"SELECT {self._of('', self._whole)}, row_number() OVER (PARTITION BY {keys} ORDER BY {since} DESC) "
            f"AS {_RANK} FROM {self.staged} AS r"
        )
        values = "".join(f", s.{_c(slot)}" for slot in self.values)
        return (
            f"SELECT {self._of('s', self.keys)}, {now}{values}, 0, {_LOADED} FROM ({newest}) AS s "
            f"JOIN ({ends}) AS t ON {same(self.keys)} WHERE s.{_RANK} = 1 AND t.{_PLACE} > s.{since} "
            f"AND t.{_PLACE} <= {now}"
        )

    def chain(self, events: str) -> str:
        """The versions that the touched keys have now: each event until the next; what repeats its state is none."""
        whole, keys, since = self._of("", self._whole), self._of("", self.keys), _c(self.since)
        first = f"row_number() OVER (PARTITION BY {keys}, {since} ORDER BY {_RANK} DESC) AS {_PLACE}"
        counted = f"SELECT {whole}, {_GONE}, {_RANK}, {first} FROM {events} AS e"
        beside = (
            f"SELECT {whole}, {_GONE}, {_RANK}, {self._before}lag({_GONE}) OVER w AS {_PLACE} FROM ({counted}) AS e "
            f"WHERE {_PLACE} = 1 WINDOW w AS {self._by_time}"
        )
        repeats = f"CASE WHEN {_PLACE} = {_GONE} AND ({_GONE} = 1 OR NOT ({self._changed})) THEN 0 ELSE 1 END"
        judged = f"SELECT {whole}, {_GONE}, {_RANK}, {repeats} AS {_NEWS} FROM ({beside}) AS e"
        ends = f"lead({since}) OVER w AS {_c(self.until)}"
        ended = (
            f"SELECT {whole}, {ends}, {_GONE} FROM ({judged}) AS e WHERE {_RANK} < {_LOADED} OR {_NEWS} = 1 "
            f"WINDOW w AS {self._by_time}"
        )
        chain = quote(staging())
        self._make(chain, f"SELECT {whole}, {_c(self.until)} FROM ({ended}) AS e WHERE {_GONE} = 0")
        return chain

    def write(self, held: str, chain: str, count: int) -> Effect:
        """Make the target's versions those of the chain; the target is not touched when they are that already."""
        name, version, rest = self.name.sql, [*self.keys, self.since], [*self.values, self.until]
        since, every = _c(self.since), (*self._whole, self.until)
        apart = f"{held} AS t LEFT JOIN {chain} AS s ON {same(version)} WHERE s.{since} IS NULL"
        changed = f"{held} AS t JOIN {chain} AS s ON {same(version)} WHERE {self._differing(rest)}"
        deleted = updated = 0
        # In this order a target that allows one open version of a key never sees two.
        if self._count(f"SELECT count(*) FROM {apart}"):
            lost = f"SELECT {self._of('t', version)} FROM {apart}"
            deleted = self.session.execute(f"DELETE FROM {name} WHERE {among(version, lost)}")
        if self._count(f"SELECT count(*) FROM {changed}"):
            new = f"(SELECT {self._of('s', every)} FROM {changed})"
            updated = update(self.session, self.name, new, version, rest)
        inserted = self.session.execute(
            f"INSERT INTO {name} ({self._of('', every)}) SELECT {self._of('s', every)} FROM {chain} AS s "
            f"LEFT JOIN {held} AS t ON {same(version)} WHERE t.{since} IS NULL"
        )
        return Effect(count, inserted, updated, deleted)

    @property
    def _whole(self) -> tuple[Slot, ...]:
        return (*self.keys, self.since, *self.values)

    @property
    def _by_time(self) -> str:
        return f"(PARTITION BY {self._of('', self.keys)} ORDER BY {_c(self.since)})"

    def _of(self, side: str, slots: Sequence[Slot]) -> str:
        return ", ".join(f"{side}.{_c(slot)}" if side else _c(slot) for slot in slots)

    def _differing(self, slots: Sequence[Slot]) -> str:
        return f"({differs(self.session.capabilities, 't', 's', slots)})"

    @property
    def _before(self) -> str:
        """The values of the row before, each as a column of its own.

        MariaDB reckons wrongly with two window functions in one condition, so that they are compared a SELECT above.
        """
        return "".join(f"lag({_c(slot)}) OVER w AS {_earlier(n)}, " for n, slot in enumerate(self.values))

    @property
    def _changed(self) -> str:
        """The condition that one of the values differs from the row before."""
        system = self.session.capabilities
        sides = [
            [system.comparable.format(side) if slot.textual else side for side in (_c(slot), _earlier(n))]
            for n, slot in enumerate(self.values)
        ]
        return " OR ".join(system.distinct.format(*pair) for pair in sides) or "1 = 0"

    def _make(self, table: str, query: str) -> None:
        self.session.execute(f"CREATE TEMPORARY TABLE {table} AS {query}")

    def _put(self, table: str, query: str) -> None:
        self.session.execute(f"INSERT INTO {table} {query}")

    def _count(self, query: str) -> int:
        return int(self.session.query(query)[0][0])


def _c(slot: Slot) -> str:
    return quote(slot.name)


def _earlier(number: int) -> str:
    return quote(f"_etl_before_{number}")
