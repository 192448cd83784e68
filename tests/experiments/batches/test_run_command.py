"""`penstock run` with options that say nothing about what is run, names of steps, and batches that end badly."""

from __future__ import annotations

import json
import signal
import sys
from typing import Any

import pytest

from penstock.cli.app import run
from penstock.cli.batch_line import BatchLine
from penstock.errors import SearchError, StoreFull


@pytest.fixture
def done(lab: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """A batch that is done, in the folder we are in."""
    monkeypatch.chdir(lab.folder)
    return str(lab.batch("lr=[0.1,0.2,0.3]", "epochs=1", n=2).id)


@pytest.mark.parametrize(
    "option",
    ["--why", "--force", "--keep-going", "--budget=5m", "--override=x", "--queue", "--steps", "--module=a"],
)
def test_an_option_that_a_resumed_batch_would_ignore_is_refused(
    lab: Any, done: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["run", "--resume", done, "-n", "3", option]) == 2
    assert f"{option.partition('=')[0]} " in capsys.readouterr().err
    assert len(lab.workspace.ledger.children(done)) == 2


@pytest.mark.parametrize("option", ["--seed=0", "--search=", "--stop-early=median"])
def test_what_was_settled_when_the_batch_began_is_refused_whatever_its_value(
    lab: Any, done: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["run", "--resume", done, "-n", "3", option]) == 2
    assert "was settled when the batch began; --resume keeps it" in capsys.readouterr().err
    assert len(lab.workspace.ledger.children(done)) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train.py", "--seed", "0"], "--seed is about a batch of runs; this runs a script"),
        (["--steps", "--seed", "0"], "--seed is about a batch of runs; this runs steps"),
        (["--steps", "-m", "train"], "--module is about a script or a batch of runs; this runs steps"),
        (["--steps", "--", "ls"], "no command may stand behind --"),
        (["--resume", "2026", "--", "ls"], "no command may stand behind --"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused_also_where_its_value_is_nothing(
    lab: Any, words: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lab.folder)
    assert run(["run", *words]) == 2
    assert message in capsys.readouterr().err
    assert lab.workspace.ledger.runs() == []


def test_a_batch_that_goes_on_does_so_with_its_options(
    lab: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(lab.folder)
    assert run(["run", "train.py", "lr=[0.1,0.2,0.3]", "epochs=1", "-n", "1", "--timeout", "40s", "--json"]) == 0
    batch = json.loads(capsys.readouterr().out)["batch"]
    assert run(["run", "--resume", batch, "-n", "2", "--timeout", "50s", "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["warnings"] == ["timeout is 50.0 now, and was 40.0 in the trials before"]
    assert run(["run", "--resume", batch, "-n", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == []
    assert lab.workspace.ledger.get(batch).inputs["options"]["timeout_s"] == 50


def test_the_name_of_a_step_is_no_script(
    lab: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(lab.folder)
    (lab.folder / "penstock.toml").write_text('[[step]]\nname = "train"\nrun = "python train.py"\n')
    assert run(["run", "train"]) == 2
    assert "run it as a step: `penstock run --steps train`" in capsys.readouterr().err


def test_a_script_whose_name_begins_with_a_dash_runs(
    lab: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(lab.folder)
    (lab.folder / "--lr.py").write_text(lab.script.read_text())
    (lab.folder / "-c.py").write_text("import sys\nRATE = 0.1\nprint('rate:', RATE, sys.argv)\n")
    assert run(["run", "-y", "./--lr.py", "lr=0.2", "epochs=1", "--json"]) == 0
    assert run(["run", "-y", "./-c.py", "RATE=0.2", "--json"]) == 0
    assert run(["run", "-y", "./-c.py", "--json"]) == 0
    assert [json.loads(line)["status"] for line in capsys.readouterr().out.splitlines()] == ["done"] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_batch_that_is_told_to_end_ends_its_trials_and_says_how_to_go_on(lab: Any, number: int) -> None:
    process = lab.start("run", "train.py", "-y", "lr=[0.1,0.2,0.3]", "sleep=30", "--workers", "2")
    lab.wait_for(lambda: len(lab.workspace.ledger.runs(operation="train.py", status="running")) == 2)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    (record,) = lab.batches()
    assert process.returncode == 130
    assert f"penstock run --resume {record.id}" in err
    assert record.status == "interrupted"
    assert {child.status for child in lab.workspace.ledger.children(record.id)} == {"interrupted"}
    lab.wait_for(lambda: not lab.alive(), 10)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StoreFull("the disk is full", why="no space left", way_out="free some"), 1),
        (RuntimeError("nobody thought of it"), 1),
        (SearchError("no 'los'", why="...", way_out="`penstock run --resume B1 --minimize loss`"), 0),
    ],
)
def test_whatever_ends_a_batch_how_to_go_on_is_said_once(
    error: Exception, said: int, capsys: pytest.CaptureFixture[str]
) -> None:
    line = BatchLine(quiet=True)
    line.begin("B1")
    line.__exit__(type(error), error, None)
    assert capsys.readouterr().err.count("to go on with this batch: penstock run --resume B1") == said


def test_a_batch_whose_source_cannot_be_stored_says_how_to_go_on(
    lab: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on a full disk: its record is there, and no trial is."""
    monkeypatch.chdir(lab.folder)

    def full(*_: object) -> None:
        raise StoreFull("the disk is full", why="no space left", way_out="free some")

    monkeypatch.setattr("penstock.experiments.capture.source.snapshot", full)
    assert run(["run", "train.py", "lr=[0.1,0.2]", "epochs=1", "-y"]) == 2
    (record,) = lab.batches()
    assert record.status == "failed"
    assert f"penstock run --resume {record.id}" in capsys.readouterr().err
