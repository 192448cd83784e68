"""What answering is expected to cost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.serving.costs import Costs


def test_nothing_is_expected_before_anything_was_measured() -> None:
    """And what was never tried is tried."""
    costs = Costs()
    assert (costs.is_known, costs.of(1), costs.pays(8)) == (False, 0, True)


def test_many_rows_are_never_expected_to_cost_less_than_few() -> None:
    """What is between two measurements, and beyond them."""
    costs = Costs()
    costs.learn(1, 50_000)
    costs.learn(64, 320_000)
    expected = [costs.of(n) for n in (1, 2, 4, 64, 100, 1000)]
    assert expected == sorted(expected)
    assert costs.of(128) == 640_000


def test_one_slow_execution_among_many_does_not_count_for_more_than_it_should() -> None:
    """The machine did something else for a second."""
    costs = Costs()
    for _ in range(50):
        costs.learn(1, 60_000)
    costs.learn(1, 1_000_000_000)
    assert costs.of(1) < 120_000
    for _ in range(60):
        costs.learn(1, 60_000)
    assert costs.of(1) < 65_000


def test_batching_pays_where_rows_are_cheaper_together_and_is_tried_again_now_and_then() -> None:
    """A graph whose time is that of its rows gains nothing; one with a fixed part does."""
    fixed, by_row = Costs(), Costs()
    for costs, eight in ((fixed, 120_000), (by_row, 800_000)):
        for _ in range(20):
            costs.learn(1, 100_000)
            costs.learn(8, eight)
    assert all(fixed.pays(8) for _ in range(2000))
    tries = sum(by_row.pays(8) for _ in range(2000))
    assert 0 < tries < 10


def test_a_wrong_expectation_does_not_last_for_ever() -> None:
    """Each time that nothing was tried because of it, a little less is expected."""
    costs = Costs()
    costs.learn(1, 50_000_000)
    for _ in range(2000):
        costs.forget_a_little()
    assert costs.of(1) < 5_000_000


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 10**12)), max_size=60), st.integers(0, 10_000))
def test_whatever_was_measured_an_expectation_is_a_time(measured: list[tuple[int, int]], rows: int) -> None:
    """Not negative, and finite."""
    costs = Costs()
    for n, ns in measured:
        costs.learn(n, ns)
    assert 0 <= costs.of(rows) < 10**18
    costs.pays(rows)
