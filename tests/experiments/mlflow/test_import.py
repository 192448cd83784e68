"""A database that MLflow 3.17.2 wrote is taken over: everything that it knows of runs, once."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import ArchiveError
from penstock.experiments.mlflow.import_sqlite import import_mlflow
from penstock.objects.tree import read_tree
from penstock.project.workspace import Workspace

STORE = Path(__file__).parent / "stores" / "mlflow_3_17_2.sql"
FIRST = "518c30a91c90451abce081c84cd9ab34"
MODEL = "m-5188484541304a75b3023655be2c16b9"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The database with the files of its first run and of its model beside it."""
    folder = tmp_path / "theirs"
    for path, text in (
        (f"mlruns/1/{FIRST}/artifacts/notes/a.txt", "hello"),
        (f"mlruns/1/{FIRST}/artifacts/conf.json", "{}"),
        (f"mlruns/1/models/{MODEL}/artifacts/MLmodel", "flavors: {}"),
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    connection = sqlite3.connect(folder / "mlflow.db")
    connection.executescript(STORE.read_text().replace("@ROOT@", str(folder)))
    connection.close()
    return folder / "mlflow.db"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "ours").mkdir()
    return Workspace(tmp_path / "ours")


def named(workspace: Workspace, name: str) -> Any:
    [found] = [r for r in workspace.ledger.runs(deleted=None) if r.tags.get("mlflow.runName") == name]
    return found


def test_runs_come_over_with_everything(database: Path, workspace: Workspace) -> None:
    result = import_mlflow(workspace, database)
    assert (len(result.runs), len(result.models), result.metrics) == (7, 1, 10)
    run = named(workspace, "first")
    assert (run.status, run.operation, run.who) == ("done", "train.py", "ada")
    assert {n: v for n, v in run.params.items() if n != "long"} == {"lr": 0.1, "epochs": 3, "loss": "hinge"}
    assert run.metrics["val/loss"]["value"] == 0.25
    lines = list(workspace.ledger.log_of(run))
    assert [line["val/loss"] for line in lines if "val/loss" in line][0:2] == [1.0, 0.5]
    assert math.isnan([line["val/loss"] for line in lines if "val/loss" in line][2])
    assert [line["grad"] for line in lines if "grad" in line] == [math.inf, -math.inf, 2.0]
    assert run.outputs["series"]["grad"]["not_finite"] == 2
    assert run.tags["api_key"] == "***"
    assert run.inputs["experiment"] == "bank"
    [rows] = [body for name, body in run.inputs.items() if name.startswith("dataset ")]
    assert (rows["name"], rows["tags"]) == ("rows", {"mlflow.data.context": "training"})
    tree = read_tree(workspace.objects, run.artifacts["files"]["digest"])
    assert sorted(tree.files) == ["conf.json", "notes/a.txt"]
    assert tree.read("notes/a.txt") == b"hello"
    assert run.id.startswith(run.started_at[:19].replace("-", "").replace(":", ""))


def test_ends_and_belonging_come_over(database: Path, workspace: Workspace) -> None:
    import_mlflow(workspace, database)
    assert named(workspace, "inner").parent == named(workspace, "first").id
    assert named(workspace, "inner").tags["mlflow.parentRunId"] == named(workspace, "first").id
    assert named(workspace, "second").status == "failed"
    assert named(workspace, "thrown away").deleted_at is not None
    assert named(workspace, "ambitious-bass-868").status == "interrupted"
    assert named(workspace, "youthful-snake-257").status == "interrupted", "it was still running there"
    assert [e.name for e in workspace.ledger.experiments.all()] == ["Default", "bank"]
    assert [e.name for e in workspace.ledger.experiments.all(deleted=True)] == ["old tries"]
    [model] = workspace.ledger.runs("log_model")
    assert model.parent == named(workspace, "first").id
    assert model.params["C"] == 1.0
    assert list(read_tree(workspace.objects, model.artifacts["files"]["digest"]).files) == ["MLmodel"]


def test_a_second_import_changes_nothing_and_says_so(database: Path, workspace: Workspace) -> None:
    first = import_mlflow(workspace, database)
    before = {r.id: r for r in workspace.ledger.runs(deleted=None)}
    again = import_mlflow(workspace, database)
    assert (again.runs, again.models, again.metrics) == ([], [], 0)
    assert again.known == sorted(first.runs)
    assert "7 were here before" in again.to_text()
    assert {r.id: r for r in workspace.ledger.runs(deleted=None)} == before


