"""What is printed: capped, masked, in the order in which it came."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.experiments.capture.console import ConsoleLog, LabelledLines, Printed, join_console
from penstock.experiments.capture.secrets import Masker


def joined(folder: Path, pieces: list[bytes], limit: int) -> tuple[bytes, int]:
    log = ConsoleLog(folder, limit)
    for piece in pieces:
        log.write(piece)
    log.close()
    found = join_console(folder, log.size_bytes)
    assert not log.full
    return (b"", 0) if found is None else (found.file.read_bytes(), found.cut_bytes)


def test_nothing_printed_leaves_no_log(tmp_path: Path) -> None:
    assert joined(tmp_path, [], 100) == (b"", 0)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=30), st.integers(2, 200))
def test_head_and_tail_are_kept_to_the_byte(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], limit: int
) -> None:
    """Whatever the pieces and the limit: the first half of the limit, then the last half."""
    whole, half = b"".join(pieces), limit // 2
    kept, cut = joined(tmp_path_factory.mktemp("run"), pieces, limit)
    assert cut == max(0, len(whole) - 2 * half)
    if not cut:
        assert kept == whole
        return
    told = re.search(rb"\n\[\.\.\. [0-9,]+ bytes are left out here, see \[run\] console_bytes \.\.\.\]\n", kept)
    assert told is not None
    assert kept[: told.start()] == whole[:half]
    assert kept[told.end() :] == whole[-half:]


def test_memory_and_disk_have_an_end(tmp_path: Path) -> None:
    """Three halves of the limit at most, while it runs."""
    log = ConsoleLog(tmp_path, 100_000)
    for _ in range(1000):
        log.write(b"x" * 10_000)
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 150_000
    log.close()


def test_a_log_that_was_left_by_a_kill_is_joined_too(tmp_path: Path) -> None:
    """Nobody knows how much was printed; the parts that are there are kept."""
    log = ConsoleLog(tmp_path, 100)
    for i in range(100):
        log.write(b"%03d\n" % i)
    found = join_console(tmp_path)
    assert found is not None
    kept = found.file.read_bytes()
    assert kept.startswith(b"000\n001\n")
    assert kept.endswith(b"099\n")
    assert b"something may be left out" in kept


def test_a_full_disk_ends_the_log_and_not_the_run(tmp_path: Path) -> None:
    """/dev/full refuses every byte."""
    (tmp_path / "console.log").symlink_to("/dev/full")
    log = ConsoleLog(tmp_path, 100)
    log.write(b"hello")
    log.write(b"hello")
    assert "no space" in log.full
    assert log.size_bytes == 10


def test_secrets_are_masked_in_all_three_places(tmp_path: Path) -> None:
    """Terminal, log and what is looked through for metrics; also where a secret comes in two pieces."""
    shown, read = io.StringIO(), []
    log = ConsoleLog(tmp_path, 1000)
    printed = Printed(Masker(values=["hunter2222"]), log, shown, read.append)
    printed.feed(b"password hunter")
    printed.feed(b"2222 ok\n")
    printed.flush()
    log.close()
    assert shown.getvalue() == (tmp_path / "console.log").read_text() == b"".join(read).decode() == "password *** ok\n"


def test_a_prompt_without_an_end_is_shown_at_once(tmp_path: Path) -> None:
    """Nobody waits for a line end to see a question."""
    shown = io.StringIO()
    printed = Printed(Masker(values=["hunter2222"]), ConsoleLog(tmp_path, 1000), shown)
    printed.feed(b"your name? ")
    assert shown.getvalue() == "your name? "


def test_invalid_utf8_stays_as_it_is(tmp_path: Path) -> None:
    """Byte for byte in the log and to a real terminal; a text stream gets the sign for what it cannot be."""
    raw = io.BytesIO()
    shown = io.TextIOWrapper(raw, encoding="utf-8")
    log = ConsoleLog(tmp_path, 1000)
    Printed(Masker(), log, shown).feed(b"\xff\xfe bad\n")
    assert raw.getvalue() == (tmp_path / "console.log").read_bytes() == b"\xff\xfe bad\n"
    text = io.StringIO()
    Printed(Masker(), log, text).feed(b"\xff bad\n")
    assert text.getvalue() == "\ufffd bad\n"


def test_a_terminal_that_has_gone_does_not_end_the_run(place: Any) -> None:
    """`penstock run train.py | head -1`: the rest is recorded."""
    import subprocess

    place.write("train.py", "import time\nfor i in range(2000): print('loss:', i)\n")
    first = subprocess.run(
        f"{sys.executable} -m penstock run train.py -y | head -1",
        shell=True,
        cwd=place.root,
        capture_output=True,
        text=True,
        env=os.environ,
    )
    assert first.stdout == "loss: 0\n"
    assert "Error" not in first.stderr
    (record,) = place.workspace.ledger.runs()
    assert record.status == "done"
    assert record.metrics["loss"]["value"] == 1999


@given(st.lists(st.sampled_from([b"one", b"\n", b"two\n", b"3%\r", b"\r\n", b"\xff", b""]), max_size=12))
def test_labelled_lines_are_whole_and_complete(pieces: list[bytes]) -> None:
    """However they come in pieces; of a line that overwrites itself the end is left."""
    lines = LabelledLines("a | ")
    shown = b"".join([*(lines.feed(piece) for piece in pieces), lines.rest()])
    expected = [line.rstrip(b"\r").rpartition(b"\r")[2] for line in b"".join(pieces).removesuffix(b"\n").split(b"\n")]
    assert shown == (b"".join(b"a | " + line + b"\n" for line in expected) if b"".join(pieces) else b"")


def test_a_line_without_an_end_does_not_fill_memory() -> None:
    lines = LabelledLines("a | ")
    shown = b"".join(lines.feed(b"x" * 10_000) for _ in range(100)) + lines.rest()
    assert shown.replace(b"a | ", b"").replace(b"\n", b"") == b"x" * 1_000_000
    assert lines.feed(b"y\r" * 100_000) == b""
    assert lines.rest() == b"a | y\n"
