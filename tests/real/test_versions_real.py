"""Versions of real files: they cost what is new, and come back bit for bit."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import pytest

from penstock.data.items.adding import add
from penstock.data.items.checkout import checkout
from penstock.data.items.verifying import verify
from penstock.project.workspace import Workspace

DATA = Path(os.environ.get("PENSTOCK_DATA", Path(__file__).parents[3] / "shared" / "data"))

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not here: set PENSTOCK_DATA to their folder"),
]


def test_half_a_million_rows_and_a_hundredth_more(tmp_path: Path) -> None:
    """kddcup99, 75 MB of rows of which most are there more than once: 1 % more stores 1 %, and rows put in near the beginning little."""
    lines = gzip.decompress((DATA / "kddcup99" / "kddcup.data_10_percent.gz").read_bytes()).splitlines(keepends=True)
    cut = len(lines) * 100 // 101
    versions = [
        b"".join(lines[:cut]),
        b"".join(lines),
        b"".join([*lines[:5000], b"a row of its own\n", *lines[5000:]]),
    ]
    workspace = Workspace(tmp_path / "work")
    workspace.root.mkdir()
    file = workspace.root / "kdd.csv"
    added = []
    for data in versions:
        file.write_bytes(data)
        added.append(add(workspace, file))
    assert added[1].new_bytes < 0.02 * len(versions[1])
    assert added[2].new_bytes < 0.05 * len(versions[2])
    assert [one.version.number for one in added] == [1, 2, 3]
    for number, data in enumerate(versions, 1):
        checkout(workspace, f"kdd.csv@{number}")
        assert hashlib.sha256(file.read_bytes()).digest() == hashlib.sha256(data).digest()
    assert verify(workspace).exit_code == 0
