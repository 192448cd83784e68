"""A project's stores in a temporary folder, and a table with something of everything."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from penstock.data.ingest import ingest
from penstock.data.result import IngestResult
from penstock.data.source import Source
from penstock.data.sources.file import FileSource
from penstock.ledger.ledger import Ledger
from penstock.objects.local import LocalStore
from penstock.objects.tabular import DEFAULTS


@dataclass
class Stores:
    """A ledger and its objects, and a folder for sources."""

    ledger: Ledger
    objects: LocalStore
    folder: Path

    def write(self, text: str, name: str = "table.csv") -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def ingest(self, source: str | Path | Source, target: str = "y", **how: Any) -> IngestResult:
        path = self.write(source) if isinstance(source, str) else source
        read = FileSource(path, how.pop("options", DEFAULTS)) if isinstance(path, Path) else path
        return ingest(self.ledger, self.objects, source=read, target=target, **how)


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    objects = LocalStore(tmp_path / "state" / "objects")
    with Ledger.open(tmp_path / "state" / "ledger.db", objects) as ledger:
        yield Stores(ledger, objects, tmp_path)


@pytest.fixture
def customers() -> Callable[..., str]:
    """CSV text of customers; the same number and seed give the same rows, more rows begin with the same ones."""

    def make(rows: int = 1000, *, seed: int = 0, header: bool = True) -> str:
        dice = random.Random(seed)
        lines = ["id,age,job,note,since,y"] if header else []
        for number in range(rows):
            job = dice.choice(["admin.", "blue-collar", "unknown", "retired"])
            words = " ".join(dice.choice(["red", "green", "call", "me", "later", "thanks", "please"]) for _ in range(8))
            since = f"20{dice.randrange(10, 26)}-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}"
            age = "" if dice.random() < 0.1 else f"{dice.uniform(18, 90):.4f}"
            lines.append(f"{number + 1},{age},{job},{words} {number},{since},{'yes' if dice.random() < 0.3 else 'no'}")
        return "\n".join(lines) + "\n"

    return make
