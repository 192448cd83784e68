"""A toy bundle, and files to be answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.bundle.runtime import Bundle


@pytest.fixture
def toy(toys: Callable[..., Path]) -> Bundle:
    return Bundle.load(toys(1))


@pytest.fixture
def write() -> Callable[..., Path]:
    """Writes a file with so many rows: ``write(path, n, age=41)``."""

    def written(path: Path, n: int, age: int = 41) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("age,job\n" + "".join(f"{age + i},nurse\n" for i in range(n)), encoding="utf-8")
        return path

    return written
