"""Runs that MLflow's client writes are runs of the ledger, and come back as they were written."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import ProjectError
from penstock.experiments.mlflow.place import workspace_of


def test_a_run_is_a_run_of_the_ledger(mlflow: Any, ledger: Any) -> None:
    """Parameters are typed, metrics are the last ones, the series is summed up, tags are tags."""
    with mlflow.start_run(run_name="first", description="a try") as run:
        mlflow.log_params({"lr": 0.1, "epochs": 3, "loss": "hinge", "warm": False, "zip": "007"})
        for step in range(3):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.set_tags({"team": "risk", "empty": ""})
    record = ledger.get(run.info.run_id)
    assert record.status == "done"
    assert record.params == {"lr": 0.1, "epochs": 3, "loss": "hinge", "warm": False, "zip": "007"}
    assert record.metrics["loss"]["value"] == pytest.approx(1 / 3)
    series = record.outputs["series"]["loss"]
    assert (series["count"], series["first"], series["max"], series["min_step"]) == (3, 1.0, 1.0, 2)
    assert record.tags["team"] == "risk"
    assert record.tags["mlflow.runName"] == "first"
    assert record.inputs["experiment"] == "bank"
    assert record.environment["packages"]["mlflow-skinny"]
    assert [line["step"] for line in ledger.log_of(record)] == [0, 1, 2]
    assert ledger.artifact is not None
    assert record.log is not None


def test_what_was_logged_comes_back_as_text_as_mlflow_has_it(mlflow: Any) -> None:
    logged = {"a": 0.1, "b": 1e-05, "c": None, "d": [1, 2], "e": "0.10", "f": "", "g": "1_000", "h": 10**30, "i": "é"}
    with mlflow.start_run() as run:
        mlflow.log_params(logged)
    assert mlflow.get_run(run.info.run_id).data.params == {name: str(value) for name, value in logged.items()}


def test_history_keeps_steps_instants_nan_and_infinity(mlflow: Any, client: Any) -> None:
    values = [(0, 0.5), (1, math.nan), (2, math.inf), (1, -math.inf), (7, 1e300)]
    with mlflow.start_run() as run:
        for i, (step, value) in enumerate(values):
            client.log_metric(run.info.run_id, "val/loss", value, timestamp=1_700_000_000_000 + i, step=step)
    found = client.get_metric_history(run.info.run_id, "val/loss")
    assert [m.step for m in found] == [0, 1, 2, 1, 7]
    assert [m.timestamp for m in found] == [1_700_000_000_000 + i for i in range(5)]
    assert [repr(m.value) for m in found] == ["0.5", "nan", "inf", "-inf", "1e+300"]
    assert client.get_metric_history(run.info.run_id, "no-such") == []


def test_the_last_value_is_that_of_the_highest_step(mlflow: Any, client: Any) -> None:
    """As in MLflow's own stores, while the run goes on and after it has ended."""
    with mlflow.start_run() as run:
        mlflow.log_metric("auc", 0.9, step=5)
        mlflow.log_metric("auc", 0.1, step=2)
        assert client.get_run(run.info.run_id).data.metrics == {"auc": 0.9}
    assert client.get_run(run.info.run_id).data.metrics == {"auc": 0.9}


def test_metrics_named_as_columns_of_the_log_are_kept(mlflow: Any, client: Any, ledger: Any) -> None:
    with mlflow.start_run() as run:
        mlflow.log_metrics({"step": 3.0, "elapsed_s": 4.0, "epoch": 1.0}, step=9)
    assert client.get_run(run.info.run_id).data.metrics == {"step": 3.0, "elapsed_s": 4.0, "epoch": 1.0}
    assert client.get_metric_history(run.info.run_id, "step")[0].step == 9
    assert ledger.get(run.info.run_id).metrics["metric.step"]["value"] == 3.0


def test_a_parameter_never_changes_its_value(mlflow: Any) -> None:
    with mlflow.start_run() as run:
        mlflow.log_param("lr", 0.1)
        mlflow.log_param("lr", 0.1)
        with pytest.raises(mlflow.exceptions.MlflowException, match="Changing param values is not allowed"):
            mlflow.log_param("lr", 0.2)
    assert mlflow.get_run(run.info.run_id).data.params == {"lr": "0.1"}


