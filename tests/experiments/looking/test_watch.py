"""`penstock watch`: a run while it goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import Any

from penstock.experiments.curves.curves import Point
from penstock.experiments.looking.terminal_chart import chart
from penstock.experiments.looking.watch import glances, watched_run


def test_it_follows_a_run_to_its_end(bench: Any) -> None:
    """Every value that was logged is seen, and the last glance is of the end."""
    ledger = bench.workspace.ledger
    begun, go_on = threading.Event(), threading.Event()
    made: list[str] = []

    def train() -> None:
        with ledger.run("train.py", params={"lr": 0.1}) as run:
            made.append(run.id)
            run.log(step=0, loss=1.0)
            begun.set()
            go_on.wait(10)
            for step in range(1, 40):
                run.log(step=step, loss=1.0 / (1 + step))

    thread = threading.Thread(target=train)
    thread.start()
    begun.wait(10)
    assert watched_run(bench.workspace, None) == made[0]
    seen = []
    for glance in glances(bench.workspace, made[0], every_s=0.02):
        seen.append(glance)
        go_on.set()
    thread.join()
    assert seen[0].going
    assert seen[0].curves["loss"].count == 1
    assert seen[-1].record.status == "done"
    assert seen[-1].curves["loss"].count == 40


def test_a_glance_stays_as_it_was(bench: Any) -> None:
    """However the run goes on: the curves of an earlier look do not grow with it."""
    with bench.workspace.ledger.run("train.py", params={}) as run:
        looks = glances(bench.workspace, run.id, every_s=0.05)
        run.log(step=0, loss=1.0)
        first = next(looks)
        run.log(step=1, loss=0.5)
        second = next(looks)
        looks.close()
    assert [curve.count for curve in (first.curves["loss"], second.curves["loss"])] == [1, 2]
    assert [len(curve.points) for curve in (first.curves["loss"], second.curves["loss"])] == [1, 2]


def test_a_queued_run_says_what_it_waits_for(bench: Any, cli: Any, said: Any) -> None:
    """Named, it is followed, and says so at once; without a name only a run that goes on is watched."""
    queued = bench.workspace.ledger.enqueue("train.py", params={}, inputs={}, spec={})
    assert "queued; `penstock queue run` runs it" in said("watch", queued, "--once")
    error = cli("watch").error
    assert (error["what"], error["why"]) == ("no run is going on", "1 is queued, and none of them has begun")
    assert "penstock queue run" in error["try"]
    with bench.workspace.ledger.run("other.py", params={}) as run:
        assert watched_run(bench.workspace, None) == run.id


def test_following_a_queued_run_is_not_silent(bench: Any) -> None:
    """Its first line is there before anything runs it."""
    queued = bench.workspace.ledger.enqueue("train.py", params={}, inputs={}, spec={})
    command = [sys.executable, "-m", "penstock", "watch", queued, "--every", "0.05", "--json"]
    with subprocess.Popen(
        command, cwd=bench.workspace.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "queued; `penstock queue run` runs it\n"
        with bench.workspace.ledger.run("train.py", takes=queued) as run:
            run.log(step=0, loss=1.0)
        out, _ = process.communicate(timeout=30)
    assert json.loads(out)["status"] == "done"


def test_what_is_logged_is_seen_within_a_second(bench: Any) -> None:
    """While the run goes on: by one of the looks of a second."""
    with bench.workspace.ledger.run("train.py", params={}) as run:
        looks = glances(bench.workspace, run.id, every_s=0.05)
        next(looks)
        run.log(step=1, loss=0.5)
        assert any(next(looks).curves for _ in range(20))
        looks.close()


def test_one_look(trained: Any, cli: Any, said: Any) -> None:
    """`--once`: the curves of training and validation rows in one picture, with what they show."""
    text = said("watch", trained.ids["b"], "--once")
    assert "━ loss" in text
    assert "━ val_loss" in text
    assert "overfitting: val_loss was best" in text
    assert any("⠀" < c <= "⣿" for c in text)
    body = cli("watch", trained.ids["b"], "--once").body
    assert body["series"]["val_loss"]["count"] == 60
    assert body["status"] == "done"


def test_an_interrupted_run_has_no_duration(bench: Any, said: Any) -> None:
    """Nobody saw its end; the line ends with its status."""
    code = "import sys; from pathlib import Path; from penstock.project.workspace import Workspace; "
    code += "print(Workspace(Path(sys.argv[1])).ledger.begin('train.py', params={'lr': 1}))"
    root = str(bench.workspace.root)
    run = subprocess.run([sys.executable, "-c", code, root], capture_output=True, text=True, check=True).stdout.strip()
    assert said("watch", run, "--once").splitlines()[0] == f"run {run}: train.py, interrupted"


def test_nothing_goes_on(trained: Any, cli: Any) -> None:
    """Without a name it looks for a run that does."""
    assert cli("watch").error["code"] == "not-found"


def test_a_chart_fits_its_width_and_takes_any_numbers() -> None:
    """Flat, huge, falling by orders of magnitude."""
    for values in ([1.0, 1.0], [0.0, 1e300], [1e-9, 1.0, 1e9], [3, 2, 1]):
        points = [Point(i, v, v, v, i) for i, v in enumerate(values)]
        lines = chart([("loss", points), ("val_loss", points)], width=60, height=5)
        assert len(lines) == 8
        assert all(len(str(line)) <= 60 for line in lines[1:])
    assert chart([("loss", [Point(0, 1, 1, 1, 0)])]) == []
