"""A folder of files as a connection: its files are its tables, to read and to write."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent_etl.connectors.dataset import Dataset, Format
from agent_etl.connectors.filekind import FileKind, kind_of, verify
from agent_etl.connectors.folder import Folder
from agent_etl.connectors.sidecar import Sidecar, recorded
from agent_etl.engine.errors import ReadError, UsageError
from agent_etl.engine.ports import Relation, Source, Target
from agent_etl.engine.schema import Table
from agent_etl.engine.watermark import Within

__all__ = ["FileSource", "FilesConnection", "reader"]


class FilesConnection:
    """A named folder. `free`: a user may also name absolute and `../` paths; otherwise nothing outside is reached.

    Read options (`Extract.options`) of delimited text: delimiter, quote, escape, header, skip, encoding (utf-8, utf-16,
    latin-1), types ({column: type}), null_values, quoted_nulls, max_line, special_values, compression (none, gzip,
    zstd) and on_error (fail, quarantine). Those of JSON: types, keys ({column: key}), special_values, compression and
    on_error. Parquet takes none.
    """

    kind = "files"

    def __init__(self, name: str, root: Path, *, free: bool = False, protected: bool = False) -> None:
        self.name = name
        self.protected = protected
        self.root = root.expanduser().absolute()
        self.url = self.root.as_uri() + "/"
        self._folder = Folder(name, self.root, free)

    def source(self) -> Source:
        """The folder as a source. Raises: UsageError when it is not a folder."""
        if not self.root.is_dir():
            raise UsageError(
                "The folder is not there", connection=self.name, url=self.url, hint="make it or name another"
            )
        return FileSource(self._folder)

    def target(self) -> Target:
        """The folder as a target; it is made when the first file is written."""
        from agent_etl.connectors.filetarget import FileTarget

        return FileTarget(self._folder)

    def close(self) -> None:
        """Nothing stays open between calls."""


class FileSource:
    """The files of a folder as datasets: a file, a bare stem that only one file has, or a glob of like files."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def tables(self) -> tuple[str, ...]:
        """Names of the data files that lie directly in the folder, sorted. Raises: NotFound."""
        return self._folder.tables()

    def describe(self, dataset: str, options: Mapping[str, Any] | None = None) -> Table:
        """Columns, types, rows where cheap, version, options that repeat the read, notes.

        A file that a load of ours made, and nobody changed since, has the types that it was loaded with.
        Raises: NotFound; ReadError when the bytes are not what the name or the options say.
        """
        data = self._dataset(dataset, options)
        version = self._folder.version(data.paths)
        loaded = None if options or len(data.paths) > 1 else Sidecar(data.paths[0]).current()
        made = recorded(data.kinds[0], loaded) if loaded is not None else options
        found = _format(data).describe(data, made)
        return Table(
            connection=self._folder.name,
            dataset=dataset,
            columns=found.columns,
            rows=loaded.total if loaded is not None else found.rows,
            version=version,
            options=found.options,
            notes=found.notes,
        )

    def version(self, dataset: str, options: Mapping[str, Any] | None = None) -> str | None:
        """Changes when a file is added, removed, rewritten or replaced. Raises: NotFound."""
        return self._folder.version(self._folder.files(dataset))

    def scan(
        self,
        dataset: str,
        *,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        options: Mapping[str, Any] | None = None,
        within: Within | None = None,
    ) -> Relation:
        """The rows, nothing read yet but headers and footers. `where` and `within` are left to the caller.

        Raises: NotFound (also for a column), ReadError.
        """
        data = self._dataset(dataset, options)
        return _format(data).scan(data, columns, options)

    def _dataset(self, dataset: str, options: Mapping[str, Any] | None) -> Dataset:
        paths = self._folder.files(dataset)
        kinds = tuple(kind_of(path, options or {}) for path in paths)
        for path, kind in zip(paths, kinds, strict=True):
            verify(path, kind)
        return Dataset(dataset, paths, kinds)


def _format(data: Dataset) -> Format:
    formats = {kind.format for kind in data.kinds}
    if len(formats) > 1:
        raise ReadError("The pattern matches files of several formats", dataset=data.name, formats=sorted(formats))
    return reader(data.kinds[0])


def reader(kind: FileKind) -> Format:
    """The format that reads files of that kind."""
    if kind.format == "parquet":
        from agent_etl.connectors.parquet import Parquet

        return Parquet()
    if kind.format in {"json", "jsonl"}:
        from agent_etl.connectors.jsonrecords import JsonRecords

        return JsonRecords()
    from agent_etl.connectors.delimited import Delimited

    return Delimited(tabbed=kind.format == "tsv")
