"""A script that logs with MLflow, started by `penstock run`: its MLflow runs belong to the run of the script."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
import argparse
import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
args = parser.parse_args()
mlflow.set_experiment("bank")
with mlflow.start_run(run_name="fit"):
    mlflow.log_param("lr", args.lr)
    for epoch in range(5):
        mlflow.log_metric("val_loss", args.lr / (epoch + 1), step=epoch)
    with mlflow.start_run(nested=True, run_name="inner"):
        mlflow.log_metric("only_inner", 1)
    mlflow.log_text("weights", "model/w.txt")
"""


def penstock(folder: Path, *words: str) -> dict[str, Any]:
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": "penstock:",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONWARNINGS": "ignore",
    }
    for name in ("PENSTOCK_RUN", "PENSTOCK_RUN_FOLDER"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-m", "penstock", *words, "--json"], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    body = json.loads(done.stdout)
    assert isinstance(body, dict)
    return body


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "penstock.toml").write_text("")
    return tmp_path


def test_its_runs_are_children_and_its_metrics_are_the_scripts_too(folder: Path) -> None:
    from penstock.project.workspace import Workspace

    body = penstock(folder, "run", "train.py", "lr=0.5", "-y")
    ledger = Workspace(folder).ledger
    script = ledger.get(body.get("run") or body["id"])
    assert (script.operation, script.status, script.params) == ("train.py", "done", {"lr": 0.5})
    assert script.metrics["val_loss"]["value"] == pytest.approx(0.1)
    assert script.outputs["series"]["val_loss"]["count"] == 5
    assert "only_inner" not in script.metrics, "nested runs keep theirs"
    [fit] = ledger.children(script.id)
    assert (fit.status, fit.params, fit.tags["mlflow.runName"]) == ("done", {"lr": 0.5}, "fit")
    assert fit.outputs["series"]["val_loss"]["count"] == 5
    assert fit.artifacts["files"]
    [inner] = ledger.children(fit.id)
    assert inner.metrics["only_inner"]["value"] == 1


@pytest.mark.slow
def test_a_batch_searches_by_what_mlflow_was_told(folder: Path) -> None:
    body = penstock(folder, "run", "train.py", "lr=[0.5,0.1,0.2]", "--minimize", "val_loss", "-y")
    assert body["best"]["point"] == {"lr": 0.1}
    assert body["best"]["value"] == pytest.approx(0.02)
