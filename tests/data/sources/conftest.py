"""A folder for sources, a project's ledger, and rows with something of everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from penstock.data.sources.declared import DeclaredSource
from penstock.data.sources.kind import Around, SourceSettings
from penstock.data.sources.opening import open_source
from penstock.data.sources.snapshots import Snapshots
from penstock.ledger.ledger import Ledger
from penstock.objects.local import LocalStore
from penstock.objects.tabular import ReadOptions


@dataclass
class Place:
    """A project's folder with its ledger."""

    root: Path
    ledger: Ledger

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def around(self, **more: Any) -> Around:
        more.setdefault("snapshots", Snapshots(self.ledger, "p"))
        scratch = self.root / "state" / "scratch"
        return Around(
            root=self.root,
            digests=self.ledger.digests.of_all,
            remote_digests=self.ledger.digests,
            scratch=scratch,
            **more,
        )

    def open(self, place: str, *, around: dict[str, Any] | None = None, **how: Any) -> DeclaredSource:
        names = ("format", "file_column", "query", "cursor", "key", "drop")
        own = {name: how.pop(name) for name in names if name in how}
        form = own.pop("format", None)
        if form in ("csv", "jsonl", "json", "parquet"):
            how["format"], form = form, None
        return open_source(SourceSettings(place, ReadOptions(**how), form, **own), self.around(**(around or {})))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    objects = LocalStore(tmp_path / "state" / "objects")
    with Ledger.open(tmp_path / "state" / "ledger.db", objects) as ledger:
        yield Place(tmp_path, ledger)


def table(rows: range, *, header: str = "id,name,y") -> str:
    """CSV text: ids of a range, a name that every fifth row lacks, an outcome."""
    lines = [f"{i},{'' if i % 5 == 0 else f'ñ{i % 3}'},{i % 2}" for i in rows]
    return "\n".join([header, *lines]) + "\n"
