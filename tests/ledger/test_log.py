"""The log file of a run."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.ledger.log import LogFile, read_log


@pytest.fixture
def log(tmp_path: Path) -> LogFile:
    return LogFile(tmp_path / "runs" / "x" / "metrics.jsonl")


def test_every_line_is_valid_json_and_there_at_once(log: LogFile) -> None:
    """Other programs may read along; each line tells the seconds since the start."""
    for step in range(3):
        log.append({"step": step, "loss": 0.1, "note": 'a "quoted" é', "ok": True, "none": None})
        lines = log.path.read_text().splitlines()
        assert len(lines) == step + 1
        value = json.loads(lines[-1], parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
        assert value.pop("elapsed_s") >= 0
        assert value == {"step": step, "loss": 0.1, "note": 'a "quoted" é', "ok": True, "none": None}


def test_numbers_of_numpy_are_numbers(log: LogFile) -> None:
    """Scalars of every width, and those that JSON lacks."""
    log.append({"i": np.int64(3), "f": np.float32(0.5), "d": np.float64("nan"), "b": np.bool_(True), "inf": -math.inf})
    (line,) = read_log(log.path.read_bytes())
    assert (line["i"], line["f"], line["b"], line["inf"]) == (3, 0.5, True, -math.inf)
    assert math.isnan(line["d"])
    assert b"NaN" in log.path.read_bytes()
    assert b":NaN" not in log.path.read_bytes()


def test_a_line_that_a_crash_cut_is_left_out(log: LogFile) -> None:
    """Those before it are whole."""
    log.append({"step": 1})
    assert [line["step"] for line in read_log(log.path.read_bytes() + b'{"elapsed_s":0.1,"st')] == [1]


def test_a_log_that_nothing_was_written_to_has_no_file(log: LogFile) -> None:
    """Closing tells so."""
    assert log.close() is None
    assert not log.path.parent.exists()


def test_what_is_no_scalar_is_refused(log: LogFile) -> None:
    """An object would come back as something else; the line is not begun."""
    with pytest.raises(TypeError, match="not JSON serializable"):
        log.append({"step": 1, "model": object()})
    log.append({"step": 2})
    assert [line["step"] for line in read_log(log.path.read_bytes())] == [2]


def test_processes_that_append_at_once_cut_no_line(log: LogFile) -> None:
    """Children of a run log into its file, each with a file of its own opened, all on the run's clock."""
    script = (
        "import sys, time; from pathlib import Path; from penstock.ledger.log import LogFile\n"
        "log = LogFile(Path(sys.argv[1]), float(sys.argv[2]))\n"
        "for step in range(300): log.append({'process': sys.argv[3], 'step': step, 'text': 'x' * step})\n"
    )
    started = time.monotonic() - 50
    children = [
        subprocess.Popen([sys.executable, "-c", script, str(log.path), str(started), str(number)])
        for number in range(4)
    ]
    assert [child.wait(60) for child in children] == [0] * 4
    lines = list(read_log(log.path.read_bytes()))
    for number in range(4):
        assert [line["step"] for line in lines if line["process"] == str(number)] == list(range(300))
    assert all(50 <= line["elapsed_s"] < 110 for line in lines)
    assert log.close() == log.path


def test_what_is_no_line_is_left_out(log: LogFile) -> None:
    """The part of a line that a full disk left, what follows it on the same line, and what is no JSON."""
    data = (
        b'{"elapsed_s":0.1,"step":1}\n{"elapsed_s":0.2,"st{"elapsed_s":0.3,"step":3}\n\xff\xfe\n[1]\n\n'
        b'{"elapsed_s":0.4,"step":4}\n'
    )
    assert [line["step"] for line in read_log(data)] == [1, 3, 4]
    log.path.parent.mkdir(parents=True)
    log.path.write_bytes(data)
    with open(log.path, "rb") as file:
        assert [line["step"] for line in read_log(file)] == [1, 3, 4]


def test_texts_that_are_not_utf8_come_back(log: LogFile) -> None:
    """Names of files may be so."""
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    log.append({"file": name})
    assert [line["file"] for line in read_log(log.path.read_bytes())] == [name]


NOT_A_WORD = st.text().filter(lambda text: text not in ("NaN", "Infinity", "-Infinity"))


@given(st.dictionaries(st.text(), st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), NOT_A_WORD)))
def test_what_is_logged_comes_back(tmp_path_factory: pytest.TempPathFactory, values: dict[str, object]) -> None:
    """Every name and every scalar, bit for bit."""
    values.pop("elapsed_s", None)
    log = LogFile(tmp_path_factory.mktemp("log") / "metrics.jsonl")
    log.append(values)
    log.close()
    (line,) = read_log(log.path.read_bytes())
    line.pop("elapsed_s")
    assert repr(line) == repr(values)
