"""Early stopping: who is stopped, who never is, and how often it is wrong on noisy curves."""

from __future__ import annotations

import math
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from penstock.errors import FlagError
from penstock.experiments.batches.stopping import MedianRule, StoppingRule, SuccessiveHalving, make_rule


def follow(rule: StoppingRule, trial: int, values: list[float], *, first_step: int = 1) -> tuple[int, str | None]:
    """Tell a whole curve; gives how many values were told, and the reason where the trial was stopped."""
    for i, value in enumerate(values):
        reason = rule.judge(trial, first_step + i, value)
        if reason is not None:
            return i + 1, reason
    rule.ended(trial)
    return len(values), None


def decay(floor: float, n: int = 40) -> list[float]:
    return [floor + math.exp(-i / 8) for i in range(n)]


def test_a_trial_worse_than_the_median_of_the_others_is_stopped_after_the_warm_up() -> None:
    rule = MedianRule(maximise=False)
    for trial in range(4):
        assert follow(rule, trial, decay(0.1))[1] is None
    told, reason = follow(rule, 9, decay(0.5))
    assert told == 10  # a quarter of the forty values of those that ended
    assert reason == "at step 10 its best is 0.8247, and the median of 4 others was 0.4247"


def test_a_better_trial_and_an_equal_one_are_never_stopped() -> None:
    rule = MedianRule(maximise=False)
    for trial, floor in enumerate((0.4, 0.3, 0.2, 0.1, 0.1, 0.1, 0.1)):
        assert follow(rule, trial, decay(floor))[1] is None


def test_greater_is_better_where_the_metric_is_maximised() -> None:
    rule = MedianRule(maximise=True)
    for trial in range(4):
        follow(rule, trial, [0.5, 0.6, 0.7, 0.8, 0.9])
    assert follow(rule, 8, [0.6, 0.7, 0.8, 0.9, 0.95])[1] is None
    told, reason = follow(rule, 9, [0.1, 0.1, 0.2, 0.2, 0.2])
    assert told == 3
    assert reason == "at step 3 its best is 0.2, and the median of 5 others was 0.7"


def test_nobody_is_stopped_while_too_few_others_came_as_far() -> None:
    rule = MedianRule(maximise=False)
    for trial in range(3):
        follow(rule, trial, decay(0.1))
    follow(rule, 3, decay(0.1, 5))  # the fourth ended early
    assert follow(rule, 9, decay(9.0, 5))[1] is None


def test_equal_steps_are_compared_although_trials_log_at_other_steps() -> None:
    rule = MedianRule(maximise=False, warm_up=3)
    for trial in range(4):
        for step in range(0, 1001, 100):
            rule.judge(trial, step, 1.0 - step / 2000)
    assert rule.judge(9, 150, 0.9) is None
    assert rule.judge(9, 350, 0.8) is None
    assert rule.judge(9, 550, 0.76) == "at step 550 its best is 0.76, and the median of 4 others was 0.75"


def test_values_without_steps_are_counted() -> None:
    rule = MedianRule(maximise=False, warm_up=2)
    for trial in range(4):
        for _ in range(5):
            rule.judge(trial, None, 1.0)
    assert rule.judge(9, None, 2.0) is None
    assert rule.judge(9, None, 2.0) == "at step 2 its best is 2, and the median of 4 others was 1"


@pytest.mark.parametrize("rule", [MedianRule(maximise=False), SuccessiveHalving(maximise=True)])
def test_a_trial_that_diverged_is_stopped_after_five_values_that_are_no_numbers(rule: StoppingRule) -> None:
    values = [0.5, math.nan, 0.5, math.nan, math.inf, math.nan, math.nan, math.nan]
    told, reason = follow(rule, 1, values)
    assert told == 8
    assert reason == "at step 8 the last 5 values are no numbers (NaN or infinite)"


def test_halving_lets_the_best_third_of_a_rung_go_on() -> None:
    rule = SuccessiveHalving(maximise=False)
    ended = [follow(rule, trial, [float(level)] * 30) for trial, level in enumerate([5, 4, 3, 2, 6, 1, 7])]
    assert [told for told, _ in ended] == [30, 30, 30, 30, 3, 30, 3]
    assert ended[4][1] == "after 3 values its best is 6, and the best 1 of 5 trials had 2 by then"


def test_there_are_two_rules() -> None:
    assert isinstance(make_rule("median", maximise=False), MedianRule)
    assert isinstance(make_rule("halving", maximise=False), SuccessiveHalving)
    with pytest.raises(FlagError, match="no rule 'mean'"):
        make_rule("mean", maximise=False)


def batch(seed: int, *, spread: float, noise: float, n: int = 20, length: int = 50) -> tuple[bool, float, float]:
    """Twenty noisy curves one after another: is the best stopped, how much is saved, how much worse is the best found."""
    rng = random.Random(seed)
    rule = MedianRule(maximise=False)
    floors = [0.2 + spread * rng.random() for _ in range(n)]
    told, found = 0, []
    for trial, floor in enumerate(floors):
        speed = rng.uniform(5, 12)
        curve = [floor + math.exp(-i / speed) + rng.gauss(0, noise) for i in range(length)]
        count, reason = follow(rule, trial, curve)
        told += count
        if reason is None:
            found.append(floor)
    best = min(floors)
    return min(found) > best, 1 - told / (n * length), min(found) - best


def test_on_noisy_curves_the_best_trial_is_seldom_stopped_and_much_work_is_saved() -> None:
    """The figures of docs/experiments/batches.md: 300 batches of 20 trials of 50 steps, learning at different speeds."""
    results = [batch(seed, spread=1.0, noise=0.05) for seed in range(300)]
    assert sum(lost for lost, _, _ in results) / 300 < 0.05
    assert sum(saved for _, saved, _ in results) / 300 > 0.25
    assert max(regret for _, _, regret in results) < 0.15


def test_a_rule_is_told_by_many_threads_at_once() -> None:
    rule = MedianRule(maximise=False)
    with ThreadPoolExecutor(8) as pool:
        stopped = list(pool.map(lambda trial: follow(rule, trial, [float(trial)] * 500)[1], range(16)))
    assert stopped[0] is None


def test_a_million_values_of_one_trial_stay_small() -> None:
    rng = random.Random(0)
    rule = MedianRule(maximise=False)
    for step in range(100_000):
        rule.judge(1, step, rng.gauss(0, 1))
    assert len(rule._curves[1].steps) < 100
