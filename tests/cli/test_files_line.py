"""What a run says while the files that it wrote are kept."""

from __future__ import annotations

import io

import pytest

from penstock.cli import files_line
from penstock.cli.files_line import FilesLine


class Terminal(io.StringIO):
    """Where a person sits in front of it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test sets."""
    now = [0.0]
    monkeypatch.setattr(files_line.time, "monotonic", lambda: now[0])
    return now


def shown(monkeypatch: pytest.MonkeyPatch, clock: list[float], stderr: io.StringIO, *, quiet: bool = False) -> str:
    """All that is said while 100 files take an eighth of a second each."""
    monkeypatch.setattr("sys.stderr", stderr)
    with FilesLine(quiet=quiet) as line:
        for what in ("keeping", "removing"):
            for done in range(1, 101):
                line.show(what, done, 100)
                clock[0] += 0.125
    return stderr.getvalue()


def test_a_line_is_printed_every_few_seconds_where_nobody_sees_it_change(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    """As in the log of a CI job."""
    lines = shown(monkeypatch, clock, io.StringIO()).splitlines()
    assert lines[0] == "  keeping the files that it wrote: 9 of 100"
    assert lines[-1].startswith("  kept; removing them from the folder of the run: ")
    assert len(lines) == 5


def test_one_line_is_rewritten_on_a_terminal_and_is_gone_at_the_end(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    """What comes next stands in its place."""
    text = shown(monkeypatch, clock, Terminal())
    assert "\n" not in text
    assert text.startswith("\r\x1b[Kkeeping the files that it wrote: 9 of 100")
    assert text.endswith("\r\x1b[K")


def test_nothing_is_said_of_few_files_or_where_one_object_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    """Most runs write few, and ``--json`` is for programs."""
    assert shown(monkeypatch, clock, io.StringIO(), quiet=True) == ""
    stderr = io.StringIO()
    monkeypatch.setattr("sys.stderr", stderr)
    with FilesLine(quiet=False) as line:
        for done in range(1, 1001):
            line.show("keeping", done, 1000)
    assert stderr.getvalue() == ""
