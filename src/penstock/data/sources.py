"""Kinds of sources: for now, one file. And a file as a table of text: each distinct value is kept, looked at and decoded once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from penstock.bundle.decoder import EncodedColumn
from penstock.data.source import Batch, in_batches
from penstock.errors import SourceError
from penstock.objects.files import sha256_file
from penstock.objects.tabular import (
    DEFAULTS,
    Detected,
    ReadOptions,
    changed_while_read,
    detect,
    read_detected,
    text_batches,
)


@dataclass(frozen=True)
class FileSource:
    """A file: CSV in all its dialects, JSON lines, JSON or Parquet, also compressed with gzip."""

    path: Path
    how: ReadOptions = DEFAULTS

    @cached_property
    def detected(self) -> Detected:
        """How the file is written. It is looked at once; a file that is written anew meanwhile has another digest."""
        return detect(self.path, self.how)

    @property
    def names(self) -> tuple[str, ...]:
        return self.detected.names

    @property
    def why(self) -> tuple[str, ...]:
        return self.detected.why

    @property
    def options(self) -> dict[str, Any]:
        return self.how.to_json()

    @property
    def origin(self) -> dict[str, Any]:
        return {"path": str(self.path)}

    def digest(self) -> str:
        return sha256_file(self.path)

    def batches(self, rows: int | None = None) -> Iterator[Batch]:
        empty = True
        for batch in in_batches(text_batches(self.path, self.detected), rows):
            empty = False
            yield batch
        if empty:
            raise SourceError(
                f"{self.path} has no rows",
                why=f"it holds the names of {len(self.names)} columns and nothing below them",
                way_out="write the file again; if its one line is a row, say --no-header",
            )


@dataclass(frozen=True)
class SourceTable:
    """What a file holds.

    Attributes
    ----------
    columns : name -> text, in the file's order; all of `n_rows`.
    digest : of the file's bytes, as they lie on the disk.
    detected : how the file is written, and what was guessed about that.
    """

    columns: dict[str, EncodedColumn]
    n_rows: int
    digest: str
    detected: Detected

    def take(self, rows: np.ndarray) -> SourceTable:
        """These rows (positions), with the same distinct values."""
        columns = {name: EncodedColumn(c.values, c.codes[rows]) for name, c in self.columns.items()}
        return SourceTable(columns, len(rows), self.digest, self.detected)


def read(path: str | Path, options: ReadOptions = DEFAULTS) -> SourceTable:
    """Read a whole file.

    Raises
    ------
    SourceError : it is missing, malformed, without rows, or changes while it is read.
    """
    path = Path(path)
    detected = detect(path, options)
    before = sha256_file(path)
    table = read_detected(path, detected)
    if sha256_file(path) != before:
        raise changed_while_read(path)
    if table.num_rows == 0:
        raise SourceError(
            f"{path} has no rows",
            why=f"it holds the names of {len(detected.names)} columns and nothing below them",
            way_out="write the file again; if its one line is a row, say --no-header",
        )
    columns = {}
    for name in detected.names:
        encoded = table.column(name).combine_chunks().dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        columns[name] = EncodedColumn(encoded.dictionary.to_pylist(), codes.astype(np.int32, copy=False))
        table = table.drop_columns([name])  # frees each text column as soon as it is encoded
    return SourceTable(columns, len(codes), before, detected)