def test_how_a_run_ends_is_how_it_ends_in_the_ledger(mlflow: Any, client: Any, ledger: Any) -> None:
    with pytest.raises(ZeroDivisionError), mlflow.start_run() as failed:
        _ = 1 / 0
    killed = client.create_run(failed.info.experiment_id)
    client.set_terminated(killed.info.run_id, "KILLED", end_time=killed.info.start_time + 5000)
    assert ledger.get(failed.info.run_id).status == "failed"
    record = ledger.get(killed.info.run_id)
    assert (record.status, record.seconds) == ("interrupted", 5.0)
    assert client.get_run(killed.info.run_id).info.status == "KILLED"
    assert client.get_run(killed.info.run_id).info.end_time == killed.info.start_time + 5000


def test_a_run_goes_on_after_it_has_ended(mlflow: Any, client: Any, ledger: Any) -> None:
    """`start_run(run_id=...)` resumes it; its log goes on, also where this machine had lost it."""
    with mlflow.start_run() as run:
        mlflow.log_metric("loss", 1.0, step=1)
    (ledger.folder_of(run.info.run_id) / "metrics.jsonl").unlink(missing_ok=True)
    with mlflow.start_run(run_id=run.info.run_id):
        assert client.get_run(run.info.run_id).info.status == "RUNNING"
        mlflow.log_metric("loss", 0.5, step=2)
    assert [m.value for m in client.get_metric_history(run.info.run_id, "loss")] == [1.0, 0.5]
    record = ledger.get(run.info.run_id)
    assert record.outputs["series"]["loss"]["count"] == 2
    assert record.status == "done"


def test_metrics_may_come_after_the_end(mlflow: Any, client: Any, ledger: Any) -> None:
    with mlflow.start_run() as run:
        pass
    ended = client.get_run(run.info.run_id).info.end_time
    client.log_metric(run.info.run_id, "test_auc", 0.8, step=4)
    assert client.get_run(run.info.run_id).data.metrics == {"test_auc": 0.8}
    assert client.get_run(run.info.run_id).info.end_time == ended
    assert ledger.get(run.info.run_id).metrics["test_auc"]["value"] == 0.8
    assert client.get_metric_history(run.info.run_id, "test_auc")[0].step == 4


def test_tags_are_set_and_removed_and_a_run_is_renamed(mlflow: Any, client: Any) -> None:
    with mlflow.start_run(run_name="old") as run:
        mlflow.set_tag("stage", "dev")
        mlflow.set_tag("stage", "prod")
        mlflow.set_tag("gone", 1)
        mlflow.delete_tag("gone")
        with pytest.raises(mlflow.exceptions.MlflowException, match="No tag with name"):
            mlflow.delete_tag("gone")
    client.update_run(run.info.run_id, name="new")
    found = client.get_run(run.info.run_id)
    assert found.data.tags["stage"] == "prod"
    assert "gone" not in found.data.tags
    assert found.info.run_name == found.data.tags["mlflow.runName"] == "new"


def test_runs_are_deleted_and_restored(mlflow: Any, client: Any, ledger: Any) -> None:
    with mlflow.start_run() as run:
        pass
    client.delete_run(run.info.run_id)
    assert client.get_run(run.info.run_id).info.lifecycle_stage == "deleted"
    assert ledger.runs() == []
    with pytest.raises(mlflow.exceptions.MlflowException, match="active"):
        client.log_metric(run.info.run_id, "a", 1)
    client.restore_run(run.info.run_id)
    assert client.get_run(run.info.run_id).info.lifecycle_stage == "active"


def test_nested_runs_belong_to_the_outer_one(mlflow: Any, ledger: Any) -> None:
    with mlflow.start_run() as outer, mlflow.start_run(nested=True) as inner:
        mlflow.log_metric("q", 1)
    assert ledger.get(inner.info.run_id).parent == outer.info.run_id
    assert [child.id for child in ledger.children(outer.info.run_id)] == [inner.info.run_id]


