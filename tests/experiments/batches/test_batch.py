"""Batches of a real script: what is recorded, what is found, what stops, and what comes back after a kill."""

from __future__ import annotations

import math
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import FlagError, NotFound, ProjectError, SearchError
from penstock.experiments.batches.batch_work import BatchState
from penstock.experiments.batches.trials import trials_of
from penstock.experiments.running.options import RunOptions


def test_a_grid_runs_every_combination_and_finds_the_best(lab: Any) -> None:
    result = lab.batch("lr=[0.1,0.3]", "depth=[2,4]", "epochs=1", minimize="loss", workers=2)
    assert [trial.point for trial in result.trials] == [
        {"lr": 0.1, "depth": 2},
        {"lr": 0.1, "depth": 4},
        {"lr": 0.3, "depth": 2},
        {"lr": 0.3, "depth": 4},
    ]
    assert [trial.status for trial in result.trials] == ["done"] * 4
    assert result.best is not None
    assert result.best.point == {"lr": 0.3, "depth": 4}
    assert result.best.value == 0.5
    assert result.exit_code == 0
    text = result.to_text()
    assert text.startswith(f"batch {result.id}: train.py, grid, 4 trials (4 done)")
    assert f"best: loss 0.5 with lr=0.3 depth=4 (run {result.best.run})" in text


def test_the_batch_and_its_trials_are_in_the_ledger(lab: Any) -> None:
    result = lab.batch("lr=[0.1,0.2]", "epochs=3", minimize="loss", options=RunOptions(tags={"try": "1"}))
    ledger = lab.workspace.ledger
    record = ledger.get(result.id)
    assert (record.operation, record.status, record.project) == ("batch", "done", lab.workspace.name)
    assert record.params == {"lr": "[0.1,0.2]", "epochs": "3"}
    assert record.metrics["loss"]["value"] == pytest.approx(0.01 + 0.01 + 0.5 / 3)
    assert record.outputs["best"]["run"] == result.best.run if result.best else None
    children = ledger.children(result.id)
    assert [child.id for child in children] == [trial.run for trial in result.trials]
    assert [child.params["lr"] for child in children] == [0.1, 0.2]
    assert {child.params["epochs"] for child in children} == {3}
    assert {child.operation for child in children} == {"train.py"}
    assert [child.inputs["trial"]["number"] for child in children] == [1, 2]
    assert {child.inputs["batch"] for child in children} == {result.id}
    assert {child.inputs["source"] for child in children} == {record.inputs["source"]}
    assert all(child.tags == {"try": "1"} for child in children)
    assert [list(ledger.log_of(child))[-1]["loss"] for child in children] == [t.value for t in result.trials]


def test_the_same_seed_tries_the_same_points(lab: Any) -> None:
    words = ("lr=loguniform[1e-4:1]", "depth=int[1:9]", "epochs=1")
    one, two, other = (
        [t.point for t in lab.batch(*words, n=4, minimize="loss", search="random", seed=seed).trials]
        for seed in (1, 1, 2)
    )
    assert one == two != other


@pytest.mark.parametrize("search", ["bayesian", "evolutionary"])
def test_a_search_that_learns_ends_near_the_least_loss(lab: Any, search: str) -> None:
    result = lab.batch("lr=uniform[0:1]", "depth=int[1:9]", "epochs=1", n=25, search=search, minimize="loss", workers=2)
    assert len(result.trials) == 25
    assert result.best is not None
    assert result.best.value is not None
    assert result.best.value < 0.53  # 0.5 is the least; of all points 8 in 100 are below 0.53


def test_trials_that_fail_have_no_value_and_do_not_end_a_batch(lab: Any) -> None:
    result = lab.batch("lr=[0.1,0.8,0.3]", "fail-above=0.5", "epochs=1", minimize="loss")
    assert [trial.status for trial in result.trials] == ["done", "failed", "done"]
    assert result.trials[1].value is None
    assert result.best is not None
    assert result.best.number == 3
    assert "3 trials (2 done, 1 failed)" in result.to_text()
    assert result.exit_code == 1


def test_why_trials_failed_is_told_once_for_each_reason(lab: Any) -> None:
    result = lab.batch("lr=[0.1,0.8,0.9]", "fail-above=0.5", "epochs=1")
    assert result.to_text().splitlines()[-1] == (
        "  trials 2, 3 failed: train.py ended with exit status 1: the learning rate is too high"
    )
    again = lab.resume(result.id)
    assert again.to_text().splitlines()[-1] == result.to_text().splitlines()[-1]


