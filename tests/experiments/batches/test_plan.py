"""What a batch is asked to do: defaults, settings that do not go together, secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock.errors import FlagError
from penstock.experiments.batches.plan import Plan, make_plan, unmasked
from penstock.experiments.batches.space import parse_space
from penstock.experiments.flags.flag import Flag
from penstock.experiments.flags.flag_set import FlagSet

FLAGS = FlagSet((Flag("lr", "float", 0.1), Flag("epochs", "int", 3), Flag("api_key", "str", "", secret=True)))


def plan(*words: str, **how: Any) -> Plan:
    return make_plan(parse_space(words, FLAGS), words, FLAGS, **how)


def test_lists_are_a_grid_of_all_points_and_ranges_a_random_search_of_twenty() -> None:
    assert (plan("lr=[1,2]").search, plan("lr=[1,2]").n) == ("grid", None)
    assert (plan("lr=uniform[0:1]").search, plan("lr=uniform[0:1]").n) == ("random", 20)
    assert (plan("lr=[1,2]", n=5).search, plan("lr=[1,2]", n=5).n) == ("grid", 5)
    assert plan("lr=[1,2]", search="random").n == 20


def test_a_plan_comes_back_from_json_as_it_was() -> None:
    one = plan("lr=[1,2]", "epochs=5", search="bayesian", maximize="acc", stop_early="median", n=7, workers=2, seed=3)
    assert Plan.from_json(json.loads(json.dumps(one.to_json()))) == one
    assert one.maximise


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"search": "bayesian"}, "the bayesian search needs a metric"),
        ({"stop_early": "median"}, "stopping early needs a metric"),
        ({"search": "magic"}, "no search 'magic'"),
        ({"stop_early": "mean", "minimize": "loss"}, "no rule 'mean'"),
        ({"minimize": "loss", "maximize": "acc"}, "both --minimize and --maximize"),
        ({"n": 0}, "-n 0 is out of bounds"),
        ({"workers": 0}, "--workers 0 is out of bounds"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(how: dict[str, Any], message: str) -> None:
    with pytest.raises(FlagError) as refused:
        plan("lr=[1,2]", **how)
    assert message in str(refused.value)


def test_a_batch_in_which_nothing_differs_is_refused() -> None:
    with pytest.raises(FlagError, match="no flag has several values"):
        plan("lr=0.1", n=5)


def test_a_secret_is_not_kept_and_must_be_given_again() -> None:
    kept = plan("lr=[1,2]", "api_key=hush").words
    assert kept == ("lr=[1,2]", "api_key=***")
    with pytest.raises(FlagError, match="must be given again"):
        unmasked(kept, [], FLAGS)
    assert unmasked(kept, ["api_key=hush"], FLAGS) == ["lr=[1,2]", "api_key=hush"]


def test_a_resumed_batch_keeps_its_space() -> None:
    kept = plan("lr=[1,2]").words
    assert unmasked(kept, ["lr=[1,2]"], FLAGS) == ["lr=[1,2]"]
    with pytest.raises(FlagError, match="differs from the batch's"):
        unmasked(kept, ["lr=[1,3]"], FLAGS)
    with pytest.raises(FlagError, match="not part of the batch"):
        unmasked(kept, ["epochs=3"], FLAGS)
