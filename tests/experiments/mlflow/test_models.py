"""Autologging and logged models: what `mlflow.sklearn` writes, and what comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.objects.tree import read_tree

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def autolog(mlflow: Any) -> Any:
    """Autologging of scikit-learn, switched off again afterwards."""
    pytest.importorskip("pandas", reason="MLflow's sklearn needs pandas")
    import mlflow.sklearn  # MLflow loads it late

    mlflow.sklearn.autolog(log_input_examples=False, silent=True)
    yield mlflow
    mlflow.sklearn.autolog(disable=True, silent=True)


def data() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    X = random.normal(size=(120, 3))
    return X, (X[:, 0] + 0.3 * random.normal(size=120) > 0).astype(int)


def test_autologging_of_scikit_learn_writes_to_the_ledger(autolog: Any, ledger: Any, tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = data()
    with autolog.start_run() as run:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5)).fit(X[:90], y[:90])
        accuracy_score(y[90:], model.predict(X[90:]))
    record = ledger.get(run.info.run_id)
    assert record.status == "done"
    assert record.params["logisticregression__C"] == 0.5
    assert record.params["standardscaler__with_mean"] is True
    assert record.metrics["training_accuracy_score"]["value"] == pytest.approx(model.score(X[:90], y[:90]))
    assert any(name.startswith("accuracy_score") for name in record.metrics)
    assert record.tags["estimator_name"] == "Pipeline"
    assert any(name.startswith("dataset ") for name in record.inputs)
    [logged] = [child for child in ledger.children(record.id) if child.operation == "log_model"]
    assert logged.status == "done"
    assert "MLmodel" in read_tree(ledger.objects, logged.artifacts["files"]["digest"]).files
    found = autolog.get_run(run.info.run_id)
    assert found.outputs.model_outputs[0].model_id == f"m-{logged.id}"


def test_a_grid_search_writes_its_best_tries_as_children(autolog: Any, ledger: Any) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    X, y = data()
    with autolog.start_run() as run:
        GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, cv=3).fit(X, y)
    children = [child for child in ledger.children(run.info.run_id) if child.operation != "log_model"]
    assert sorted(child.params["C"] for child in children) == [0.1, 1.0, 10.0]
    assert all("mean_test_score" in child.metrics for child in children)
    assert ledger.get(run.info.run_id).params["best_C"] in (0.1, 1.0, 10.0)


def test_a_logged_model_comes_back_as_it_was(mlflow: Any, client: Any) -> None:
    pytest.importorskip("pandas", reason="MLflow's sklearn needs pandas")
    from sklearn.linear_model import LogisticRegression

    X, y = data()
    fitted = LogisticRegression().fit(X, y)
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(
            fitted, name="risk", params={"depth": 3}, tags={"stage": "dev"}, serialization_format="cloudpickle"
        )
        mlflow.log_metric("auc", 0.9, model_id=info.model_id)
    model = mlflow.get_logged_model(info.model_id)
    assert (model.name, str(model.status), model.source_run_id) == ("risk", "READY", run.info.run_id)
    assert model.params["depth"] == "3"
    assert model.tags["stage"] == "dev"
    assert [(m.key, m.value, m.run_id) for m in model.metrics] == [("auc", 0.9, run.info.run_id)]
    for uri in (info.model_uri, f"runs:/{run.info.run_id}/risk"):
        assert (mlflow.sklearn.load_model(uri).predict(X) == fitted.predict(X)).all()
        assert (mlflow.pyfunc.load_model(uri).predict(X) == fitted.predict(X)).all()


def test_models_are_searched_tagged_and_deleted(mlflow: Any, client: Any) -> None:
    with mlflow.start_run() as run:
        made = [mlflow.initialize_logged_model(name=name, params={"n": i}) for i, name in enumerate(("a", "b"))]
        for i, model in enumerate(made):
            mlflow.log_metric("auc", 0.5 + i / 10, model_id=model.model_id, dataset=None)
            mlflow.finalize_logged_model(model.model_id, "READY" if i else "FAILED")
    experiment = [run.info.experiment_id]
    found = client.search_logged_models(experiment, "metrics.auc > 0.55")
    assert [model.name for model in found] == ["b"]
    found = client.search_logged_models(experiment, order_by=[{"field_name": "metrics.auc", "ascending": False}])
    assert [(model.name, str(model.status)) for model in found] == [("b", "READY"), ("a", "FAILED")]
    client.set_logged_model_tags(made[0].model_id, {"x": "1", "y": "2"})
    client.delete_logged_model_tag(made[0].model_id, "x")
    assert client.get_logged_model(made[0].model_id).tags.get("y") == "2"
    assert "x" not in client.get_logged_model(made[0].model_id).tags
    client.delete_logged_model(made[0].model_id)
    with pytest.raises(mlflow.exceptions.MlflowException, match="not found"):
        client.get_logged_model(made[0].model_id)
    assert len(client.search_logged_models(experiment)) == 1
    assert len(mlflow.search_runs(output_format="list")) == 1, "models are no runs to MLflow"


def test_autologging_of_lightgbm_writes_to_the_ledger(mlflow: Any, client: Any, ledger: Any) -> None:
    pytest.importorskip("pandas", reason="MLflow's lightgbm needs pandas")
    import lightgbm
    import mlflow.lightgbm

    X, y = data()
    mlflow.lightgbm.autolog(log_models=False, silent=True)
    try:
        with mlflow.start_run() as run:
            rows = lightgbm.Dataset(X[:80], y[:80])
            valid = lightgbm.Dataset(X[80:], y[80:], reference=rows)
            lightgbm.train(
                {"objective": "binary", "num_leaves": 4, "verbose": -1},
                rows,
                12,
                valid_sets=[valid],
                valid_names=["valid"],
            )
    finally:
        mlflow.lightgbm.autolog(disable=True, silent=True)
    record = ledger.get(run.info.run_id)
    assert record.params["num_leaves"] == 4
    assert record.outputs["series"]["valid-binary_logloss"]["count"] == 12
    assert [m.step for m in client.get_metric_history(run.info.run_id, "valid-binary_logloss")] == list(range(12))


def test_the_model_registry_is_said_to_be_missing(mlflow: Any) -> None:
    with pytest.raises(mlflow.exceptions.MlflowException, match="registry"):
        mlflow.register_model("runs:/x/y", "risk")
