"""Proposals: every strategy, the same again from the same seed and values, and better than chance where it should be."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import Any

import pytest

from penstock.errors import FlagError
from penstock.experiments.batches.sampling import STRATEGIES, Grid, Sampler, make_sampler
from penstock.experiments.batches.space import Choices, Point, Range, Space

MIXED = Space(
    {
        "lr": Range(1e-5, 1.0, log=True),
        "dropout": Range(0.0, 0.9),
        "depth": Range(1, 12, whole=True),
        "kind": Choices(("relu", "tanh", True, 1)),
    },
    {},
    {"lr": "loguniform[1e-5:1]", "dropout": "uniform[0:0.9]"},
)
SMALL = Space({"a": Choices((1, 2, 3)), "b": Choices(("x", "y"))}, {}, {})


def loss(point: Point) -> float:
    """Least at lr 0.003, dropout 0.3, depth 6, relu."""
    return (
        (math.log10(point["lr"]) + 2.5) ** 2
        + 4 * (point["dropout"] - 0.3) ** 2
        + 0.05 * (point["depth"] - 6) ** 2
        + (0 if point["kind"] == "relu" else 1)
    )


def search(sampler: Sampler, n: int, value: Callable[[Point], float | None] = loss) -> list[tuple[Point, Any]]:
    found = []
    for number in range(1, n + 1):
        point = sampler.next(number)
        if point is None:
            break
        sampler.tell(number, point, value(point))
        found.append((point, value(point)))
    return found


def test_a_grid_is_all_combinations_the_last_flag_fastest() -> None:
    points = [p for p, _ in search(make_sampler(SMALL, "grid", seed=0, n=None), 99, lambda _: None)]
    assert points == [{"a": a, "b": b} for a in (1, 2, 3) for b in ("x", "y")]


def test_a_part_of_a_grid_is_spread_over_it_and_the_same_for_a_seed() -> None:
    wide = Space({"a": Choices(tuple(range(1000))), "b": Range(1, 1000, whole=True)}, {}, {})
    one, two, other = (
        [p for p, _ in search(make_sampler(wide, "grid", seed=seed, n=50), 99, lambda _: None)] for seed in (0, 0, 1)
    )
    assert len(one) == 50
    assert one == two != other
    assert 300 < statistics.mean(p["a"] for p in one) < 700


def test_a_grid_goes_on_with_what_was_not_tried() -> None:
    grid = Grid(SMALL, seed=0, n=None)
    grid.tell(1, {"a": 1, "b": "y"}, None)
    assert [grid.next(i) for i in range(2, 5)] == [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}]


def test_a_grid_refuses_a_continuous_range_and_says_what_to_write() -> None:
    with pytest.raises(FlagError) as refused:
        make_sampler(MIXED, "grid", seed=0, n=None)
    assert refused.value.way_out == "write lr=[1e-05,0.0001778,0.003162,0.05623,1], or --search random"


def test_a_grid_of_millions_wants_a_number() -> None:
    wide = Space({"a": Choices(tuple(range(1000))), "b": Choices(tuple(range(1000)))}, {}, {})
    with pytest.raises(FlagError, match="1,000,000 points"):
        make_sampler(wide, "grid", seed=0, n=None)


def test_an_unknown_search_is_named() -> None:
    with pytest.raises(FlagError, match="no search 'magic'"):
        make_sampler(SMALL, "magic", seed=0, n=None)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_small_space_is_used_up_without_repeats(strategy: str) -> None:
    found = search(make_sampler(SMALL, strategy, seed=3, n=None), 50, lambda p: float(p["a"]))
    assert len(found) == 6
    assert len({repr(point) for point, _ in found}) == 6


@pytest.mark.parametrize("strategy", ["random", "bayesian", "evolutionary"])
def test_points_stay_in_their_bounds_and_keep_their_kinds(strategy: str) -> None:
    for point, _ in search(make_sampler(MIXED, strategy, seed=1, n=None), 40):
        assert 1e-5 <= point["lr"] <= 1.0
        assert 0.0 <= point["dropout"] <= 0.9
        assert isinstance(point["depth"], int)
        assert 1 <= point["depth"] <= 12
        assert any(point["kind"] is value for value in ("relu", "tanh", True, 1))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_seed_and_values_give_the_same_proposals_and_another_seed_others(strategy: str) -> None:
    space = MIXED if strategy != "grid" else Space({"a": Choices(tuple(range(99)))}, {}, {})
    value = loss if strategy != "grid" else lambda p: 0.0
    one, two, other = (search(make_sampler(space, strategy, seed=seed, n=25), 25, value) for seed in (7, 7, 8))
    assert one == two
    assert one != other


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("after", [3, 14])
def test_a_resumed_search_proposes_what_it_would_have_proposed(strategy: str, after: int) -> None:
    space = MIXED if strategy != "grid" else Space({"a": Choices(tuple(range(99)))}, {}, {})

    def value(point: Point) -> float | None:
        """Some trials fail, and some diverge."""
        if strategy == "grid":
            return None
        return None if point["depth"] == 3 else math.nan if point["lr"] > 0.3 else loss(point)

    whole = search(make_sampler(space, strategy, seed=5, n=25), 25, value)
    again = make_sampler(space, strategy, seed=5, n=25)
    for number, (point, told) in enumerate(whole[:after], 1):
        again.tell(number, point, told)
    for number, (point, told) in enumerate(whole[after:], after + 1):
        assert again.next(number) == point
        again.tell(number, point, told)


@pytest.mark.parametrize("strategy", ["random", "bayesian", "evolutionary"])
def test_a_resumed_search_of_a_small_space_goes_on_as_it_would_have(strategy: str) -> None:
    small = Space({"a": Choices((1, 2, 3, 4)), "b": Range(1, 4, whole=True)}, {}, {})
    whole = search(make_sampler(small, strategy, seed=5, n=None), 99, lambda p: float(p["a"] * p["b"]))
    again = make_sampler(small, strategy, seed=5, n=None)
    for number, (point, told) in enumerate(whole[:11], 1):
        again.tell(number, point, told)
    for number, (point, told) in enumerate(whole[11:], 12):
        assert again.next(number) == point
        again.tell(number, point, told)
    assert len(whole) == 16


@pytest.mark.parametrize("strategy", ["bayesian", "evolutionary"])
def test_a_search_that_learns_finds_better_points_than_chance(strategy: str) -> None:
    """Ten seeds of 40 trials each: the median of the best."""

    def best(strategy: str) -> float:
        return statistics.median(
            min(value for _, value in search(make_sampler(MIXED, strategy, seed=seed, n=40), 40)) for seed in range(10)
        )

    assert best(strategy) < 0.6 * best("random")


@pytest.mark.parametrize("strategy", ["bayesian", "evolutionary"])
def test_greater_values_are_better_where_the_metric_is_maximised(strategy: str) -> None:
    down = search(make_sampler(MIXED, strategy, seed=2, n=30), 30)
    up = search(make_sampler(MIXED, strategy, seed=2, n=30, maximise=True), 30, lambda p: -loss(p))
    assert [p for p, _ in down] == [p for p, _ in up]


@pytest.mark.parametrize("strategy", ["bayesian", "evolutionary"])
def test_where_trials_diverge_is_avoided(strategy: str) -> None:
    """A learning rate above 0.03 gives NaN, in a quarter of the space: late trials are there less often than early ones."""
    late = 0
    for seed in range(5):
        found = search(
            make_sampler(MIXED, strategy, seed=seed, n=40), 40, lambda p: math.nan if p["lr"] > 0.03 else loss(p)
        )
        late += sum(point["lr"] > 0.03 for point, _ in found[20:])
    assert late / 100 < 0.15


@pytest.mark.parametrize("strategy", ["random", "bayesian", "evolutionary"])
def test_several_trials_may_be_under_way_at_once(strategy: str) -> None:
    sampler = make_sampler(MIXED, strategy, seed=0, n=None)
    points = {number: sampler.next(number) for number in range(1, 21)}
    assert len({repr(point) for point in points.values()}) == 20
    for number in reversed(points):
        point = points[number]
        assert point is not None
        sampler.tell(number, point, loss(point))
    assert sampler.next(21) is not None


def test_a_search_in_which_every_trial_fails_goes_on_proposing() -> None:
    for strategy in ("bayesian", "evolutionary"):
        assert len(search(make_sampler(MIXED, strategy, seed=0, n=None), 15, lambda _: None)) == 15
