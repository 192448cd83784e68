"""The queue: what is queued is run once, by whoever takes it first, and is lost by no crash."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import FlagError, ProjectError, ScriptError
from penstock.experiments.batches.batch import run_batch
from penstock.experiments.batches.queue import Queued, enqueue, list_queue, remove_from_queue
from penstock.experiments.batches.queue_run import QueueResult, Taken, find_flags, run_queue
from penstock.experiments.capture.target import Target
from penstock.experiments.running.options import RunOptions


def work(lab: Any, **how: Any) -> QueueResult:
    result = run_queue(lab.workspace, **how)
    assert isinstance(result, QueueResult)
    return result


def statuses(lab: Any) -> list[str]:
    return [entry.status for entry in list_queue(lab.workspace).entries]


def test_runs_are_queued_listed_and_run_oldest_first(lab: Any) -> None:
    first = lab.enqueue("lr=0.1", "epochs=1", options=RunOptions(tags={"team": "risk"}, note="try this"))
    second = lab.enqueue("lr=0.2", "epochs=1")
    assert (
        first.to_text() == f"queued as {first.id}: train.py lr=0.1 epochs=1\n  `penstock queue run` runs what is queued"
    )
    assert "behind 1 other" in second.to_text()
    listing = list_queue(lab.workspace)
    assert [(entry.id, entry.status, entry.what) for entry in listing.entries] == [
        (first.id, "queued", "train.py lr=0.1 epochs=1"),
        (second.id, "queued", "train.py lr=0.2 epochs=1"),
    ]
    told: list[tuple[str, str]] = []
    result = work(lab, listener=lambda event, taken: told.append((event, taken.run)))
    assert [(one.run, one.status) for one in result.taken] == [(first.id, "done"), (second.id, "done")]
    assert told == [("start", first.id), ("end", first.id), ("start", second.id), ("end", second.id)]
    assert result.exit_code == 0
    record = lab.workspace.ledger.get(first.id)
    assert (record.operation, record.status, record.tags) == ("train.py", "done", {"team": "risk"})
    assert record.params["lr"] == 0.1
    assert record.metrics["loss"]["value"] == pytest.approx(0.04 + 0.01 + 0.5)
    assert [note["text"] for note in record.notes] == ["try this"]
    assert list_queue(lab.workspace).to_text().startswith("the queue is empty")


def test_a_queued_run_shows_its_flags_before_it_runs(lab: Any) -> None:
    record = lab.workspace.ledger.get(lab.enqueue("lr=0.7").id)
    assert record.status == "queued"
    assert (record.params["lr"], record.params["depth"]) == (0.7, 3)
    assert record.inputs["target"]["name"] == "train.py"


def test_several_run_at_once_and_a_failure_ends_nothing(lab: Any) -> None:
    for lr in ("0.1", "0.9", "0.2"):
        lab.enqueue(f"lr={lr}", "fail-above=0.5", "epochs=1", "sleep=0.5")
    result = work(lab, workers=3)
    assert Counter(one.status for one in result.taken) == {"done": 2, "failed": 1}
    assert result.exit_code == 1
    records = [lab.workspace.ledger.get(one.run) for one in result.taken if one.status == "done"]
    assert max(record.started_at for record in records) < min(record.ended_at for record in records)


def test_a_wrong_flag_is_refused_when_it_is_queued(lab: Any) -> None:
    with pytest.raises(FlagError, match="cannot be 'fast'"):
        lab.enqueue("lr=fast")
    with pytest.raises(FlagError, match="several values"):
        lab.enqueue("lr=[0.1,0.2]")
    assert list_queue(lab.workspace).entries == ()


def test_a_secret_is_never_queued(lab: Any) -> None:
    with pytest.raises(FlagError, match=r"'api.key' cannot be queued"):
        lab.enqueue("api-key=hush-4711")
    with pytest.raises(FlagError, match="cannot be queued"):
        run_batch(lab.workspace, lab.target, lab.flags, ["lr=[1,2]", "api-key=hush-4711"], cwd=lab.folder, queue=True)
    assert lab.workspace.ledger.runs() == []


def test_what_cannot_begin_any_more_is_failed_and_says_why(lab: Any) -> None:
    run = lab.enqueue("lr=0.1").id
    lab.script.write_text(lab.script.read_text().replace('"--lr"', '"--rate"'))
    (taken,) = work(lab).taken
    assert (taken.run, taken.status) == (run, "failed")
    assert "there is no flag 'lr'" in taken.reason
    record = lab.workspace.ledger.get(run)
    assert record.status == "failed"
    assert record.error["code"] == "flag"


def test_what_has_vanished_ends_its_own_entry_only(lab: Any) -> None:
    inner = lab.folder / "inner"
    inner.mkdir()
    gone = inner / "gone.py"
    gone.write_text(lab.script.read_text())
    target = Target("script", "inner/gone.py", gone)
    first = enqueue(lab.workspace, target, lab.flags, ["epochs=1"], cwd=inner).id
    batch = run_batch(lab.workspace, target, lab.flags, ["lr=[0.1,0.2]"], cwd=inner, queue=True)
    last = lab.enqueue("epochs=1").id
    gone.unlink()
    inner.rmdir()
    told: list[tuple[str, str]] = []
    result = work(lab, listener=lambda event, taken: told.append((event, taken.run)))
    assert isinstance(batch, Queued)
    assert [(one.run, one.status) for one in result.taken] == [
        (first, "failed"),
        (batch.id, "failed"),
        (last, "done"),
    ]
    assert told == [("end", first), ("end", batch.id), ("start", last), ("end", last)]  # those two never began
    assert "there is no script 'inner/gone.py'" in result.taken[0].reason
    assert lab.workspace.ledger.get(first).error["code"] == "script"
    with pytest.raises(ScriptError, match="there is no script"):
        lab.resume(batch.id)


def test_a_bug_ends_its_own_entry_only_and_leaves_its_traceback(lab: Any) -> None:
    first, second = lab.enqueue("lr=0.1", "epochs=1").id, lab.enqueue("lr=0.2", "epochs=1").id
    find = find_flags(lab.workspace)
    calls: list[str | None] = []

    def flags_of(target: Any, cwd: Path, python: str | None) -> Any:
        calls.append(python)
        if len(calls) == 1:
            raise RuntimeError("nobody thought of it")
        return find(target, cwd, python)

    result = work(lab, flags_of=flags_of)
    assert [(one.run, one.status) for one in result.taken] == [(first, "failed"), (second, "done")]
    assert result.taken[0].reason == "a bug of ours: RuntimeError: nobody thought of it"
    assert "nobody thought of it" in lab.workspace.ledger.get(first).error["traceback"]


def test_an_entry_that_another_process_takes_first_is_not_announced(lab: Any) -> None:
    run = lab.enqueue("epochs=1").id
    find = find_flags(lab.workspace)

    def flags_of(target: Any, cwd: Path, python: str | None) -> Any:
        with lab.workspace.ledger.run("train.py", takes=run):  # another process, in between
            pass
        return find(target, cwd, python)

    told: list[str] = []
    assert work(lab, flags_of=flags_of, listener=lambda event, taken: told.append(event)).taken == ()
    assert told == []


def test_the_listing_tells_when_a_run_was_queued_also_while_it_runs(lab: Any) -> None:
    run = lab.enqueue("epochs=1").id
    (before,) = list_queue(lab.workspace).entries
    time.sleep(0.01)
    with lab.workspace.ledger.run("train.py", takes=run):
        (now,) = list_queue(lab.workspace).entries
    assert (now.status, now.queued_at) == ("running", before.queued_at)
    assert lab.workspace.ledger.get(run).started_at > now.queued_at


def test_a_source_that_changed_since_is_said(lab: Any) -> None:
    lab.enqueue("epochs=1")
    lab.script.write_text(lab.script.read_text() + "print('more')\n")
    (taken,) = work(lab).taken
    assert (taken.status, taken.reason) == ("done", "the source has changed since it was queued: train.py")


def test_a_log_beside_the_script_is_no_change_of_the_source(lab: Any) -> None:
    lab.enqueue("epochs=1")
    (lab.folder / "o1").write_text("epoch 1\n")
    (lab.folder / "notes.txt").write_text("it looks good\n")
    (taken,) = work(lab).taken
    assert (taken.status, taken.reason) == ("done", "")


def test_a_changed_source_of_a_queued_batch_is_said_once(lab: Any) -> None:
    run_batch(lab.workspace, lab.target, lab.flags, ["lr=[0.1,0.2]", "epochs=1"], cwd=lab.folder, queue=True)
    (lab.folder / "conf.yaml").write_text("a: 1\n")
    (taken,) = work(lab).taken
    assert taken.reason == "the source has changed since it was queued: conf.yaml"
    assert lab.resume(taken.run).warnings == ()


def test_entries_are_removed_and_can_be_restored(lab: Any) -> None:
    one, two = lab.enqueue("lr=0.1", "epochs=1").id, lab.enqueue("lr=0.2", "epochs=1").id
    left = remove_from_queue(lab.workspace, [one])
    assert [entry.id for entry in left.entries] == [two]
    with pytest.raises(ProjectError, match="is not queued"):
        remove_from_queue(lab.workspace, [one])
    assert [taken.run for taken in work(lab).taken] == [two]
    with pytest.raises(ProjectError, match="it is done"):
        remove_from_queue(lab.workspace, [two])
    lab.workspace.ledger.restore([one])
    assert [taken.run for taken in work(lab).taken] == [one]


def test_a_batch_is_one_entry(lab: Any) -> None:
    queued = run_batch(
        lab.workspace,
        lab.target,
        lab.flags,
        ["lr=uniform[0:1]", "epochs=1"],
        cwd=lab.folder,
        n=4,
        search="bayesian",
        minimize="loss",
        queue=True,
    )
    assert isinstance(queued, Queued)
    assert queued.what == "batch of train.py: lr=uniform[0:1] epochs=1 (bayesian, 4 trials)"
    (taken,) = work(lab).taken
    assert (taken.run, taken.status) == (queued.id, "done")
    record = lab.workspace.ledger.get(queued.id)
    assert (record.operation, record.status) == ("batch", "done")
    children = lab.workspace.ledger.children(queued.id)
    assert len(children) == 4
    assert taken.reason == f"best loss {record.metrics['loss']['value']:.6g}, run {record.outputs['best']['run']}"


def test_what_is_known_only_when_a_run_begins_is_added_then(lab: Any) -> None:
    lab.script.write_text("import os\nprint('answer:', os.environ['ANSWER'])\n")
    lab.enqueue()

    def prepare(target: Any, options: RunOptions) -> RunOptions:
        return RunOptions(takes=options.takes, cancel=options.cancel, env={"ANSWER": "42"})

    (taken,) = work(lab, prepare=prepare).taken
    assert lab.workspace.ledger.get(taken.run).metrics["answer"]["value"] == 42


def test_watching_takes_what_comes_later_until_it_is_stopped(lab: Any) -> None:
    cancel = threading.Event()
    ended: list[str] = []

    def listen(event: str, taken: Taken) -> None:
        if event == "end":
            ended.append(taken.run)

    later: list[str] = []
    threading.Timer(0.5, lambda: later.append(lab.enqueue("epochs=1").id)).start()

    def stop() -> None:
        lab.wait_for(lambda: ended)
        cancel.set()

    threading.Thread(target=stop).start()
    with pytest.raises(KeyboardInterrupt):
        work(lab, watch=True, listener=listen, cancel=cancel)
    assert ended == later


def test_stopping_the_queue_leaves_the_rest_queued(lab: Any) -> None:
    first, second = lab.enqueue("sleep=30").id, lab.enqueue("sleep=30").id
    cancel = threading.Event()
    threading.Timer(1.5, cancel.set).start()
    with pytest.raises(KeyboardInterrupt):
        work(lab, cancel=cancel)
    assert lab.workspace.ledger.get(first).status == "interrupted"
    assert lab.workspace.ledger.get(second).status == "queued"
    assert sorted(statuses(lab)) == ["interrupted", "queued"]


def test_processes_that_work_on_one_queue_run_everything_once(lab: Any) -> None:
    runs = [lab.enqueue(f"lr=0.{i}", "epochs=1").id for i in range(1, 9)]
    workers = [lab.start("queue", "run", "--workers", "2") for _ in range(3)]
    taken = []
    for worker in workers:
        out, err = worker.communicate(timeout=120)
        assert worker.returncode == 0, err
        taken += [one["run"] for one in json.loads(out)["taken"]]
    assert sorted(taken) == runs
    assert {lab.workspace.ledger.get(run).status for run in runs} == {"done"}


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_killed_queue_keeps_what_is_queued_and_runs_again_what_it_had_taken(lab: Any) -> None:
    first, second = lab.enqueue("sleep=1.5").id, lab.enqueue("epochs=1").id
    process = lab.start("queue", "run")
    lab.wait_for(lambda: lab.workspace.ledger.get(first).status == "running")
    lab.crash(process)
    _, listed = lab.command("queue")
    assert {entry["id"]: entry["status"] for entry in listed["queue"]} == {
        first: "interrupted",
        second: "queued",
    }
    code, body = lab.command("queue", "run")
    assert code == 0
    assert [one["run"] for one in body["taken"]] == [second]
    assert body["interrupted"] == [first]
    code, body = lab.command("queue", "run", "--retry")
    assert code == 0
    assert body["put_again"] == [first]
    assert [(one["run"], one["status"]) for one in body["taken"]] == [(first, "done")]
    assert lab.workspace.ledger.get(first).status == "done"


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_batch_from_the_queue_that_was_killed_goes_on_where_it_was(lab: Any) -> None:
    code, queued = lab.command("run", "train.py", "lr=[0.1,0.2,0.3,0.4]", "sleep=0.3", "--minimize", "loss", "--queue")
    assert code == 0
    process = lab.start("queue", "run")
    lab.wait_for(lambda: sum(c.status == "done" for c in lab.workspace.ledger.children(queued["run"])) >= 2)
    lab.crash(process)
    before = [c.id for c in lab.workspace.ledger.children(queued["run"]) if c.status == "done"]
    code, body = lab.command("queue", "run", "--retry")
    assert code == 0
    assert [(one["run"], one["status"]) for one in body["taken"]] == [(queued["run"], "done")]
    done = [c for c in lab.workspace.ledger.children(queued["run"]) if c.status == "done"]
    assert [c.id for c in done][: len(before)] == before
    assert sorted(c.params["lr"] for c in done) == [0.1, 0.2, 0.3, 0.4]


def test_the_command_line_queues_lists_and_removes(lab: Any) -> None:
    code, queued = lab.command("run", "train.py", "lr=0.1", "epochs=1", "--queue")
    assert (code, queued["operation"], queued["waiting"]) == (0, "train.py", 0)
    code, listed = lab.command("queue")
    assert [entry["id"] for entry in listed["queue"]] == [queued["run"]]
    code, left = lab.command("queue", "remove", queued["run"])
    assert (code, left["queue"]) == (0, [])
    code, failed = lab.command("queue", "remove", queued["run"])
    assert (code, failed["error"]["code"]) == (2, "project")


def test_a_folder_inside_is_remembered(lab: Any, tmp_path: Path) -> None:
    inner = lab.folder / "inner"
    inner.mkdir()
    lab.script.write_text("import os\nprint('inside:', int(os.getcwd().endswith('inner')))\n")
    enqueue(lab.workspace, lab.target, lab.flags, [], cwd=inner)
    (taken,) = work(lab).taken
    assert lab.workspace.ledger.get(taken.run).metrics["inside"]["value"] == 1
