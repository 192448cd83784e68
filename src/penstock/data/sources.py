"""Kinds of sources: for now, one file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from penstock.data.source import Batch, in_batches
from penstock.errors import SourceError
from penstock.objects.files import sha256_file
from penstock.objects.tabular import (
    DEFAULTS,
    Detected,
    ReadOptions,
    detect,
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


def read(path: str | Path, options: ReadOptions = DEFAULTS) -> Batch:
    """A whole file as one batch, for tables that are small.

    Raises
    ------
    SourceError : it is missing, malformed, without rows, or changes while it is read.
    """
    return Batch.join(list(FileSource(Path(path), options).batches()))
