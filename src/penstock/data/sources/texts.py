"""A folder of texts, a folder per class: each file is a row."""

from __future__ import annotations

from pathlib import Path

from penstock.data.sources.class_folders import ClassFolders
from penstock.data.sources.kind import Around, SourceSettings
from penstock.data.sources.listing import TEXTS, folder_form, nothing_there
from penstock.errors import SourceError

MAX_TEXT_BYTES = 32 * 1024 * 1024


class TextFolder:
    """The kind of a folder whose folders are classes and hold texts; ``format = "texts"`` takes files of any name."""

    name = "texts"

    def claims(self, settings: SourceSettings, around: Around) -> bool:
        return is_form(self.name, settings, around)

    def open(self, settings: SourceSettings, around: Around) -> ClassFolders:
        from penstock.objects.tabular import ENCODINGS

        encoding = ENCODINGS[settings.options.encoding.lower()]
        source = ClassFolders(
            settings,
            around,
            form=self.name,
            columns=("text",),
            suffixes=None if settings.format == self.name else TEXTS,
            read=lambda path: (_text(path, encoding),),
        )
        if not source.files:
            raise nothing_there(
                f"the folder {settings.place}", "put the texts of each class into a folder of its name: positive/1.txt"
            )
        return source


def is_form(form: str, settings: SourceSettings, around: Around) -> bool:
    """Whether a source is a folder of this form, by the declaration or by its files."""
    folder = around.root / settings.place
    if settings.scheme or not folder.is_dir():
        return False
    if settings.format is not None:
        return settings.format == form
    return settings.options.format is None and folder_form(folder) == form


def _text(path: Path, encoding: str) -> str | None:
    """The text of a file; None where it holds none."""
    from penstock.objects.duck import bad_byte

    data = path.read_bytes()
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
