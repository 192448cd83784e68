"""How often a consumer may ask, over all workers together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.serving.rates import Rate, clear_rates


def test_a_second_of_requests_may_come_at_once_and_then_one_by_one(tmp_path: Path) -> None:
    """Ten per second: ten, then one each tenth of a second; the wait that is told is enough."""
    rate = Rate(tmp_path, "crm", 10.0)
    assert [rate.wait_s(100.0) for _ in range(10)] == [0.0] * 10
    wait = rate.wait_s(100.0)
    assert 0.09 < wait <= 0.1 + 1e-6
    assert rate.wait_s(100.0 + wait) == 0.0
    assert rate.wait_s(100.0 + wait) > 0.0


def test_a_rate_below_one_per_second_lets_one_through(tmp_path: Path) -> None:
    """Six per minute: one, and the next after ten seconds."""
    rate = Rate(tmp_path, "crm", 0.1)
    assert rate.wait_s(5.0) == 0.0
    assert 9.9 < rate.wait_s(5.0) <= 10.0 + 1e-6
    assert rate.wait_s(15.01) == 0.0


def test_workers_share_what_a_consumer_has(tmp_path: Path) -> None:
    """Two processes ask as fast as they can for a second: the sum keeps to the rate."""
    program = (
        "import sys, time; from pathlib import Path; from penstock.serving.rates import Rate\n"
        "rate, ends, n = Rate(Path(sys.argv[1]), 'crm', 200.0), float(sys.argv[2]), 0\n"
        "while time.monotonic() < ends: n += not rate.wait_s(); time.sleep(0.0005)\n"
        "print(n)"
    )
    import time

    begun = time.monotonic()
    ends = begun + 2.0
    command = [sys.executable, "-c", program, str(tmp_path), str(ends)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    taken = [int(process.communicate()[0]) for process in processes]
    assert min(taken) > 0
    assert 200 <= sum(taken) <= 200 * (2.0 + 1) + 2


def test_an_instant_of_an_earlier_boot_does_not_lock_a_consumer_out(tmp_path: Path) -> None:
    """The clock starts anew with the machine."""
    assert Rate(tmp_path, "crm", 1.0).wait_s(1_000_000.0) == 0.0
    assert Rate(tmp_path, "crm", 1.0).wait_s(3.0) == 0.0
    clear_rates(tmp_path)
    assert Rate(tmp_path, "crm", 1.0).wait_s(3.0) == 0.0


def test_rows_beyond_what_is_left_are_taken_on_credit_and_waited_for(tmp_path: Path) -> None:
    """Ten per second: a hundred at once are answered, and then nothing for nine seconds."""
    rate = Rate(tmp_path, "crm", 10.0)
    assert rate.wait_s(100.0) == 0.0
    assert rate.more_s(99, 100.0) == 0.0
    assert 9.0 < rate.wait_s(100.0) <= 9.1 + 1e-6
    assert rate.wait_s(109.1) == 0.0
    assert rate.wait_s(109.1) > 0.0


def test_credit_is_given_once(tmp_path: Path) -> None:
    """Of two requests that are admitted together, the second one waits until the first one's credit is paid."""
    rate = Rate(tmp_path, "crm", 10.0)
    assert rate.wait_s(100.0) == rate.wait_s(100.0) == 0.0
    assert rate.more_s(99, 100.0) == 0.0
    assert 9.0 < rate.more_s(99, 100.0) < 9.2
    assert rate.more_s(99, 109.2) == 0.0


@settings(max_examples=50, deadline=None)
@given(
    per_s=st.floats(0.1, 1000),
    asked=st.lists(st.tuples(st.floats(0, 3), st.integers(1, 500)), min_size=1, max_size=40),
)
def test_rows_in_requests_of_any_size_keep_to_the_rate_in_the_long_run(
    tmp_path_factory: object, per_s: float, asked: list[tuple[float, int]]
) -> None:
    """What is taken until any moment is the rate, one burst, and the last request."""
    rate = Rate(tmp_path_factory.mktemp("rate"), "crm", per_s)  # type: ignore[attr-defined]
    now, taken = 10.0, 0
    for gap, rows in asked:
        now += gap
        rows = min(rows, rate.most_rows)
        if rate.wait_s(now):
            continue
        if rows > 1 and rate.more_s(rows - 1, now):
            taken += 1
            continue
        assert taken <= per_s * (now - 10.0) + max(1.0, per_s) + 1e-6
        taken += rows


@settings(max_examples=50, deadline=None)
@given(per_s=st.floats(0.01, 1000), gaps=st.lists(st.floats(0, 2), min_size=1, max_size=60))
def test_no_stretch_of_time_has_more_than_the_rate_and_one_burst(
    tmp_path_factory: object, per_s: float, gaps: list[float]
) -> None:
    """Whatever the rhythm."""
    rate = Rate(tmp_path_factory.mktemp("rate"), "crm", per_s)  # type: ignore[attr-defined]
    now, taken = 10.0, []
    for gap in gaps:
        now += gap
        if not rate.wait_s(now):
            taken.append(now)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            assert last - first + 1 <= per_s * (taken[last] - taken[first]) + max(1.0, per_s) + 1e-6
