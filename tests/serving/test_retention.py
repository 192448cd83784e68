"""What is kept of a journal, and what a look at it costs."""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from penstock.serving import retention
from penstock.serving.journal_writer import JournalWriter
from penstock.serving.retention import Retention
from penstock.serving.segments import is_open, numbers, segment_path
from penstock.serving.settings import JournalSettings

SMALL = JournalSettings(segment_bytes=1_000)


def written(folder: Path, records: int) -> None:
    with JournalWriter(folder, SMALL, deletes=False) as writer:
        for n in range(records):
            writer.error(400, f"code-{n}")


def test_a_look_asks_each_closed_segment_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a rotation a request waits for it, and a journal of months has thousands."""
    written(tmp_path, 600)
    kept = Retention(tmp_path, keep_days=90, max_bytes=10**9)
    assert kept.apply() == []
    asked: list[Path] = []
    plain = retention.is_open
    monkeypatch.setattr(retention, "is_open", lambda path: asked.append(path) or plain(path))
    with JournalWriter(tmp_path, SMALL, deletes=False):
        assert kept.apply() == []
        assert len(asked) == 1


def test_what_another_worker_deleted_makes_room_as_well(tmp_path: Path) -> None:
    """Two that look at the same time delete no more than one would."""
    written(tmp_path, 200)
    total = sum(segment_path(tmp_path, number).stat().st_size for number in numbers(tmp_path))
    first, second = (Retention(tmp_path, keep_days=90, max_bytes=total) for _ in range(2))
    assert first.apply() == second.apply() == []
    first.max_bytes = second.max_bytes = total // 2
    gone = first.apply()
    assert len(gone) > 5
    assert second.apply() == []
    assert total // 2 - 1_500 < sum(segment_path(tmp_path, n).stat().st_size for n in numbers(tmp_path)) <= total // 2


def test_a_segment_that_its_writer_has_not_locked_yet_is_left_alone(tmp_path: Path) -> None:
    """Between claiming a number and holding it; one that a crash left empty goes later."""
    written(tmp_path, 20)
    claimed = segment_path(tmp_path, max(numbers(tmp_path)) + 1)
    claimed.touch()
    Retention(tmp_path, keep_days=90, max_bytes=0).apply()
    assert [segment_path(tmp_path, number) for number in numbers(tmp_path)] == [claimed]
    hour_ago = time.time() - 3600
    os.utime(claimed, (hour_ago, hour_ago))
    Retention(tmp_path, keep_days=0.01, max_bytes=10**9).apply()
    assert numbers(tmp_path) == []


@pytest.mark.parametrize("workers", [2, 40])
def test_what_many_workers_have_open_leaves_room_for_what_is_closed(tmp_path: Path, workers: int) -> None:
    """Only closed segments can be deleted: were the open ones allowed to fill the journal, each closed one would go at once."""
    declared = JournalSettings(segment_bytes=10_000, max_bytes=200_000)
    with ExitStack() as stack:
        writers = [stack.enter_context(JournalWriter(tmp_path, declared.of_each(workers))) for _ in range(workers)]
        for n in range(3_000):
            writers[n % workers].error(400, f"code-{n}" + "-" * 100)
        for writer in writers:
            assert writer._looked.wait(30), "nothing goes any more"
        paths = [segment_path(tmp_path, number) for number in numbers(tmp_path)]
        total, closed = sum(path.stat().st_size for path in paths), [path for path in paths if not is_open(path)]
    assert total <= 200_000
    assert len(closed) >= 2


def test_no_request_waits_while_many_segments_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new segment is begun while the look goes on in another thread; the one after that waits for it, as the limit must hold."""
    looks, may_end = threading.Semaphore(0), threading.Event()
    apply = Retention.apply

    def slow(kept: Retention) -> list[Path]:
        if threading.current_thread() is not threading.main_thread():
            looks.release()
            assert may_end.wait(30)
        return apply(kept)

    monkeypatch.setattr(Retention, "apply", slow)
    with JournalWriter(tmp_path, JournalSettings(segment_bytes=500, max_bytes=20_000)) as writer:
        first = writer.segment
        while writer.segment == first:
            writer.error(400, "code-" + "-" * 100)
        assert looks.acquire(timeout=30), "another thread looks, and still does"
        threading.Timer(0.3, may_end.set).start()
        second = writer.segment
        while writer.segment == second:
            writer.error(400, "code-" + "-" * 100)
        assert may_end.is_set(), "the segment after the next has waited"
        for _ in range(2_000):
            writer.error(400, "code-" + "-" * 100)
    assert sum(segment_path(tmp_path, number).stat().st_size for number in numbers(tmp_path)) <= 20_000


def test_a_look_that_fails_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told in the log, and the next segment asks again."""

    def fails(kept: Retention) -> list[Path]:
        raise OSError(5, "Input/output error")

    with JournalWriter(tmp_path, JournalSettings(segment_bytes=500)) as writer:
        monkeypatch.setattr(Retention, "apply", fails)
        for _ in range(50):
            writer.error(400, "code-" + "-" * 100)
    assert len(numbers(tmp_path)) > 5
    assert "Input/output error" in caplog.text
