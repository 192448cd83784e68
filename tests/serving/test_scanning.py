"""A growing journal is read on: each record once, whoever writes, and at the same cost however long it is."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from penstock.serving import scanning
from penstock.serving.journal_writer import JournalWriter
from penstock.serving.scanning import JournalScan
from penstock.serving.segments import segments
from penstock.serving.settings import JournalSettings

SMALL = JournalSettings(segment_bytes=1_000)


def codes(scan: JournalScan) -> list[str]:
    return [
        payload.split(b'"code":"')[1].split(b'"')[0].decode() for _, payload in scan.new_payloads(b'{"kind":"error"')
    ]


def settled(folder: Path) -> None:
    """Wait until the folder's time tells of every later change."""
    while time.time_ns() - os.stat(folder).st_mtime_ns <= scanning._SETTLED_NS:
        time.sleep(0.01)


@pytest.mark.parametrize("seed", range(3))
def test_each_record_is_read_once_whoever_writes_and_stops(tmp_path: Path, seed: int) -> None:
    """Workers that come, rotate and go in any order, some without a record, so that numbers have gaps; looks in between."""
    chance = random.Random(seed)
    scan, writers, written, found = JournalScan(tmp_path), [], [], []
    assert codes(scan) == []
    for step in range(400):
        what = chance.random()
        if what < 0.1 or not writers:
            writers.append(JournalWriter(tmp_path, SMALL))
        elif what < 0.18:
            writers.pop(chance.randrange(len(writers))).close()
        elif what < 0.7:
            chance.choice(writers).error(400, f"code-{step}")
            written.append(f"code-{step}")
        else:
            found += codes(scan)
            assert sorted(found) == sorted(written)
    for writer in writers:
        writer.close()
    found += codes(scan)
    assert sorted(found) == sorted(written)


def test_a_look_at_a_journal_of_many_closed_segments_looks_at_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it list the folder: a request waits for it."""
    with JournalWriter(tmp_path, SMALL) as writer:
        for n in range(601):
            writer.error(400, f"code-{n}")
        assert len(segments(tmp_path)) > 40
        assert writer._offset < 900, "the next one goes into the same segment"
        scan = JournalScan(tmp_path)
        assert len(codes(scan)) == 601
        settled(tmp_path)
        codes(scan)
        looked: list[Any] = []
        for where, name in ((Path, "stat"), (os, "listdir"), (scanning, "is_open")):
            plain = getattr(where, name)
            monkeypatch.setattr(where, name, lambda *of, plain=plain: looked.append(of) or plain(*of))
        writer.error(400, "the last")
        assert codes(scan) == ["the last"]
        assert len(looked) == 1


def test_a_segment_that_retention_deletes_is_forgotten(tmp_path: Path) -> None:
    with JournalWriter(tmp_path, SMALL) as writer:
        for n in range(60):
            writer.error(400, f"code-{n}")
        scan = JournalScan(tmp_path)
        codes(scan)
        oldest, *rest = scan.numbers
        assert not scan.has_lost()
        segments(tmp_path)[0][1].unlink()
        writer.error(400, "more")
        assert codes(scan) == ["more"]
        assert scan.numbers[0] == rest[0]
        assert oldest not in scan.numbers
        assert [scan.has_lost(), scan.has_lost()] == [True, False]