def test_what_has_come_since_is_taken_by_the_next_import(database: Path, workspace: Workspace) -> None:
    import_mlflow(workspace, database)
    connection = sqlite3.connect(database)
    connection.execute(
        "INSERT INTO runs (run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri, experiment_id) "
        "SELECT 'new', 'newer', user_id, status, start_time, end_time, lifecycle_stage, '', experiment_id FROM runs WHERE run_uuid = ?",
        (FIRST,),
    )
    connection.commit()
    connection.close()
    assert len(import_mlflow(workspace, database).runs) == 1
    assert named(workspace, "newer").started_at == named(workspace, "first").started_at


def test_mlflows_client_sees_the_same_as_it_did(database: Path, workspace: Workspace, mlflow: Any) -> None:
    import_mlflow(workspace, database)
    client = mlflow.MlflowClient(f"penstock://{workspace.root}")
    bank = client.get_experiment_by_name("bank")
    assert bank.tags == {"team": "risk", "empty": ""}
    runs = client.search_runs([bank.experiment_id], "metrics.`val/loss` < 0.5 and params.loss = 'hinge'")
    assert [run.info.run_name for run in runs] == ["first"]
    history = client.get_metric_history(runs[0].info.run_id, "val/loss")
    assert [(m.step, m.timestamp) for m in history] == [(i, 1_700_000_000_000 + 1000 * i) for i in range(4)]
    assert runs[0].info.start_time == 1795230103502 or runs[0].info.start_time > 0
    assert [dataset.dataset.name for dataset in runs[0].inputs.dataset_inputs] == ["rows"]
    [made] = runs[0].outputs.model_outputs
    model = client.get_logged_model(made.model_id)
    assert (model.name, model.source_run_id, str(model.status)) == ("model", runs[0].info.run_id, "READY")
    assert {metric.key for metric in model.metrics} >= {"val/loss"}
    assert client.list_artifacts(runs[0].info.run_id)[1].path == "notes"


def test_files_come_only_from_folders_that_mlflow_lays_out(
    database: Path, workspace: Workspace, tmp_path: Path
) -> None:
    """A database may not lead to other files of this machine."""
    secret = tmp_path / "home" / "artifacts"
    secret.mkdir(parents=True)
    (secret / "key.pem").write_text("private")
    (tmp_path / FIRST).symlink_to(secret.parent)
    connection = sqlite3.connect(database)
    connection.execute("UPDATE runs SET artifact_uri = ?", (f"file://{secret}",))
    connection.execute("UPDATE runs SET artifact_uri = 's3://bucket/x' WHERE run_uuid = ?", (FIRST,))
    connection.commit()
    connection.close()
    result = import_mlflow(workspace, database)
    assert not any(
        "files" in run.artifacts for run in workspace.ledger.runs(deleted=None) if run.operation != "log_model"
    )
    assert "s3://bucket/x" in result.without_files.values()
    assert "were not taken: s3://bucket/x" in result.to_text()


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"no database at all, but long enough" * 9, "not a database"), (b"", "no table 'experiments'")],
)
def test_what_is_no_database_of_mlflow_is_refused(
    content: bytes, why: str, workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "x.db").write_bytes(content)
    with pytest.raises(ArchiveError, match=why):
        import_mlflow(workspace, tmp_path / "x.db")
    with pytest.raises(ArchiveError, match="there is no file"):
        import_mlflow(workspace, tmp_path / "none.db")


def test_a_damaged_database_brings_nothing(database: Path, workspace: Workspace) -> None:
    data = database.read_bytes()
    database.write_bytes(data[: len(data) // 2])
    with pytest.raises(ArchiveError):
        import_mlflow(workspace, database)
    assert workspace.ledger.runs(deleted=None) == []


def test_the_database_is_only_read(database: Path, workspace: Workspace) -> None:
    before = database.read_bytes()
    import_mlflow(workspace, database)
    assert database.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (f"UPDATE runs SET start_time = 9223372036854775807 WHERE run_uuid = '{FIRST}'", f"run {FIRST}"),
        (f"UPDATE runs SET end_time = -9223372036854775807 WHERE run_uuid = '{FIRST}'", f"run {FIRST}"),
        (f"UPDATE runs SET start_time = 'yesterday' WHERE run_uuid = '{FIRST}'", f"run {FIRST}"),
        ("UPDATE logged_models SET creation_timestamp_ms = 253402300800000", f"logged model {MODEL}"),
        (f"UPDATE metrics SET value = 'high' WHERE run_uuid = '{FIRST}'", f"run {FIRST}"),
        (f"UPDATE metrics SET timestamp = 'late' WHERE run_uuid = '{FIRST}'", f"run {FIRST}"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused_by_the_name_of_its_run(
    change: str, named: str, database: Path, workspace: Workspace
) -> None:
    connection = sqlite3.connect(database)
    connection.execute(change)
    connection.commit()
    connection.close()
    with pytest.raises(ArchiveError, match=named):
        import_mlflow(workspace, database)
    assert workspace.ledger.runs(deleted=None) == []
