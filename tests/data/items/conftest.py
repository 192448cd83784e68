"""A folder in which data items are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.project.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A folder of its own, where nothing is kept yet."""
    (tmp_path / "work").mkdir()
    return Workspace(tmp_path / "work")
