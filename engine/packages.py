"""The packages of one plan in one run: extracts' and transforms' rows, made when they are missing."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from threading import Lock, RLock

from agent_etl.engine.addresses import Addresses
from agent_etl.engine.computation import computed
from agent_etl.engine.dag import Dag
from agent_etl.engine.deadletters import letters
from agent_etl.engine.duck import Cursor, attached, columns_of, connect, quote, run
from agent_etl.engine.errors import Corrupt, ReadError, UsageError
from agent_etl.engine.extraction import compare, extract
from agent_etl.engine.fusion import fused_load
from agent_etl.engine.interruption import interruptible
from agent_etl.engine.manifest import Manifest
from agent_etl.engine.plan import Extract, Load, Step, Transform
from agent_etl.engine.ports import Aside, Connections, Relation
from agent_etl.engine.quarantine import splitter
from agent_etl.engine.ranges import Ranges
from agent_etl.engine.settings import Settings
from agent_etl.engine.stage import Stage
from agent_etl.engine.watermark import Watermark

__all__ = ["Packages"]

_LONGEST = 4_000  # characters of a text that is a cursor


class Packages:
    """Gives each step's sealed package. Many threads may ask; a package is made by one of them. Close it at the end.

    `tell` hears a step's name and how many of its rows have been read.
    """

    def __init__(
        self,
        dag: Dag,
        addresses: Addresses,
        ranges: Ranges,
        *,
        stage: Stage,
        connections: Connections,
        settings: Settings,
        tell: Callable[[str, int], None],
    ) -> None:
        self._dag = dag
        self._addresses = addresses
        self._ranges = ranges
        self._stage = stage
        self._connections = connections
        self._settings = settings
        self._tell = tell
        self._open = ExitStack()
        self._duck: Cursor | None = None
        self._lock = RLock()
        self._making: dict[str, Lock] = {}
        self._whole: set[str] = set()
        self._compared: set[str] = set()

    def close(self) -> None:
        """Close the DuckDB that makes packages and remove what it spilled."""
        self._open.close()

    def sealed(self, step: Step) -> Manifest | None:
        """The step's package when it is there already, not verified."""
        return self._stage.sealed(self._addresses.of(step.name))

    def of(self, step: Step) -> Manifest:
        """The step's package, whole, made when it is missing.

        Raises: UsageError for a step without rows; Corrupt for a damaged package, which is removed so that the next
        attempt makes it again; what reading and computing raise. Side effects: the package.
        """
        if not isinstance(step, Extract | Transform):
            raise UsageError("The step has no rows of its own", step=step.name, hint="name an extract or a transform")
        with self._lock:
            making = self._making.setdefault(step.name, Lock())
        with making:
            manifest = self.sealed(step)
            if manifest is None:
                manifest = self._read(step) if isinstance(step, Extract) else self._compute(step)
                self._whole.add(manifest.fingerprint)
            if manifest.fingerprint not in self._whole:
                self._verify(manifest)
            return manifest

    def relation(self, step: Step) -> Relation:
        """The step's rows. Raises and side effects: as `of`."""
        return self._stage.relation(self.of(step))

    def aside(self, step: Load, run_id: str) -> Aside | None:
        """The dead letters that go with a load: of every step that its rows are made of. Raises: as `of`."""
        origins = []
        for name in sorted(self._dag.upstream(step.name)):
            made = self._dag.steps[name]
            if isinstance(made, Extract | Transform) and (manifest := self.of(made)).quarantined:
                origins.append(self._stage.aside(manifest, name, made.dataset if isinstance(made, Extract) else None))
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        rows = letters(origins, table=step.table, load_id=self._addresses.of(step.name), run_id=run_id, at=at)
        return None if rows is None else Aside(rows, sum(origin.manifest.quarantined for origin in origins))

    def mark(self, step: Extract) -> Watermark | None:
        """The newest cursor among the rows of an incremental extract; None when it has none. Raises: as `of`."""
        manifest = self.of(step)
        wanted = step.incremental.cursor.lower() if step.incremental else ""
        column = next(column for column in manifest.columns if column.name.lower() == wanted)
        with self.cursor() as cursor, attached(cursor, self._stage.relation(manifest)) as rows:
            asked = f"SELECT CAST(max({quote(column.name)}) AS VARCHAR) FROM ({rows})"
            text = run(cursor, asked, step=step.name).fetchall()[0][0]
        if text is not None and len(text) > _LONGEST:
            raise ReadError("The cursor's newest value is too long to be kept", step=step.name, characters=len(text))
        return None if text is None else Watermark(column.type, text)

    def set_aside(self, run_id: str) -> Relation | None:
        """The rows that the plan's sealed packages have set aside, as dead letters of no load; None without any."""
        origins = [
            self._stage.aside(manifest, name, step.dataset if isinstance(step, Extract) else None)
            for name, step in self._dag.steps.items()
            if isinstance(step, Extract | Transform) and (manifest := self.sealed(step)) and manifest.quarantined
        ]
        return letters(origins, table="", load_id="", run_id=run_id, at="")

    def compare(self, step: Extract) -> None:
        """See, once, that the source is what the plan was made for and what this run has pinned.

        Raises: SchemaChanged; SourceError when another version of it was loaded by this run already.
        """
        if step.name in self._compared:
            return
        self._addresses.still(step)
        if step.expect or step.columns:
            compare(step, self._connections[step.source].source().describe(step.dataset, step.options))
        self._compared.add(step.name)

    def fused_into(self, step: Extract) -> Load | None:
        """The load that the extract streams into; None when it is staged, or when its package is there already."""
        load = fused_load(self._dag, step)
        return None if load is None or self.sealed(step) is not None else load

    @contextmanager
    def cursor(self) -> Iterator[Cursor]:
        """A cursor of the one DuckDB that makes packages, within the settings' memory limit."""
        with self._lock:
            if self._duck is None:
                self._duck = self._connected()
            cursor = self._duck.cursor()
        with closing(cursor), interruptible(cursor.interrupt):
            yield cursor

    def _connected(self) -> Cursor:
        temp = self._open.enter_context(self._stage.scratch("spill"))
        duck = connect(memory_limit=self._settings.memory_limit, threads=self._settings.threads, temp=temp)
        self._open.callback(duck.close)
        # Rows that are counted pass through Arrow, where a HUGEINT or a TIMETZ would lose a part of itself.
        run(duck, "SET GLOBAL arrow_lossless_conversion = true")
        return duck

    def _verify(self, manifest: Manifest) -> None:
        try:
            self._stage.verify(manifest)
        except Corrupt:
            self._stage.discard(manifest.fingerprint)
            raise
        self._whole.add(manifest.fingerprint)

    def _read(self, step: Extract) -> Manifest:
        self.compare(step)
        source = self._connections[step.source].source()
        with self.cursor() as cursor:
            return extract(
                step,
                source,
                self._addresses.of(step.name),
                stage=self._stage,
                cursor=cursor,
                unchanged=lambda: self._unchanged(step),
                tell=lambda rows: self._tell(step.name, rows),
                span=self._ranges.of(step),
                splitting=lambda columns: splitter(self._dag.quarantines(step.name), columns),
            )

    def _unchanged(self, step: Extract) -> bool:
        """Whether the source still is what this run has pinned; if not, the next attempt looks at it anew."""
        same = self._addresses.unchanged(step)
        if not same:
            self._compared.discard(step.name)
        return same

    def _compute(self, step: Transform) -> Manifest:
        """Run a transform's SQL, which the plan's Dag has let through the guard, over its inputs' packages."""
        inputs = {name: self.relation(self._dag.steps[name]) for name in self._dag.inputs[step.name]}
        with self.cursor() as cursor:
            for name, rows in inputs.items():
                with attached(cursor, rows) as select:
                    run(cursor, f"CREATE TEMP VIEW {quote(name)} AS {select}", step=step.name)
            columns = columns_of(cursor, step.sql, step=step.name)
            split = splitter(self._dag.quarantines(step.name), columns)
            with self._stage.writer(self._addresses.of(step.name), columns, split) as writer:
                try:
                    rows_made = writer.write(cursor, step.sql)
                except ReadError as error:
                    # The inputs are sealed: what cannot be read is what the SQL makes of them.
                    raise computed(error, step.name, step.sql) from error.__cause__
                return writer.seal(rows_in=rows_made)
