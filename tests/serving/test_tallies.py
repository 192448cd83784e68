"""Tallies in rings: bounded, in order, summed over servers, whole after any death."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.serving.tallies import Tallies, Tally


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "levels").iterdir())


def test_six_hours_are_kept_closely_and_three_months_by_the_hour(tmp_path: Path) -> None:
    """The files are as large after four months as at first, and in order; another worker reads the same."""
    tallies, now = Tallies(tmp_path), Tally(1_000_000.0)

    def counted() -> Tally:
        return now

    tallies.note(counted)
    size = folder_bytes(tmp_path)
    assert size < 800_000
    for seconds, times in ((600, 120 * 24), (15, 2000)):  # four months ten minutes at a time: less to do
        for _ in range(times):
            now = replace(now, at_s=now.at_s + seconds, answered=now.answered + seconds)
            tallies.note(counted)
    kept = tallies.all()
    assert folder_bytes(tmp_path) == size
    assert [t.at_s for t in kept] == sorted({t.at_s for t in kept})
    assert sum(t.at_s > now.at_s - 6 * 3600 for t in kept) >= 6 * 240
    assert len(kept) < 5000
    assert kept[-1].answered - kept[0].answered == kept[-1].at_s - kept[0].at_s
    assert Tallies(tmp_path).all() == kept


def test_one_worker_notes_for_all(tmp_path: Path) -> None:
    """Whoever comes within a quarter of a minute has nothing to do."""
    first, second = Tallies(tmp_path), Tallies(tmp_path)
    first.note(lambda: Tally(100.0))
    second.note(lambda: Tally(105.0, answered=5))
    assert len(first.all()) == 1
    second.note(lambda: Tally(115.0, answered=9))
    assert [t.answered for t in first.all()] == [0.0, 9.0]


def test_counters_that_begin_anew_are_added(tmp_path: Path) -> None:
    """Noted before they are cleared and after; also where the server was killed between the two."""
    tallies = Tallies(tmp_path)
    tallies.note(lambda: Tally(100.0))
    tallies.note(lambda: Tally(115.0, answered=30))
    tallies.note(lambda: Tally(117.0, answered=40), at_once=True)  # a start: what the last seconds counted
    tallies.note(lambda: Tally(118.0), at_once=True)  # killed before it, the next start finds zero, too
    tallies.note(lambda: Tally(133.0, answered=50))  # more than before: nothing tells but the zero in between
    assert tallies.all()[-1].answered == 90
    assert tallies.now(Tally(140.0, answered=55)).answered == 95


def test_starts_without_traffic_leave_nothing(tmp_path: Path) -> None:
    """A server that crashes again and again does not push six hours out of the ring."""
    tallies = Tallies(tmp_path)
    tallies.note(lambda: Tally(100.0, answered=7))
    for second in range(1000):
        tallies.note(lambda second=second: Tally(101.0 + second), at_once=True)  # type: ignore[misc]
    assert len(tallies.all()) == 2


def test_what_came_while_nobody_noted_anything_is_left_out(tmp_path: Path) -> None:
    """Objectives that are declared when a server has run for days do not take those days for this minute."""
    tallies = Tallies(tmp_path)
    tallies.note(lambda: Tally(100.0, answered=7))
    tallies.note(lambda: Tally(90_000.0, answered=1_000_000))
    tallies.note(lambda: Tally(90_015.0, answered=1_000_003))
    assert [t.answered for t in tallies.all()] == [0.0, 0.0, 3.0]


@settings(max_examples=30, deadline=None)
@given(cut=st.integers(0, 123), byte=st.integers(1, 255), of=st.integers(1, 40))
def test_a_tally_that_is_damaged_is_left_out_and_the_others_are_not(
    tmp_path_factory: pytest.TempPathFactory, cut: int, byte: int, of: int
) -> None:
    """Any byte of it; the next one stands in its own place."""
    folder = tmp_path_factory.mktemp("levels")
    tallies = Tallies(folder)
    for number in range(40):
        tallies.note(lambda number=number: Tally(100.0 + 15 * number, answered=number))  # type: ignore[misc]
    path = folder / "levels" / "recent.ring"
    data = bytearray(path.read_bytes())
    data[of * 124 + cut] ^= byte
    path.write_bytes(data)
    again = Tallies(folder)
    kept = [tally for tally in again.all() if tally.at_s >= 115.0]
    assert len(kept) in (38, 39)  # the first stands by the hour, too
    again.note(lambda: Tally(100.0 + 15 * 40, answered=50))
    assert again.all()[-1].answered == 50


def test_files_of_another_kind_are_begun_anew(tmp_path: Path) -> None:
    """Rubbish, or too short: no fault, and no tally."""
    (tmp_path / "levels").mkdir()
    (tmp_path / "levels" / "recent.ring").write_bytes(b"\xff" * 3000)
    (tmp_path / "levels" / "long.ring").write_bytes(b"")
    tallies = Tallies(tmp_path)
    assert tallies.all() == []
    tallies.note(lambda: Tally(100.0))
    tallies.note(lambda: Tally(115.0, failed=2))
    assert tallies.all()[-1].failed == 2


def test_a_process_that_is_killed_while_it_notes_leaves_whole_tallies(tmp_path: Path) -> None:
    """Again and again, at any moment; what is left is in order, and grows."""
    program = (
        "import sys; from pathlib import Path; from penstock.serving.tallies import Tallies, Tally\n"
        "tallies, n = Tallies(Path(sys.argv[1])), int(sys.argv[2])\n"
        "print('go', flush=True)\n"
        "while True: n += 1; tallies.note(lambda: Tally(15.0 * n, n, n, n, n, n, n), at_once=True)"
    )
    reached = 0
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), str(reached)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(0.4)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        kept = Tallies(tmp_path).all()
        assert all(len({*tally.counters}) == 1 for tally in kept)
        assert [t.answered for t in kept] == sorted(t.answered for t in kept)
        assert round(kept[-1].at_s / 15) > reached
        reached = round(kept[-1].at_s / 15)
