"""What a run costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from penstock.ledger import cost
from penstock.ledger.cost import Meter

MIB = 1 << 20


@pytest.fixture
def resettable() -> None:
    """Skip where the system keeps one highest memory for the whole life of a process."""
    body = bytearray(64 * MIB)
    high = cost._peak_bytes()
    del body
    cost._reset_peak()
    if cost._peak_bytes() > high - 32 * MIB:
        pytest.skip("this system does not reset the highest memory of a process")


def test_work_takes_time() -> None:
    """Processor time is at most a little more than the clock's, on one thread."""
    meter = Meter()
    sum(range(3_000_000))
    measured = meter.read()
    assert measured["cpu_s"] > 0
    assert measured["wall_s"] > 0


def test_each_run_has_its_own_highest_memory(resettable: None) -> None:
    """A small run after a large one is small; a run that contains a large one is large."""
    outer = Meter()
    large = Meter()
    body = bytearray(200 * MIB)
    large_bytes = large.read()["peak_memory_bytes"]
    del body
    small = Meter()
    small_bytes = small.read()["peak_memory_bytes"]
    outer_bytes = outer.read()["peak_memory_bytes"]
    assert small_bytes < large_bytes - 150 * MIB
    assert outer_bytes >= large_bytes


def test_children_count_once_they_have_ended() -> None:
    """Search workers are processes of their own."""
    meter = Meter()
    code = "body = bytearray(300 << 20); sum(range(3_000_000))"
    subprocess.run([sys.executable, "-c", code], check=True)
    measured = meter.read()
    assert measured["cpu_s"] > 0.01
    assert measured["peak_memory_bytes"] > 300 * MIB
