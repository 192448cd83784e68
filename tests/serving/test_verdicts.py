"""Verdicts: a comparison holds where the whole interval says so, and what is unknown or not clear decides nothing."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.serving.arm_figures import share_figure
from penstock.serving.conditions import parse
from penstock.serving.verdicts import UNKNOWN, Evidence, Figure, judge, shown


def exactly(**figures: float) -> dict[str, Figure]:
    return {name: Figure.exactly(value) for name, value in figures.items()}


CANDIDATE = exactly(errors=0.02, rows=2000, latency_p99=12, abstentions=0.2)
LIVE = exactly(errors=0, rows=9000, latency_p99=10, abstentions=0.1, quality=0.8)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("errors < 0.01", False),
        ("errors < 3%", True),
        ("errors <= 2 % or rows > 1e6", True),
        ("latency_p99 > 1.5 * live", False),
        ("latency_p99 > 1.1 * live", True),
        ("abstentions > live + 0.05", True),
        ("abstentions - live > 0.05", True),
        ("rows * 2 < live.rows", True),
        ("not (errors < 0.01 and rows >= 1000)", True),
        ("errors < 0.01 or not rows < 10", True),
        ("ERRORS < .5 AND rows = 2000", True),
        ("errors != 0.02", False),
        ("-rows < -1000", True),
    ],
)
def test_a_condition_is_judged(text: str, holds: bool) -> None:
    """With shares, sums, products and the live version's figures."""
    assert judge(parse(text), Evidence(CANDIDATE, LIVE)).holds is holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("quality >= live - 0.01", None),
        ("quality >= 0.7 and rows > 10", None),
        ("quality >= 0.7 and rows < 10", False),
        ("quality >= 0.7 or rows > 10", True),
        ("not quality > 0.5", None),
    ],
)
def test_what_is_unknown_decides_nothing(text: str, holds: bool | None) -> None:
    """Three values: and, or and not go on where the known part decides."""
    assert judge(parse(text), Evidence({**CANDIDATE, "quality": UNKNOWN}, LIVE)).holds is holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("errors < 3%", True),
        ("errors < 1%", None),
        ("errors <= 0.05%", False),
        ("errors > 0.05%", True),
        ("errors > 1%", None),
        ("errors != 0.05%", True),
        ("errors != 0.5%", None),
        ("not errors > 3%", True),
        ("not errors > 1%", None),
        ("errors < live", None),  # 0.1 % to 2 % and 0.5 % to 5 %
        ("errors <= 4 * live", True),
        ("errors - live < 2%", True),
        ("errors * live < 0.2%", True),
        ("latency_p99 > 50", None),
        ("errors < 3% and rows >= 1000", True),
    ],
)
def test_a_comparison_holds_where_all_of_its_interval_does(text: str, holds: bool | None) -> None:
    """Shares, differences and products of what is known within intervals; an interval without an end shows nothing on that side."""
    candidate = {
        **exactly(rows=2000),
        "errors": Figure(0.005, 0.001, 0.02),
        "latency_p99": Figure(100.0, -math.inf, math.inf),
    }
    assert judge(parse(text), Evidence(candidate, {"errors": Figure(0.02, 0.005, 0.05)})).holds is holds


def test_a_gap_that_is_better_known_decides() -> None:
    """The same rows make the difference of two versions surer than each of them."""
    both = {"quality": Figure(0.8, 0.7, 0.9)}
    apart, paired = Evidence(both, both), Evidence(both, both, {"quality": Figure(0.001, -0.004, 0.006)})
    for text in ("quality >= live - 0.01", "quality - live.quality > -1%", "live.quality - quality < 0.01"):
        assert judge(parse(text), apart).holds is None
        assert judge(parse(text), paired).holds is True
    assert judge(parse("quality > live"), paired).holds is None
    assert judge(parse("quality >= 1.1 * live"), paired).holds is None


def test_what_was_found_is_told_beside_the_figures() -> None:
    """One line for each comparison as it was written: shown, shown that not, not clear yet and how much it would take, not known."""
    candidate = {**exactly(rows=500), "errors": Figure(0.005, 0.001, 0.02), "novelty": Figure(0.5, 0.4, 0.6)}
    condition = parse("errors < 3% and errors < 1% and novelty < 20% and rows >= 1000 and  quality>=live-0.01")
    verdict = judge(condition, Evidence(candidate, {}))
    assert [str(one) for one in verdict.findings] == [
        "errors < 3%: 0.005 against 0.03, -0.025 (-0.029 to -0.01): shown",
        "errors < 1%: 0.005 against 0.01, -0.005 (-0.009 to +0.01): not clear yet, so far yes;"
        " if it stays so, about 9 times as many show it",
        "novelty < 20%: 0.5 against 0.2, +0.3 (+0.2 to +0.4): shown that not",
        "rows >= 1000: 500 against 1000: no",
        "quality>=live-0.01: not known yet",
    ]
    assert shown(judge(parse("novelty > 20% and rows > 9"), Evidence(candidate, {})).findings) == (
        "novelty > 20% (0.5 against 0.2, apart by 0.2 or more); rows > 9 (500 against 9)"
    )
    plain = [finding.to_json() for finding in verdict.findings]
    assert plain[1]["holds"] is None
    assert plain[1]["times_as_much"] == pytest.approx(9)
    assert plain[4]["margin"] is None


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_what_is_shown_holds_wherever_the_truth_lies(first: list[float], second: list[float]) -> None:
    """For every pair of values within both intervals."""
    (a, b, c), (d, e, f) = sorted(first), sorted(second)
    for text in ("errors < live", "errors >= live - 0.1", "errors * 2 > live + 0.3", "not errors * live <= 0.25"):
        condition = parse(text)
        said = judge(condition, Evidence({"errors": Figure(b, a, c)}, {"errors": Figure(e, d, f)})).holds
        if said is None:
            continue
        for x in (a, b, c):
            for y in (d, e, f):
                truth = judge(condition, Evidence(exactly(errors=x), exactly(errors=y)))
                assert truth.holds is said or abs(truth.findings[0].margin.value) < 1e-12


def test_rows_of_one_request_count_as_one_observation() -> None:
    """A thousand rows of one customer are no thousand customers."""
    assert share_figure(500, 1000, 1, alpha=0.05).low < 0.001
    assert share_figure(500, 1000, 1000, alpha=0.05).low > 0.4
    assert share_figure(500, 1000, 5000, alpha=0.05) == share_figure(500, 1000, 1000, alpha=0.05)


def test_a_share_of_requests_that_are_alike_within_is_known_as_well_as_is_said() -> None:
    """Requests of 20 rows that are all novel or all not: the interval misses the true share in no more looks than it may."""
    rng, missed, truth = random.Random(4), 0, 0.2
    for _ in range(200):
        hits = 0.0
        for n in range(1, 200):
            hits += 20 * (rng.random() < truth)
            if n % 20 == 0:
                found = share_figure(hits, 20 * n, n, alpha=0.1)
                if not found.low <= truth <= found.high:
                    missed += 1
                    break
    assert missed <= 20
