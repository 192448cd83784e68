"""A store of trials, and learners of another distribution, for the tests of searches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock import parts

from .problems import FileTrials


@pytest.fixture
def trials(tmp_path: Path) -> FileTrials:
    """An empty store."""
    return FileTrials(tmp_path / "trials.jsonl")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, list[str]], None]]:
    """Installs learners for this process and its workers: ``install(source, names of its classes)``."""

    def forget() -> None:
        for cached in (parts._targets, parts.names, parts.load):
            cached.cache_clear()

    def installed(source: str, classes: list[str]) -> None:
        site = tmp_path / "site"
        (site / "odd-0.1.dist-info").mkdir(parents=True)
        (site / "odd-0.1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 0.1\n")
        points = "\n".join(f"{name.lower()} = odd_learners:{name}" for name in classes)
        (site / "odd-0.1.dist-info" / "entry_points.txt").write_text(f"[penstock.learners]\n{points}\n")
        (site / "odd_learners.py").write_text(source)
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.setenv("PYTHONPATH", str(site))
        monkeypatch.delitem(sys.modules, "odd_learners", raising=False)
        forget()

    yield installed
    forget()
