"""Runs are written into a database of MLflow's own, and MLflow finds them there as they were."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import ArchiveError, MissingExtra
from penstock.experiments.mlflow.export_sqlite import export_mlflow
from penstock.experiments.mlflow.import_sqlite import import_mlflow
from penstock.project.workspace import Workspace

pytest.importorskip("mlflow", reason="the extra mlflow is not installed")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "ours").mkdir()
    return Workspace(tmp_path / "ours")


@pytest.fixture
def run_id(workspace: Workspace) -> str:
    """A run of a script as Penstock records it."""
    with workspace.ledger.run("train.py", params={"lr": 0.1, "name": "ä", "on": True}, tags={"team": "risk"}) as run:
        for step, loss in enumerate([1.0, math.nan, math.inf, 0.25]):
            run.log(step=step, loss=loss)
        run.metric("loss", 0.25)
        run.metric("auc", 0.9, low=0.8, high=0.95)
        run.keep("console", b"hello\n", media="text/plain")
    workspace.ledger.note(run.id, "looks good")
    return run.id


def test_without_mlflow_it_is_said_what_to_install(
    workspace: Workspace, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("mlflow.store.tracking.sqlalchemy_store")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(MissingExtra, match=r"penstock\[mlflow\]"):
        export_mlflow(workspace, [], tmp_path / "mlflow.db")
    assert not (tmp_path / "mlflow.db").exists()


def test_runs_are_found_by_mlflow(workspace: Workspace, run_id: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    result = export_mlflow(workspace, [], tmp_path / "mlflow.db")
    assert list(result.runs) == [run_id]
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(workspace.name)
    [run] = client.search_runs([experiment.experiment_id], "params.lr = '0.1' and tags.team = 'risk'")
    record = workspace.ledger.get(run_id)
    assert (run.info.run_name, run.info.status, run.info.user_id) == ("train.py", "FINISHED", record.who)
    assert run.data.params == {"lr": "0.1", "name": "ä", "on": "True"}
    assert run.data.metrics == {"loss": 0.25, "auc": 0.9}
    assert run.data.tags["penstock.run"] == run_id
    assert run.data.tags["mlflow.note.content"].endswith("looks good")
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [m.step for m in history] == [0, 1, 2, 3]
    assert math.isnan(history[1].value)
    assert Path(client.download_artifacts(run.info.run_id, "penstock/console.log")).read_text() == "hello\n"


def test_a_second_export_adds_only_what_is_new(workspace: Workspace, run_id: str, tmp_path: Path) -> None:
    export_mlflow(workspace, [], tmp_path / "mlflow.db")
    with workspace.ledger.run("train.py") as second:
        pass
    result = export_mlflow(workspace, [], tmp_path / "mlflow.db")
    assert (list(result.runs), result.known) == ([second.id], [run_id])
    assert "were in it before" in result.to_text()


def test_mlflows_own_runs_go_there_and_back(workspace: Workspace, tmp_path: Path) -> None:
    """Client -> ledger -> database -> another ledger: nothing of a run changes on the way."""
    import mlflow

    mlflow.set_tracking_uri(f"penstock://{workspace.root}")
    mlflow.set_experiment("bank")
    with mlflow.start_run(run_name="outer") as run:
        mlflow.log_params({"lr": 0.1, "deep": "x" * 3000})
        for i in range(1500):
            mlflow.log_metric("val/loss", 1 / (i + 1), step=i)
        mlflow.log_text("hello", "notes/a.txt")
        model = mlflow.initialize_logged_model(name="m")
        mlflow.finalize_logged_model(model.model_id, "READY")
        mlflow.log_outputs([mlflow.entities.LoggedModelOutput(model.model_id, 3)])
        with mlflow.start_run(nested=True, run_name="inner"):
            mlflow.log_metric("q", -math.inf)
    result = export_mlflow(workspace, [run.info.run_id], tmp_path / "mlflow.db")
    assert len(result.runs) == 1
    export_mlflow(workspace, [], tmp_path / "mlflow.db")
    (tmp_path / "third").mkdir()
    third = Workspace(tmp_path / "third")
    assert len(import_mlflow(third, tmp_path / "mlflow.db").runs) == 2
    before = workspace.ledger.get(run.info.run_id)
    [after] = [r for r in third.ledger.runs() if r.tags.get("mlflow.runName") == "outer"]
    assert after.params == before.params
    assert after.metrics == before.metrics
    assert after.started_at == before.started_at
    assert after.outputs["series"] == before.outputs["series"]
    assert list(third.ledger.log_of(after)) == list(workspace.ledger.log_of(before))
    assert after.artifacts["files"] != {}
    [inner] = [r for r in third.ledger.children(after.id) if r.operation != "log_model"]
    assert inner.metrics["q"]["value"] == -math.inf
    [logged] = third.ledger.runs("log_model")
    assert logged.parent == after.id


def test_an_export_is_known_where_it_came_from(workspace: Workspace, tmp_path: Path) -> None:
    """Runs and logged models that are still in the ledger are not taken a second time."""
    import mlflow

    mlflow.set_tracking_uri(f"penstock://{workspace.root}")
    mlflow.set_experiment("bank")
    with mlflow.start_run():
        model = mlflow.initialize_logged_model(name="m")
        mlflow.finalize_logged_model(model.model_id, "READY")
    with workspace.ledger.run("train.py"):
        pass
    export_mlflow(workspace, [], tmp_path / "o.db")
    before = {run.id: run for run in workspace.ledger.runs()}
    done = import_mlflow(workspace, tmp_path / "o.db")
    assert (done.runs, done.models, len(done.known)) == ([], [], 2)
    assert {run.id: run for run in workspace.ledger.runs()} == before


def test_an_export_makes_the_runs_again_elsewhere(workspace: Workspace, run_id: str, tmp_path: Path) -> None:
    """Id, operation, status and instants are those that they had; what others computed is no known result here."""
    import mlflow

    with workspace.ledger.run("tune.py") as stopped:
        stopped.stop("no better for 5 epochs")
    mlflow.set_tracking_uri(f"penstock://{workspace.root}")
    mlflow.set_experiment("bank")
    with mlflow.start_run() as theirs:
        made = mlflow.initialize_logged_model(name="m")
        mlflow.finalize_logged_model(made.model_id, "READY")
    export_mlflow(workspace, [], tmp_path / "o.db")
    (tmp_path / "third").mkdir()
    third = Workspace(tmp_path / "third")
    import_mlflow(third, tmp_path / "o.db")
    before, after = ({run.id: run for run in one.ledger.runs()} for one in (workspace, third))
    assert after.keys() == before.keys()
    for one, other in ((before[i], after[i]) for i in before):
        assert (one.operation, one.status, one.started_at) == (other.operation, other.status, other.started_at)
        assert one.ended_at == other.ended_at
        assert not any(name.startswith("penstock.") for name in other.tags)
        assert third.ledger.find(other.operation, one.key) is None
    assert after[stopped.id].outputs["stopped"] == "no better for 5 epochs"
    assert after[run_id].operation == "train.py"
    assert [r.operation for r in third.ledger.children(theirs.info.run_id)] == ["log_model"]
    assert import_mlflow(third, tmp_path / "o.db").runs == []


def test_a_file_that_is_no_database_is_refused(workspace: Workspace, run_id: str, tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("no database " * 100)
    with pytest.raises(ArchiveError, match=r"x\.db"):
        export_mlflow(workspace, [], tmp_path / "x.db")


def test_the_command_line_writes_the_runs_that_are_named(
    workspace: Workspace, run_id: str, tmp_path: Path, penstock: Any
) -> None:
    with workspace.ledger.run("other.py"):
        pass
    outcome = penstock(workspace.root, "export", "--mlflow", str(tmp_path / "out.db"), "--filter", "lr = 0.1")
    assert list(outcome.body["runs"]) == [run_id]


def test_the_command_line_takes_a_database_over(workspace: Workspace, run_id: str, tmp_path: Path) -> None:
    export_mlflow(workspace, [], tmp_path / "out.db")
    (tmp_path / "other").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "penstock", "import", "--mlflow", str(tmp_path / "out.db")],
        cwd=tmp_path / "other", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "1 runs of 1 experiments with 5 values of metrics" in done.stdout
