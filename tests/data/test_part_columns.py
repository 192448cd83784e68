"""The columns of a part one after the other: the same as all at once, and few of them in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from penstock.data import chunks, part_columns
from penstock.data.doors import read_columns, read_part
from penstock.data.versions import load_target

if TYPE_CHECKING:
    from tests.data.conftest import Stores


@pytest.mark.parametrize("held", [1, 50_000, 1 << 30])
def test_columns_are_those_of_the_whole_part(
    stores: Stores, customers: Callable[..., str], monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    """However many are held at a time, and in whatever order they are asked for; chunks are read once for each group."""
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 300)
    monkeypatch.setattr(part_columns, "HELD_BYTES", held)
    version = stores.ingest(customers(1000)).version
    assert len(version.manifest["parts"]["train"]) > 1
    frame, y = read_part(stores.ledger, stores.objects, version, "train")
    reads: list[str] = []
    real: Callable[[str], bytes] = stores.objects.get
    monkeypatch.setattr(stores.objects, "get", lambda digest: reads.append(digest) or real(digest))
    columns: Any = read_columns(stores.ledger, stores.objects, version, "train")
    assert list(columns) == list(frame.columns)
    for name in (*columns, *reversed(list(columns))):
        np.testing.assert_array_equal(columns[name], frame[name])
        assert held > 1 or len(columns._held) == 1
    groups = len(reads) / len(version.manifest["parts"]["train"])
    assert groups == (1 if held == 1 << 30 else 2 * len(columns) - 1 if held == 1 else groups)
    np.testing.assert_array_equal(load_target(stores.objects, version, "train"), y)