def test_a_run_that_is_not_there_is_said_in_mlflows_way(mlflow: Any, client: Any) -> None:
    for work in (
        lambda: client.get_run("nothing"),
        lambda: client.log_metric("nothing", "a", 1),
        lambda: client.delete_run("nothing"),
        lambda: client.set_terminated("nothing"),
        lambda: client.get_metric_history("nothing", "a"),
    ):
        with pytest.raises(mlflow.exceptions.MlflowException, match="'nothing' not found") as error:
            work()
        assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_secrets_in_parameters_and_tags_are_masked(
    mlflow: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hunter22-very-secret")
    mlflow.set_tracking_uri(f"penstock://{tmp_path}/.")  # a store that sees this environment
    with mlflow.start_run() as run:
        mlflow.log_params(
            {"api_key": "k-123456", "url": "postgres://ada:hunter22-very-secret@db/x", "token_pattern": "\\w+"}
        )
        mlflow.log_param("api_key", "k-123456")
        mlflow.set_tag("where", "hunter22-very-secret")
    data = mlflow.get_run(run.info.run_id).data
    assert data.params == {"api_key": "***", "url": "postgres://ada:***@db/x", "token_pattern": "\\w+"}
    assert data.tags["where"] == "***"
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"hunter22-very-secret" not in file.read_bytes(), file


def test_asynchronous_logging_arrives(mlflow: Any, client: Any) -> None:
    with mlflow.start_run() as run:
        for step in range(50):
            mlflow.log_metric("loss", step, step=step, synchronous=False)
        mlflow.log_params({"a": 1}, synchronous=False).wait()
        mlflow.flush_async_logging()
    assert sorted(m.step for m in client.get_metric_history(run.info.run_id, "loss")) == list(range(50))
    assert client.get_run(run.info.run_id).data.params == {"a": "1"}


def test_a_batch_of_a_thousand_metrics_is_one_write(mlflow: Any, client: Any) -> None:
    from mlflow.entities import Metric

    metrics = [Metric("loss", 1 / (i + 1), 1_700_000_000_000 + i, i) for i in range(1000)]
    with mlflow.start_run() as run:
        client.log_batch(run.info.run_id, metrics=metrics)
        assert client.get_run(run.info.run_id).data.metrics["loss"] == 1 / 1000
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 1000


def test_metrics_of_a_killed_process_are_kept(mlflow: Any, client: Any, tmp_path: Path, ledger: Any) -> None:
    """The run shows as interrupted, and MLflow still finds all its metrics."""
    script = (
        "import mlflow, sys, os, signal\n"
        f"mlflow.set_tracking_uri('penstock://{tmp_path}'); mlflow.set_experiment('bank')\n"
        "run = mlflow.start_run(); print(run.info.run_id, flush=True)\n"
        "for i in range(200): mlflow.log_metric('loss', i, step=i)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    run_id = done.stdout.strip()
    assert done.returncode == -9, done.stderr
    assert ledger.get(run_id).status == "interrupted"
    found = client.get_run(run_id)
    assert (found.info.status, found.data.metrics) == ("KILLED", {"loss": 199.0})
    assert len(client.get_metric_history(run_id, "loss")) == 200
    assert mlflow.search_runs(filter_string="metrics.loss > 198", output_format="list")[0].info.run_id == run_id
    client.set_terminated(run_id, "FAILED")
    assert ledger.get(run_id).metrics["loss"]["value"] == 199.0


def test_four_processes_write_to_one_workspace_at_once(mlflow: Any, client: Any, tmp_path: Path) -> None:
    """Runs of their own, and one run that all of them write to."""
    shared = client.create_run(mlflow.set_experiment("bank").experiment_id).info.run_id
    script = (
        "import mlflow, sys\n"
        f"mlflow.set_tracking_uri('penstock://{tmp_path}'); mlflow.set_experiment('new-one')\n"
        "me = int(sys.argv[1]); c = mlflow.MlflowClient()\n"
        "for n in range(3):\n"
        "    with mlflow.start_run(run_name=f'{me}-{n}'):\n"
        "        mlflow.log_param('me', me)\n"
        "        for i in range(50):\n"
        "            mlflow.log_metric('loss', i, step=i)\n"
        f"            c.log_metric({shared!r}, f'loss_{{me}}', i, step=50 * n + i)\n"
        "        mlflow.log_text(str(me), f'own/{me}.txt')\n"
        f"        c.log_text({shared!r}, str(me), f'{{me}}-{{n}}.txt')\n"
        f"        c.set_tag({shared!r}, f't{{me}}', str(n))\n"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", script, str(i)], stderr=subprocess.PIPE, text=True) for i in range(4)
    ]
    for worker in workers:
        _, told = worker.communicate(timeout=200)
        assert worker.returncode == 0, told
    client.set_terminated(shared)
    runs = mlflow.search_runs(experiment_names=["new-one"], output_format="list")
    assert sorted(run.info.run_name for run in runs) == sorted(f"{i}-{n}" for i in range(4) for n in range(3))
    assert all(run.info.status == "FINISHED" and run.data.metrics == {"loss": 49.0} for run in runs)
    assert [e.name for e in client.search_experiments()].count("new-one") == 1
    found = client.get_run(shared)
    assert found.data.metrics == {f"loss_{i}": 49.0 for i in range(4)}
    assert [found.data.tags[f"t{i}"] for i in range(4)] == ["2"] * 4
    assert len(client.list_artifacts(shared)) == 12
    for i in range(4):
        assert [m.step for m in client.get_metric_history(shared, f"loss_{i}")] == list(range(150))


def test_a_metric_costs_little(mlflow: Any) -> None:
    """A thousand single calls in well under what a database commit each would take."""
    with mlflow.start_run():
        start = time.monotonic()
        for step in range(1000):
            mlflow.log_metric("loss", step, step=step)
        assert time.monotonic() - start < 10


def test_a_folder_that_is_not_there_is_refused(mlflow: Any, tmp_path: Path) -> None:
    mlflow.set_tracking_uri(f"penstock://{tmp_path}/typo")
    with pytest.raises(ProjectError, match="there is no folder"):
        mlflow.start_run()
    assert not (tmp_path / "typo").exists()


def test_the_workspace_around_the_working_folder_is_meant_without_a_path(
    mlflow: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a b" / "deep").mkdir(parents=True)
    (tmp_path / "a b" / "penstock.toml").write_text("")
    monkeypatch.chdir(tmp_path / "a b" / "deep")
    assert workspace_of("penstock:").root == tmp_path / "a b"
    mlflow.set_tracking_uri("penstock:")
    mlflow.set_experiment("other")
    with mlflow.start_run() as run:
        mlflow.log_text("hello", "c d.txt")
    assert (tmp_path / "a b" / ".penstock" / "ledger.db").is_file()
    assert mlflow.artifacts.load_text(run.info.artifact_uri + "/c d.txt") == "hello"


def test_runs_of_penstock_can_be_read_with_mlflow(mlflow: Any, client: Any, ledger: Any) -> None:
    with ledger.run("train.py", params={"lr": 0.5}) as run:
        run.log(step=1, loss=0.25)
        run.metric("loss", 0.25)
    found = client.get_run(run.id)
    assert (found.info.run_name, found.info.status) == ("train.py", "FINISHED")
    assert (found.data.params, found.data.metrics) == ({"lr": "0.5"}, {"loss": 0.25})
    assert [(m.step, m.value) for m in client.get_metric_history(run.id, "loss")] == [(1, 0.25)]


def test_a_full_disk_is_said_and_loses_nothing_of_what_was_kept(mlflow: Any, client: Any, tmp_path: Path) -> None:
    """No file may grow beyond 1 MB, as on a disk that is full."""
    script = (
        "import mlflow, resource, signal\n"
        "from penstock.errors import StoreFull\n"
        f"mlflow.set_tracking_uri('penstock://{tmp_path}'); mlflow.set_experiment('bank')\n"
        "run = mlflow.start_run(); print(run.info.run_id)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))\n"
        "kept = 0\n"
        "try:\n"
        "    while True:\n"
        "        mlflow.log_metrics({f'm{i}': kept for i in range(100)}, step=kept)\n"
        "        kept += 1\n"
        "except StoreFull as error:\n"
        "    print(kept, error.what)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    run_id, told = done.stdout.splitlines()
    kept, what = told.split(" ", 1)
    assert done.returncode == 0, done.stderr
    assert "no space left" in what
    assert int(kept) > 500
    assert [m.value for m in client.get_metric_history(run_id, "m99")] == list(range(int(kept)))
    assert client.get_run(run_id).data.metrics["m0"] == int(kept) - 1


def test_only_the_plug_in_imports_mlflow() -> None:
    import penstock

    root = Path(penstock.__file__).parent
    imports = re.compile(r"^\s*(?:import|from) (?:mlflow|pandas)\b", re.MULTILINE)
    found = {
        path.relative_to(root).parent.as_posix() for path in root.rglob("*.py") if imports.search(path.read_text())
    }
    assert found == {"experiments/mlflow"}


def test_the_core_never_loads_mlflow(tmp_path: Path) -> None:
    """Neither the command line nor a run nor a listing imports it, though it is installed."""
    code = (
        "import sys, penstock, penstock.cli.app, penstock.experiments.running.run, penstock.ledger.ledger\n"
        "from penstock.cli.app import run\n"
        "run(['runs', '--json'])\n"
        "import penstock.experiments.mlflow.import_sqlite, penstock.experiments.mlflow.export_sqlite\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('mlflow', 'pandas', 'tensorboard')])\n"
    )
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("[]"), done.stdout


def test_mlflow_alone_loads_nothing_of_penstock(mlflow: Any) -> None:
    """The entry points cost those nothing who have Penstock installed and do not use it with MLflow."""
    code = (
        "import warnings; warnings.simplefilter('error', UserWarning)\n"
        "import mlflow, sys; print(sorted(m for m in sys.modules if m.startswith('penstock')))\n"
        "import penstock.experiments.mlflow.artifacts, penstock.experiments.mlflow.store\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "experiments.mlflow.store" not in done.stdout
    assert "ledger" not in done.stdout
