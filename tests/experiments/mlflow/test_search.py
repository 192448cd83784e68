"""MLflow's search language on the ledger: every answer is the one that MLflow's own filter gives."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def runs(mlflow: Any, client: Any) -> dict[str, str]:
    """Name -> id of six runs of one experiment; `old` comes first."""
    made = {}
    for i, name in enumerate(("old", "a", "b", "c", "nan", "failed")):
        run = client.create_run(
            mlflow.set_experiment("bank").experiment_id, start_time=1_700_000_000_000 + 1000 * i, run_name=name
        )
        made[name] = run.info.run_id
        client.log_param(run.info.run_id, "model", "tree" if i % 2 else "linear")
        client.log_param(run.info.run_id, "lr", 0.1 * i)
        client.log_metric(run.info.run_id, "auc", math.nan if name == "nan" else 0.5 + 0.1 * i, step=i)
        client.set_tag(run.info.run_id, "team", "risk" if i < 3 else "sales")
        client.set_terminated(
            run.info.run_id, "FAILED" if name == "failed" else "FINISHED", end_time=1_700_000_100_000 + i
        )
    return made


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("metrics.auc > 0.65", "b c failed"),
        ("metrics.auc >= 0.7 and params.model = 'linear'", "b"),
        ("metrics.auc != 0.5", "a b c nan failed"),
        ("metrics.none > 0", ""),
        ("params.lr = '0.1'", "a"),
        ("params.model LIKE 'tr%' and tags.team = 'risk'", "a"),
        ("params.model ILIKE 'TR%'", "a c failed"),
        ("tags.team != 'risk'", "c nan failed"),
        ("tags.`team` = 'sales' and metrics.`auc` < 0.85", "c"),
        ("attributes.status = 'FAILED'", "failed"),
        ("status = 'FINISHED'", "old a b c nan"),
        ("run_name = 'b'", "b"),
        ("run_name LIKE '%a%'", "a nan failed"),
        ("attributes.start_time > 1700000003500", "nan failed"),
        ("tags.nothing IS NULL and tags.team IS NOT NULL", "old a b c nan failed"),
        (None, "old a b c nan failed"),
    ],
)
def test_filters(mlflow: Any, runs: dict[str, str], query: str | None, names: str) -> None:
    found = mlflow.search_runs(filter_string=query, output_format="list")
    assert sorted(run.info.run_name for run in found) == sorted(names.split())


def test_a_run_is_found_by_its_id_and_by_a_list_of_ids(mlflow: Any, runs: dict[str, str]) -> None:
    found = mlflow.search_runs(filter_string=f"attributes.run_id = '{runs['b']}'", output_format="list")
    assert [run.info.run_name for run in found] == ["b"]
    found = mlflow.search_runs(filter_string=f"run_id IN ('{runs['b']}', '{runs['c']}')", output_format="list")
    assert {run.info.run_name for run in found} == {"b", "c"}


@pytest.mark.parametrize(
    ("order", "names"),
    [
        (None, "failed nan c b a old"),
        (["start_time ASC"], "old a b c nan failed"),
        (["attributes.start_time DESC"], "failed nan c b a old"),
        (["metrics.auc DESC"], "failed c b a old nan"),
        (["metrics.auc ASC"], "old a b c failed nan"),
        (["params.model", "metrics.auc DESC"], "b old nan failed c a"),
        (["tags.team DESC", "start_time"], "c nan failed old a b"),
    ],
)
def test_orders(mlflow: Any, runs: dict[str, str], order: list[str] | None, names: str) -> None:
    found = mlflow.search_runs(order_by=order, output_format="list")
    assert [run.info.run_name for run in found] == names.split()


@pytest.mark.parametrize("query", [None, "tags.team = 'risk' or", "metrics.auc > 0.4"])
@pytest.mark.parametrize("order", [None, ["metrics.auc DESC"]])
def test_pages_follow_each_other_without_a_gap(
    mlflow: Any, client: Any, runs: dict[str, str], query: str | None, order: list[str] | None
) -> None:
    experiment = mlflow.set_experiment("bank").experiment_id
    if query and query.endswith("or"):
        with pytest.raises(mlflow.exceptions.MlflowException):
            client.search_runs([experiment], query)
        return
    whole = [run.info.run_id for run in client.search_runs([experiment], query, order_by=order)]
    paged: list[str] = []
    token = None
    for _ in itertools.count():
        page = client.search_runs([experiment], query, max_results=2, order_by=order, page_token=token)
        assert len(page) <= 2
        paged += [run.info.run_id for run in page]
        token = page.token
        if not token:
            break
    assert paged == whole


def test_only_the_experiments_asked_for_are_searched(mlflow: Any, client: Any, runs: dict[str, str]) -> None:
    mlflow.set_experiment("other")
    with mlflow.start_run(run_name="elsewhere"):
        pass
    assert [r.info.run_name for r in mlflow.search_runs(output_format="list")] == ["elsewhere"]
    assert len(mlflow.search_runs(search_all_experiments=True, output_format="list")) == 7
    assert client.search_runs([]) == []


def test_deleted_runs_are_found_only_when_asked_for(mlflow: Any, client: Any, runs: dict[str, str]) -> None:
    from mlflow.entities import ViewType

    client.delete_run(runs["a"])
    experiment = [mlflow.set_experiment("bank").experiment_id]
    found = {
        view: {r.info.run_name for r in client.search_runs(experiment, run_view_type=view)}
        for view in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL)
    }
    assert found[ViewType.DELETED_ONLY] == {"a"}
    assert found[ViewType.ALL] - found[ViewType.ACTIVE_ONLY] == {"a"}


def test_metrics_of_a_run_that_goes_on_are_found(mlflow: Any) -> None:
    with mlflow.start_run(run_name="now"):
        for step in range(20):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        found = mlflow.search_runs(filter_string="metrics.loss < 0.06", output_format="list")
        assert [run.info.run_name for run in found] == ["now"]


def test_a_table_of_runs_as_scripts_like_it(mlflow: Any, runs: dict[str, str]) -> None:
    table = mlflow.search_runs(filter_string="metrics.auc > 0.65", order_by=["metrics.auc"])
    assert list(table["params.model"]) == ["linear", "tree", "tree"]
    assert list(table["metrics.auc"].round(3)) == [0.7, 0.8, 1.0]


def test_a_filter_that_is_none_is_refused_in_mlflows_words(mlflow: Any, client: Any) -> None:
    for query in ("metrics.auc = 'x'", "nothing = 3", "params.a > 3", "metrics.a > 1 or metrics.b > 2"):
        with pytest.raises(mlflow.exceptions.MlflowException):
            mlflow.search_runs(filter_string=query)
    with pytest.raises(mlflow.exceptions.MlflowException, match="max_results"):
        client.search_runs(["0"], max_results=60_000)


def test_data_sets_are_searched(mlflow: Any) -> None:
    import numpy as np

    with mlflow.start_run(run_name="with data"):
        mlflow.log_input(mlflow.data.from_numpy(np.arange(6.0).reshape(3, 2), name="rows"), context="training")
    with mlflow.start_run(run_name="without"):
        pass
    found = mlflow.search_runs(
        filter_string="dataset.name = 'rows' and dataset.context = 'training'", output_format="list"
    )
    assert [run.info.run_name for run in found] == ["with data"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("auc > 0.65 and status = done", "b c"),
        ("lr < 0.25 and model = tree", "a"),
        ("tag:team = sales and auc is nan", "nan"),
        ("tag:mlflow.runName = b or status = failed", "b failed"),
    ],
)
def test_penstocks_own_filter_finds_them_too(
    penstock: Any, mlflow: Any, runs: dict[str, str], query: str, names: str, tmp_path: Path
) -> None:
    """Numbers among the parameters are numbers there."""
    listed = penstock(tmp_path, "runs", "--filter", query).body["runs"]
    assert sorted(run["id"] for run in listed) == sorted(runs[name] for name in names.split())


def test_the_listing_names_mlflows_runs_and_leaves_its_own_tags_away(
    mlflow: Any, runs: dict[str, str], tmp_path: Path
) -> None:
    from penstock.experiments.looking.listing import list_runs
    from penstock.project.workspace import Workspace

    told = list_runs(Workspace(tmp_path), filter_text="tag:mlflow.runName = failed").to_text()
    assert "failed" in told
    assert "#team=sales" in told
    assert "#mlflow" not in told
