"""Pace: two bundles in turns, on the same rows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from penstock.bundle.runtime import Bundle
from penstock.packaging.quantising import timing
from penstock.testing.toy_bundle import ROWS, write_toy_bundle


class Slower:
    """A bundle that works three times for each answer."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def predict(self, rows: Any) -> Any:
        for _ in range(2):
            self._bundle.predict(rows)
        return self._bundle.predict(rows)

    def predict_frame(self, frame: Any) -> Any:
        for _ in range(2):
            self._bundle.predict_frame(frame)
        return self._bundle.predict_frame(frame)


def test_a_bundle_that_works_three_times_takes_three_times_as_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processor time, so other work on the machine matters little."""
    bundle = Bundle.load(write_toy_bundle(tmp_path / "toy"))
    frame, _ = bundle.decoder.decode_rows(list(ROWS) * 100)
    slower: Any = Slower(bundle)
    found = timing.pace(slower, bundle, dict(ROWS[0]), frame)
    assert 2 < found.row_ratio < 5
    assert 2 < found.batch_ratio < 5
    assert found.row_cpu_ms > 0
    assert found.rows_per_s > 0


def test_of_a_model_that_takes_long_few_rows_are_asked_in_bulk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or measuring would take minutes."""
    bundle = Bundle.load(write_toy_bundle(tmp_path / "toy"))
    asked: list[int] = []

    class Long:
        def predict(self, rows: Any) -> None:
            end = time.thread_time() + 0.02
            while time.thread_time() < end:
                pass

        def predict_frame(self, frame: Any) -> None:
            asked.append(len(frame))

    frame, _ = bundle.decoder.decode_rows(list(ROWS) * 100)
    long: Any = Long()
    timing.pace(long, long, {}, frame)
    assert max(asked) <= timing.BATCH_S / 0.02 + 6