LATE = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
lr = parser.parse_args().lr
print("loss:", lr)
if lr == 0.1:
    raise SystemExit("it fails after it has logged the best loss of all")
if lr == 0.2:
    print("loss: nan")
"""


SOMETIMES = "print('loss:' if lr < 0.4 else 'cost:', lr)"


def test_what_a_trial_logged_before_it_failed_or_diverged_never_counts_as_best(lab: Any) -> None:
    lab.script.write_text(LATE)
    result = lab.batch("lr=[0.1,0.2,0.3,0.4]", minimize="loss")
    assert [trial.status for trial in result.trials] == ["failed", "done", "done", "done"]
    assert result.trials[0].value is None
    assert math.isnan(result.trials[1].value)
    assert result.best.point == {"lr": 0.3}
    told = trials_of(lab.workspace.ledger, result.id, "loss")
    assert [repr(trial.value) for trial in told] == [repr(trial.value) for trial in result.trials]
    assert [line.split()[0] for line in result.to_text().splitlines()[-5:-1]] == ["3", "4", "1", "2"]


def test_values_that_json_has_no_word_for_can_be_tried(lab: Any) -> None:
    result = lab.batch("lr=[inf,0.1]", "epochs=1", minimize="loss")
    assert [trial.point["lr"] for trial in result.trials] == [math.inf, 0.1]
    again = lab.resume(result.id)
    assert [trial.run for trial in again.trials] == [trial.run for trial in result.trials]
    assert [trial.point["lr"] for trial in again.trials] == [math.inf, 0.1]
    assert again.best.point == {"lr": 0.1}


def test_a_random_search_in_which_everything_fails_gives_up(lab: Any) -> None:
    result = lab.batch("lr=uniform[0.6:1]", "fail-above=0.5", n=20)
    assert len(result.trials) == 5
    assert result.ended.startswith("the first 5 trials all failed")
    assert result.exit_code == 1


def test_several_trials_run_at_once(lab: Any) -> None:
    running: list[int] = []

    def listen(state: BatchState) -> None:
        running.append(state.running)

    result = lab.batch("lr=[0.1,0.2,0.3,0.4]", "epochs=1", "together=4", workers=4, listener=listen)
    records = [lab.workspace.ledger.get(trial.run) for trial in result.trials]
    assert {record.status for record in records} == {"done"}
    assert max(record.started_at for record in records) < min(str(record.ended_at) for record in records)
    assert max(running) == 4


def test_hopeless_trials_are_stopped_early_and_say_why(lab: Any) -> None:
    result = lab.batch(
        "lr=[0.3,0.31,0.32,0.33,5,0.29,6]",
        "depth=4",
        "epochs=20",
        "sleep=0.05",
        minimize="loss",
        stop_early="median",
    )
    by_lr = {trial.point["lr"]: trial for trial in result.trials}
    assert [lr for lr, trial in by_lr.items() if trial.status == "stopped"] == [5.0, 6.0]
    assert "median of 4 others" in by_lr[5.0].reason
    assert result.best is not None
    assert result.best.point == {"lr": 0.3}
    record = lab.workspace.ledger.get(by_lr[5.0].run)
    assert record.status == "stopped"
    assert record.outputs["stopped"] == by_lr[5.0].reason
    assert (record.seconds or 9) < (lab.workspace.ledger.get(by_lr[0.3].run).seconds or 0)
    assert result.exit_code == 0


def test_a_metric_that_nobody_logs_ends_a_search_and_names_the_nearest(lab: Any) -> None:
    with pytest.raises(SearchError) as ended:
        lab.batch("lr=uniform[0:1]", "epochs=1", search="bayesian", minimize="los", n=9)
    assert "'los' is not logged" in ended.value.what
    (record,) = lab.batches()
    assert record.status == "failed"
    assert ended.value.way_out == f"go on with `penstock run --resume {record.id} --minimize loss`"
    result = lab.resume(record.id, minimize="loss", n=3)
    assert [trial.number for trial in result.trials] == [1, 2, 3]
    assert all(trial.value is not None for trial in result.trials)
    assert lab.workspace.ledger.get(record.id).status == "done"


@pytest.mark.parametrize("search", ["grid", "random"])
def test_a_metric_that_nobody_logs_ends_any_batch_at_the_first_trial(lab: Any, search: str) -> None:
    with pytest.raises(SearchError, match="logged: loss") as ended:
        lab.batch("lr=[0.1,0.2,0.3]", "epochs=1", minimize="los", search=search)
    assert "--minimize loss" in ended.value.way_out
    (record,) = lab.batches()
    assert [child.status for child in lab.workspace.ledger.children(record.id)] == ["done"]


def test_a_metric_that_only_some_trials_log_is_noted(lab: Any) -> None:
    lab.script.write_text(LATE.replace("if lr == 0.1:", "if lr == 9:").replace('print("loss:", lr)', SOMETIMES))
    result = lab.batch("lr=[0.3,0.2,0.4]", minimize="loss")
    assert result.best.point == {"lr": 0.3}
    assert result.warnings[-1] == f"run {result.trials[2].run} has not logged 'loss', and counts as without a value"


def test_a_wrong_value_is_refused_before_anything_runs(lab: Any) -> None:
    for words in (["lr=[0.1,fast]"], ["lrr=[1,2]"], ["lr=[0.1,0.2]", "depth=deep"]):
        with pytest.raises(FlagError):
            lab.batch(*words)
    assert lab.workspace.ledger.runs() == []


def test_a_batch_that_is_done_can_be_extended(lab: Any) -> None:
    words = ("lr=uniform[0:1]", "epochs=1")
    result = lab.batch(*words, n=3, minimize="loss", search="bayesian", seed=4)
    longer = lab.resume(result.id, n=6)
    assert [trial.run for trial in longer.trials[:3]] == [trial.run for trial in result.trials]
    whole = lab.batch(*words, n=6, minimize="loss", search="bayesian", seed=4)
    assert [trial.point for trial in longer.trials] == [trial.point for trial in whole.trials]


@pytest.mark.parametrize("search", ["grid", "random", "evolutionary", "bayesian"])
def test_a_batch_that_goes_on_tries_no_point_twice(lab: Any, search: str) -> None:
    """The flags are not in the order of the alphabet, in which the ledger gives them back."""
    words = ("lr=[0.1,0.2,0.3]", "depth=[2,4]", "epochs=1")
    result = lab.batch(*words, n=3, minimize="loss", search=search)
    longer = lab.resume(result.id, n=6)
    assert len({(t.point["lr"], t.point["depth"]) for t in longer.trials}) == 6
    assert [list(trial.point) for trial in longer.trials] == [["lr", "depth"]] * 6


def test_a_changed_source_is_said_when_a_batch_goes_on(lab: Any) -> None:
    result = lab.batch("lr=[0.1,0.2,0.3]", "epochs=1", n=2)
    lab.script.write_text(lab.script.read_text() + "\nprint('more')\n")
    longer = lab.resume(result.id, n=3)
    assert longer.warnings == (
        "the source has changed since the first trials: train.py; see `penstock diff` of two of them",
    )


def test_a_batch_that_goes_on_keeps_the_options_of_its_runs(lab: Any) -> None:
    options = RunOptions(timeout_s=40, python=sys.executable, tags={"team": "risk"}, metrics=(r"loss: (?P<cost>\S+)",))
    result = lab.batch("lr=[0.1,0.2,0.3]", "epochs=1", n=1, options=options)
    kept = lab.workspace.ledger.get(result.id).inputs["options"]
    assert kept == {**options.kept(), "metrics": list(options.metrics or ())}
    longer = lab.resume(result.id, n=2)
    assert longer.warnings == ()
    records = lab.workspace.ledger.children(result.id)
    assert [record.tags for record in records] == [{"team": "risk"}] * 2
    assert [set(record.metrics) >= {"cost"} for record in records] == [True, True]


def test_options_that_are_given_when_a_batch_goes_on_count_and_are_said(lab: Any) -> None:
    options = RunOptions(timeout_s=40, tags={"team": "risk"})
    result = lab.batch("lr=[0.1,0.2,0.3]", "sleep=0.5", n=1, options=options)
    longer = lab.resume(result.id, n=2, options=RunOptions(timeout_s=0.4, tags={"try": "2"}, note="in haste"))
    assert longer.warnings == ("timeout is 0.4 now, and was 40 in the trials before",)
    assert [trial.status for trial in longer.trials] == ["done", "failed"]
    record = lab.workspace.ledger.get(result.id)
    assert record.inputs["options"]["timeout_s"] == 0.4
    assert record.tags == {"team": "risk", "try": "2"}
    assert [note["text"] for note in record.notes] == ["in haste"]
    assert lab.workspace.ledger.get(longer.trials[1].run).tags == {"team": "risk", "try": "2"}


def test_only_a_batch_that_does_not_run_can_be_resumed(lab: Any) -> None:
    result = lab.batch("lr=[0.1]", "epochs=1")
    with pytest.raises(NotFound, match="is no batch"):
        lab.resume(result.trials[0].run)
    lab.workspace.ledger.resume(result.id)
    with pytest.raises(ProjectError, match="is running"):
        lab.resume(result.id)


def test_a_secret_is_nowhere_in_the_ledger_and_asked_for_again(lab: Any) -> None:
    result = lab.batch("lr=[0.1,0.2]", "epochs=1", "api-key=hush-hush-4711")
    for file in (lab.folder / ".penstock").rglob("*"):
        assert not file.is_file() or b"hush-hush-4711" not in file.read_bytes(), file
    with pytest.raises(FlagError, match="must be given again"):
        lab.resume(result.id)


def test_a_cancelled_batch_is_interrupted_and_goes_on_where_it_was(lab: Any) -> None:
    cancel = threading.Event()

    def listen(state: BatchState) -> None:
        if state.finished == 2 and state.running:
            threading.Timer(0.5, cancel.set).start()

    with pytest.raises(KeyboardInterrupt):
        lab.batch("lr=[0.1,0.2,0.3,0.4]", "sleep=0.4", options=RunOptions(cancel=cancel), listener=listen)
    (record,) = lab.batches()
    assert record.status == "interrupted"
    assert [t.status for t in trials_of(lab.workspace.ledger, record.id, None)] == ["done", "done", "interrupted"]
    result = lab.resume(record.id)
    assert [t.status for t in result.trials] == ["done"] * 4
    assert [t.point["lr"] for t in result.trials] == [0.1, 0.2, 0.3, 0.4]


def ended_trials(lab: Any) -> int:
    """How many trials have ended so far."""
    return sum(t.status == "done" for batch in lab.batches() for t in trials_of(lab.workspace.ledger, batch.id, None))


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_batch_that_is_killed_loses_nothing_and_proposes_what_it_would_have(
    lab_at: Callable[[Path], Any], tmp_path: Path, workers: str
) -> None:
    """Kill -9 in the middle of a Bayesian search; with one worker the proposals are those of a batch that was not killed."""
    words = ("lr=uniform[0:1]", "depth=int[1:9]", "sleep=0.15", "--search", "bayesian", "--minimize", "loss")
    arguments = ("run", "train.py", "-y", "-n", "12", "--seed", "3", "--workers", workers, *words)
    lab = lab_at(tmp_path / "killed")
    process = lab.start(*arguments)
    lab.wait_for(lambda: ended_trials(lab) >= 5)
    lab.crash(process)
    (record,) = lab.batches()
    assert record.status == "interrupted"
    before = {t.number: t.run for t in trials_of(lab.workspace.ledger, record.id, "loss") if t.status == "done"}
    code, body = lab.command("run", "--resume", record.id)
    assert code == 0
    assert [trial["number"] for trial in body["trials"]] == list(range(1, 13))
    assert {trial["status"] for trial in body["trials"]} == {"done"}
    assert before.items() <= {trial["number"]: trial["run"] for trial in body["trials"]}.items()
    if workers == "1":
        _, whole = lab_at(tmp_path / "whole").command(*arguments)
        assert [t["point"] for t in whole["trials"]] == [t["point"] for t in body["trials"]]


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_ctrl_c_ends_every_trial(lab: Any) -> None:
    process = lab.start("run", "train.py", "-y", "lr=[0.1,0.2,0.3]", "sleep=30", "--workers", "2")
    lab.wait_for(lambda: len(lab.workspace.ledger.runs(operation="train.py", status="running")) == 2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    lab.wait_for(lambda: not lab.alive(), 10)
    (record,) = lab.batches()
    assert record.status == "interrupted"
    assert said.count("go on") == 1, said  # the way to this batch, and no other
    assert f"penstock run --resume {record.id}" in said
    assert {child.status for child in lab.workspace.ledger.children(record.id)} == {"interrupted"}


def test_the_command_line_gives_one_object(lab: Any) -> None:
    code, body = lab.command(
        "run", "train.py", "-y", "lr=[0.1,0.3]", "epochs=1", "--minimize", "loss", "--workers", "2"
    )
    assert code == 0
    assert body["best"]["point"] == {"lr": 0.3}
    assert (body["search"], body["metric"], body["maximise"], body["flags"]) == ("grid", "loss", False, ["lr"])
    assert set(body["trials"][0]) == {"number", "run", "point", "status", "value", "seconds", "reason"}
