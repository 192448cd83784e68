"""The log of metrics while it grows: read from its end, summed up, appended to."""

from __future__ import annotations

import json
import math
import os
import time
import tracemalloc
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from penstock.experiments.metrics.series import Appender, Series, Tail
from penstock.experiments.metrics.thinning import Thinning
from penstock.ledger.log import read_log

NUMBERS = st.lists(st.floats(), min_size=1, max_size=50)


@given(NUMBERS)
def test_a_summary_says_what_the_whole_series_would(values: list[float]) -> None:
    """First, last, least and most with their steps, and how many are not finite."""
    series = Series()
    for step, value in enumerate(values):
        series.add({"elapsed_s": 0.1, "step": step, "x": value})
    told = json.loads(json.dumps(series.to_json()["x"], allow_nan=False))
    finite = [(v, i) for i, v in enumerate(values) if math.isfinite(v)]
    assert (told["count"], told["not_finite"], told["last_step"]) == (
        len(values),
        len(values) - len(finite),
        len(values) - 1,
    )
    assert told["min"] == min((v for v, _ in finite), default=None)
    assert told["max"] == max((v for v, _ in finite), default=None)
    if finite:
        assert values[told["min_step"]] == told["min"]
        assert values[told["max_step"]] == told["max"]


def test_texts_booleans_and_nothing_are_no_numbers() -> None:
    """A line of the log may hold them."""
    assert Series().add({"elapsed_s": 1, "step": 2, "a": "x", "b": True, "c": None, "d": "NaN", "e": 1}).keys() == {
        "step",
        "d",
        "e",
    }


def test_a_tail_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    """Half a line is no line yet."""
    file = tmp_path / "metrics.jsonl"
    tail = Tail(file)
    assert list(tail.lines()) == []
    with file.open("ab", buffering=0) as out:
        out.write(b'{"a":1}\n{"a"')
        assert list(tail.lines()) == [{"a": 1}]
        out.write(b":2}\nnot json\n")
        assert list(tail.lines()) == [{"a": 2}]
        out.write(b'{"elapsed_s":1,"x{"elapsed_s":2,"a":3}\n')
        assert list(tail.lines()) == [{"elapsed_s": 2, "a": 3}], (
            "a full disk cut one line; another process wrote the next"
        )
    assert tail.damaged == 1


def test_many_lines_are_appended_in_one_write_as_the_log_has_them(tmp_path: Path) -> None:
    """NaN is a text there; names may be in any language."""
    appender = Appender(tmp_path / "metrics.jsonl", time.monotonic())
    appender.add({"step": 1, "é": math.nan}, 0.5)
    appender.add({"x": 2})
    appender.close()
    lines = list(read_log((tmp_path / "metrics.jsonl").read_bytes()))
    assert lines[0]["elapsed_s"] == 0.5
    assert math.isnan(lines[0]["é"])
    assert lines[1]["x"] == 2


def test_what_the_reader_has_written_itself_is_passed_over(tmp_path: Path) -> None:
    """And what others write before, between and behind it is read."""
    path = tmp_path / "log"
    tail = Tail(path)
    appender = Appender(path, 0.0, tail)
    seen = []
    for number in range(6):
        with path.open("a") as other:
            other.write(f'{{"other":{number}}}\n')
        if number % 3:
            seen += tail.lines()
        appender.add({"own": number})
        appender.flush()
    seen += tail.lines()
    tail.close()
    appender.close()
    assert seen == [{"other": number} for number in range(6)]
    assert path.read_text().count("own") == 6


def test_very_many_lines_are_thinned_evenly_and_each_series_by_itself() -> None:
    """Two that take turns are both there, to the end."""
    thinning = Thinning(1000)
    lines = [{"step": i, "train" if i % 2 else "valid": i} for i in range(100_000)]
    kept = [line for line in lines if thinning.keeps(line)]
    assert kept[:1000] == lines[:1000]
    assert len(kept) == 100_000 - thinning.left_out < 5000
    for name in ("train", "valid"):
        steps = [line["step"] for line in kept if name in line]
        assert abs(len(steps) - len(kept) / 2) < 20
        assert steps[-1] > 99_000


def test_lines_that_find_no_space_are_counted(tmp_path: Path) -> None:
    """The run goes on."""
    os.symlink("/dev/full", tmp_path / "metrics.jsonl")
    appender = Appender(tmp_path / "metrics.jsonl", time.monotonic())
    for i in range(3):
        appender.add({"x": i})
    appender.flush()
    assert appender.lost == 3


def test_memory_is_flat_over_a_million_scalars(tmp_path: Path) -> None:
    """Nothing grows with the number of values."""
    file = tmp_path / "metrics.jsonl"
    with file.open("w") as out:
        for i in range(250_000):
            out.write(f'{{"elapsed_s":{i / 1000},"step":{i},"a":{i},"b":0.5,"c":1e-3,"d":{-i}}}\n')
    series, tail = Series(), Tail(file)
    tracemalloc.start()
    for line in tail.lines():
        series.add(line)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    tail.close()
    assert sum(s.count for s in series.by_name.values()) == 10**6
    assert peak < 12 * 2**20
