"""A folder of texts, a folder per class: each file is a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from penstock.data.sources.file import options_of, some, with_column
from penstock.data.sources.files import digest_of_files
from penstock.data.sources.kind import Around, SourceSettings, changed, described
from penstock.data.sources.listing import TEXTS, files_below, folder_form, nothing_there, suffix_of
from penstock.errors import SourceError

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.data.source import Batch

NAMES = ("text", "label")
FILES_AT_ONCE = 500
MAX_TEXT_BYTES = 32 * 1024 * 1024


class TextFolder:
    """The kind of a folder whose folders are classes and hold texts; ``format = "texts"`` takes files of any name."""

    name = "texts"

    def claims(self, settings: SourceSettings, around: Around) -> bool:
        folder = around.root / settings.place
        if settings.scheme or not folder.is_dir():
            return False
        return settings.format == "texts" or (
            settings.format is None and settings.options.format is None and folder_form(folder) == "texts"
        )

    def open(self, settings: SourceSettings, around: Around) -> TextSource:
        source = TextSource(around.root / settings.place, settings, around)
        if not source.files:
            raise nothing_there(
                f"the folder {settings.place}", "put the texts of each class into a folder of its name: positive/1.txt"
            )
        return source


@final
class TextSource:
    """Rows of a text and its label: the name of the folder below `folder` in which the file lies, however deep."""

    kept: str | None = None

    def __init__(self, folder: Path, settings: SourceSettings, around: Around) -> None:
        self._folder = folder
        self._settings = settings
        self._around = around

    def _list(self) -> tuple[list[str], list[str]]:
        """Files that are rows, and those that lie in no class or have another form."""
        rows: list[str] = []
        others: list[str] = []
        any_name = self._settings.format == "texts"
        for name in files_below(self._folder):
            (rows if "/" in name and (any_name or suffix_of(name) in TEXTS) else others).append(name)
        return rows, others

    @cached_property
    def _listed(self) -> tuple[list[str], list[str]]:
        return self._list()

    @property
    def files(self) -> list[str]:
        return self._listed[0]

    @property
    def names(self) -> tuple[str, ...]:
        return with_column(NAMES, self._settings.file_column)

    @property
    def why(self) -> tuple[str, ...]:
        labels = list(dict.fromkeys(name.partition("/")[0] for name in self.files))
        return (f"{len(self.files)} texts in {len(labels)} classes, a folder each: {described(labels)}",)

    @property
    def options(self) -> dict[str, Any]:
        return {**options_of(self._settings.options, self._settings.file_column), "format": "texts"}

    @property
    def origin(self) -> dict[str, Any]:
        return {"path": self._settings.place, "files": len(self.files)}

    @property
    def warnings(self) -> tuple[str, ...]:
        others = self._listed[1]
        if not others:
            return ()
        return (f"{len(others)} files are no texts in the folder of a class, and are left out ({described(others)})",)

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

        return some(in_batches(self._texts(), rows), self._settings.place, self.names)

    def _texts(self) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for start in range(0, len(self.files), FILES_AT_ONCE):
            files = self.files[start : start + FILES_AT_ONCE]
            columns = [list(map(self._read, files)), [name.partition("/")[0] for name in files]]
            columns += [files] if self._settings.file_column else []
            yield pa.RecordBatch.from_arrays([pa.array(c, pa.string()) for c in columns], names=list(self.names))
        now, _ = self._list()
        if now != self.files:
            odd = sorted(set(now) ^ set(self.files))
            raise changed(self._settings.place, why=f"files came or went meanwhile: {described(odd)}")

    def _read(self, name: str) -> str | None:
        """The text of a file; None where it holds none."""
        from penstock.objects.duck import bad_byte
        from penstock.objects.tabular import ENCODINGS

        path = self._folder / name
        encoding = ENCODINGS[self._settings.options.encoding.lower()]
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise changed(name, why="the file is gone since the folder was listed") from error
        if len(data) > MAX_TEXT_BYTES:
            raise SourceError(
                f"{path} is longer than {MAX_TEXT_BYTES // 2**20} MB",
                why="each file is one text, the value of one row",
                way_out='leave it out of the folder; or, if its lines are rows, say format = "csv"',
            )
        try:
            text = data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
        except UnicodeDecodeError:
            raise bad_byte(path, encoding) from None
        return text if text.strip() else None
