"""MLflow's experiments: named groups of runs that are renamed, deleted and brought back with their runs."""

from __future__ import annotations

from typing import Any

import pytest


def names(client: Any, **how: Any) -> list[str]:
    return [experiment.name for experiment in client.search_experiments(**how)]


def test_there_is_always_a_default(mlflow: Any, client: Any) -> None:
    assert client.get_experiment("0").name == "Default"
    assert client.get_experiment_by_name("Default").experiment_id == "0"


def test_experiments_are_made_with_tags_and_found_by_name(mlflow: Any, client: Any) -> None:
    made = client.create_experiment("churn é", tags={"team": "risk", "mlflow.note.content": "why"})
    found = client.get_experiment_by_name("churn é")
    assert (found.experiment_id, found.lifecycle_stage) == (made, "active")
    assert found.tags == {"team": "risk", "mlflow.note.content": "why"}
    assert found.artifact_location.startswith("penstock:///")
    assert client.get_experiment_by_name("nothing") is None
    with pytest.raises(mlflow.exceptions.MlflowException, match="already exists") as error:
        client.create_experiment("churn é")
    assert error.value.error_code == "RESOURCE_ALREADY_EXISTS"
    with pytest.raises(mlflow.exceptions.MlflowException, match="No Experiment with id=99 exists"):
        client.get_experiment("99")


def test_tags_of_experiments_are_set_and_removed(mlflow: Any, client: Any) -> None:
    made = client.create_experiment("churn")
    client.set_experiment_tag(made, "stage", "dev")
    client.set_experiment_tag(made, "stage", "prod")
    client.set_experiment_tag(made, "gone", "1")
    client.delete_experiment_tag(made, "gone")
    assert client.get_experiment(made).tags == {"stage": "prod"}
    with pytest.raises(mlflow.exceptions.MlflowException, match="No tag"):
        client.delete_experiment_tag(made, "gone")


def test_experiments_are_renamed(mlflow: Any, client: Any) -> None:
    made = client.create_experiment("old")
    client.create_experiment("taken")
    client.rename_experiment(made, "new")
    assert client.get_experiment_by_name("new").experiment_id == made
    assert client.get_experiment_by_name("old") is None
    with pytest.raises(mlflow.exceptions.MlflowException, match="already exists"):
        client.rename_experiment(made, "taken")


def test_experiments_go_and_come_back_with_their_runs(mlflow: Any, client: Any, ledger: Any) -> None:
    """A run that was thrown away before stays away."""
    made = client.create_experiment("churn")
    kept, thrown = (client.create_run(made).info.run_id for _ in range(2))
    for run_id in (kept, thrown):
        client.set_terminated(run_id)
    client.delete_run(thrown)
    client.delete_experiment(made)
    assert sorted(names(client)) == ["Default", "bank"]  # made in the same millisecond, either may be the newer one
    assert names(client, view_type=2) == ["churn"]
    assert client.get_run(kept).info.lifecycle_stage == "deleted"
    with pytest.raises(mlflow.exceptions.MlflowException, match="restore it first"):
        client.create_run(made)
    with pytest.raises(mlflow.exceptions.MlflowException, match="deleted state"):
        client.create_experiment("churn")
    client.restore_experiment(made)
    assert client.get_experiment(made).lifecycle_stage == "active"
    assert client.get_run(kept).info.lifecycle_stage == "active"
    assert client.get_run(thrown).info.lifecycle_stage == "deleted"
    with pytest.raises(mlflow.exceptions.MlflowException, match="default"):
        client.delete_experiment("0")


def test_experiments_are_searched_sorted_and_paged(mlflow: Any, client: Any) -> None:
    for name in ("a1", "a2", "b1"):
        client.create_experiment(name, tags={"kind": name[0]})
    assert names(client, filter_string="name LIKE 'a%'", order_by=["name DESC"]) == ["a2", "a1"]
    assert names(client, filter_string="tags.kind = 'b'") == ["b1"]
    first = client.search_experiments(max_results=2, order_by=["name ASC"])
    second = client.search_experiments(max_results=2, order_by=["name ASC"], page_token=first.token)
    assert [e.name for e in [*first, *second]] == ["Default", "a1", "a2", "b1"]


def test_a_place_of_its_own_for_artifacts_is_kept_to(mlflow: Any, client: Any, tmp_path: Any) -> None:
    made = client.create_experiment("elsewhere", artifact_location=(tmp_path / "own place").as_uri())
    run = client.create_run(made)
    client.log_text(run.info.run_id, "hello", "a.txt")
    assert (tmp_path / "own place" / run.info.run_id / "artifacts" / "a.txt").read_text() == "hello"


def test_an_experiment_that_another_process_was_faster_to_make_is_taken(
    mlflow: Any, client: Any, tmp_path: Any
) -> None:
    """MLflow's `set_experiment` asks, makes, and where that fails leaves the default experiment active without a word."""
    from penstock.experiments.mlflow.store import PenstockStore

    ours, theirs = (PenstockStore(f"penstock://{tmp_path}") for _ in range(2))
    assert ours.get_experiment_by_name("new") is None
    made = theirs.create_experiment("new")
    assert ours.create_experiment("new") == made
    with pytest.raises(mlflow.exceptions.MlflowException, match="already exists"):
        ours.create_experiment("new")
    assert ours.get_experiment_by_name("newer") is None
    theirs.create_experiment("newer")
    with pytest.raises(mlflow.exceptions.MlflowException, match="already exists"):
        ours.create_experiment("newer", tags=[mlflow.entities.ExperimentTag("a", "b")])
