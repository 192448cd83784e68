"""A shadow's answers beside the rows of the live version: what the monitor's checks see of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from penstock.bundle.runtime import Bundle
from penstock.monitoring import shadow_window
from penstock.monitoring.shadow_window import read_shadow_window
from penstock.monitoring.window import Window, read_window
from penstock.serving.journal_writer import JournalWriter, origin_of
from penstock.testing.toy_bundle import write_toy_bundle

BEGAN = datetime.now(UTC) - timedelta(hours=1)


def row(n: int) -> dict[str, Any]:
    return {"age": 20 + n % 60, "income": 1000 * (n % 150), "job": ("pilot", "nurse")[n % 2], "member": n % 3 == 0}


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.load(write_toy_bundle(tmp_path / "toy", version=2))


def journalled(folder: Path, bundle: Bundle, rows: list[dict[str, Any]]) -> Path:
    """Live answers in one segment, those of the shadow to all but the last in another."""
    live, shadow = JournalWriter(folder / "journal"), JournalWriter(folder / "journal")
    arm = origin_of("toy", 2, "green") + b',"arm":"candidate"'
    for n, one in enumerate(rows):
        body = orjson.dumps({"rows": [one]})
        origin = origin_of("toy", 1, "blue") + b',"arm":"live"'
        told = live.predictions(origin, body, bundle.predict([one]), at_ns=time.time_ns(), latency_ms=2.0)
        if n < len(rows) - 1:
            answers = [{"id": a["id"], **b} for a, b in zip(orjson.loads(told), bundle.predict([one]), strict=True)]
            shadow.shadow(arm, answers, latency_ms=50.0)
    shadow.error(500, "internal", origin=arm)
    live.sync()
    shadow.sync()
    return folder / "journal"


def read(journal: Path, bundle: Bundle, **more: Any) -> Window:
    until = datetime.now(UTC) + timedelta(seconds=1)
    return read_shadow_window(
        journal, bundle.decoder, bundle.signature, 2, since=BEGAN, until=until, model="toy", **more
    )


def test_rows_and_answers_are_brought_together(tmp_path: Path, bundle: Bundle) -> None:
    """The same window as if it had answered these rows itself; its times are nobody's."""
    rows = [row(n) for n in range(50)]
    journal = journalled(tmp_path, bundle, rows)
    window = read(journal, bundle)
    assert (window.rows, window.requests, window.failed, len(window.frame), len(window.latencies_ms)) == (
        49,
        49,
        1,
        49,
        0,
    )
    own = tmp_path / "own"
    for one in rows[:-1]:
        writer = JournalWriter(own)
        body = orjson.dumps({"rows": [one]})
        writer.predictions(
            origin_of("toy", 2, "green"), body, bundle.predict([one]), at_ns=time.time_ns(), latency_ms=1.0
        )
        writer.close()
    itself = read_window(own, bundle.decoder, bundle.signature, 2, model="toy")
    assert sorted(itself.answered.probabilities[:, 1]) == sorted(window.answered.probabilities[:, 1])  # type: ignore[index]
    assert sorted(itself.frame["age"]) == sorted(window.frame["age"])


def test_of_many_rows_a_sample_is_kept(tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, and the window says so."""
    monkeypatch.setattr(shadow_window, "ROWS_AT_ONCE", 4)
    window = read(journalled(tmp_path, bundle, [row(n) for n in range(60)]), bundle, cap=10)
    assert (window.rows, len(window.frame), len(window.ids)) == (59, 10, 10)
    assert any("a uniform sample of 10" in note for note in window.notes)


def test_nothing_yet_is_an_empty_window(tmp_path: Path, bundle: Bundle) -> None:
    """Of none."""
    window = read(tmp_path / "journal", bundle)
    assert (window.rows, len(window.frame)) == (0, 0)
