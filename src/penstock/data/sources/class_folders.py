"""A folder per class, a row per file: what folders of texts and of images share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from penstock.data.sources.file import options_of, some, with_column
from penstock.data.sources.files import digest_of_files
from penstock.data.sources.kind import Around, SourceSettings, changed, described
from penstock.data.sources.listing import files_below, suffix_of

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.data.source import Batch

FILES_AT_ONCE = 500
LABEL = "label"
Read = Callable[[Path], "tuple[str | None, ...] | None"]
"""The values of a file, one for each column; None where it is broken, and left out."""


@final
class ClassFolders:
    """Rows of what each file holds, and its label: the name of the folder below the root in which it lies, however deep.

    Parameters
    ----------
    form : ``"texts"`` or ``"images"``, as messages say. columns : what `read` gives. suffixes : of files that are rows.
    """

    kept: str | None = None

    def __init__(
        self,
        settings: SourceSettings,
        around: Around,
        *,
        form: str,
        columns: tuple[str, ...],
        suffixes: tuple[str, ...] | None,
        read: Read,
    ) -> None:
        self._folder = around.root / settings.place
        self._settings = settings
        self._around = around
        self._form = form
        self._columns = columns
        self._suffixes = suffixes
        self._read = read
        self._broken: list[str] = []

    def _list(self) -> tuple[list[str], list[str]]:
        """Files that are rows, and those that lie in no class or have another form."""
        rows: list[str] = []
        others: list[str] = []
        for name in files_below(self._folder):
            is_row = "/" in name and (self._suffixes is None or suffix_of(name) in self._suffixes)
            (rows if is_row else others).append(name)
        return rows, others

    @cached_property
    def _listed(self) -> tuple[list[str], list[str]]:
        return self._list()

    @property
    def files(self) -> list[str]:
        """Those that are rows, as they were when the source was opened."""
        return self._listed[0]

    @property
    def names(self) -> tuple[str, ...]:
        return with_column((*self._columns, LABEL), self._settings.file_column)

    @property
    def why(self) -> tuple[str, ...]:
        labels = list(dict.fromkeys(name.partition("/")[0] for name in self.files))
        return (f"{len(self.files)} {self._form} in {len(labels)} classes, a folder each: {described(labels)}",)

    @property
    def options(self) -> dict[str, Any]:
        return {**options_of(self._settings.options, self._settings.file_column), "format": self._form}

    @property
    def origin(self) -> dict[str, Any]:
        return {"path": self._settings.place, "files": len(self.files)}

    @property
    def warnings(self) -> tuple[str, ...]:
        others, told = self._listed[1], []
        if others:
            told.append(
                f"{len(others)} files are no {self._form} in the folder of a class, and are left out ({described(others)})"
            )
        if self._broken:
            told.append(f"{len(self._broken)} files cannot be read, and are left out ({described(self._broken)})")
        return tuple(told)

    @property
    def contents(self) -> Mapping[str, str]:
        files, _ = self._list()
        try:
            digests = self._around.digests([self._folder / name for name in files])
        except FileNotFoundError as error:
            raise changed(str(error.filename), why="the file is gone since the folder was listed") from error
        return dict(zip(files, digests, strict=True))

    def digest(self) -> str:
        return digest_of_files(self.contents)

    def batches(self, rows: int | None = None) -> Iterator[Batch]:
        from penstock.data.source import in_batches

        return some(in_batches(self._rows(), rows), self._settings.place, self.names)

    def _rows(self) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        broken: list[str] = []
        for start in range(0, len(self.files), FILES_AT_ONCE):
            found: list[tuple[str | None, ...]] = []
            for name in self.files[start : start + FILES_AT_ONCE]:
                try:
                    values = self._read(self._folder / name)
                except FileNotFoundError as error:
                    raise changed(name, why="the file is gone since the folder was listed") from error
                if values is None:
                    broken.append(name)
                    continue
                own = (*values, name.partition("/")[0])
                found.append((*own, name) if self._settings.file_column else own)
            columns = zip(*found, strict=True) if found else ([] for _ in self.names)
            yield pa.RecordBatch.from_arrays([pa.array(c, pa.string()) for c in columns], names=list(self.names))
        self._broken = broken
        now, _ = self._list()
        if now != self.files:
            odd = sorted(set(now) ^ set(self.files))
            raise changed(self._settings.place, why=f"files came or went meanwhile: {described(odd)}")
