"""MLflow's own client on a workspace of Penstock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"


@pytest.fixture
def mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module `mlflow`, writing to the workspace in `tmp_path`."""
    module = pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    for name in ("PENSTOCK_RUN", "PENSTOCK_RUN_FOLDER", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)
    before = module.get_tracking_uri()
    module.set_tracking_uri(f"penstock://{tmp_path}")
    module.set_experiment("bank")
    yield module
    while module.active_run():
        module.end_run()
    module.set_tracking_uri(before)


@pytest.fixture
def client(mlflow: Any) -> Any:
    """`MlflowClient` on the same workspace."""
    return mlflow.MlflowClient()


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    """The ledger of the workspace, opened anew: what another process would see."""
    from penstock.project.workspace import Workspace

    return Workspace(tmp_path).ledger
