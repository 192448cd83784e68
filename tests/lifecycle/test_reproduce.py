"""Runs are done again from their record and compared, byte by byte."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.project.project import Project

Cli = Callable[..., Any]


@pytest.fixture(scope="module", params=["binary", "regression"])
def told(request: pytest.FixtureRequest, projects: Any, penstock: Cli, tmp_path_factory: Any) -> Any:
    """A project that has run, and what its run said. (Reproducing changes nothing, so the tests share it.)"""
    project = projects.copy(request.param, "run", tmp_path_factory.mktemp("told"))
    return project, penstock(project, "run").body


def stage(body: dict[str, Any], name: str) -> str:
    """The id of a stage's run."""
    run: str = next(step["run"] for step in body["steps"] if step["name"] == name)
    return run


def trials(project: Path, sql: str = "") -> list[tuple[Any, ...]]:
    """Number, learner, value and details of the recorded trials, after a change of them."""
    with sqlite3.connect(project / ".penstock/ledger.db") as connection:
        if sql:
            connection.execute(sql)
        return connection.execute("SELECT number, learner, value, details FROM trials ORDER BY number").fetchall()


def test_a_whole_run_is_identical_when_it_is_done_again(penstock: Cli, told: Any) -> None:
    """From the source to the bundle; the recorded trials are replayed."""
    project, body = told
    done = penstock(project, "reproduce", body["run"])
    assert done.code == 0, done
    assert (done.body["verdict"], done.body["differences"]) == ("identical", [])
    assert done.body["compared"] > 20
    assert (done.body["refitted"], done.body["not_refitted"]) == (3, [])


def test_every_trial_of_a_search_is_fitted_again(told: Any) -> None:
    """Each counts as compared, none is added, and the text says how many they were."""
    from penstock.lifecycle.reproduce import reproduce_run
    from penstock.project.project import Project

    project, body = told
    recorded = trials(project)
    ended: list[dict[str, Any]] = []
    opened = Project(project)
    done = reproduce_run(opened, stage(body, "search"), progress=lambda **line: ended.append(line))
    outputs = len(opened.ledger.get(stage(body, "search")).outputs)
    assert sorted(line["number"] for line in ended) == [number for number, *_ in recorded] == [0, 1, 2]
    assert ended[-1]["share"] == 1.0
    assert done.refitted == 3
    assert done.compared > outputs + 3
    assert "3 of them trials fitted again" in done.to_text()
    assert trials(project) == recorded


def test_a_tampered_trial_is_found(penstock: Cli, projects: Any, tmp_path: Path) -> None:
    """Its value is computed again: exit 1, both values, and which trial it is; the model is the true best all the same."""
    project = projects.copy("binary", "run", tmp_path)
    run = stage(penstock(project, "run").body, "search")
    (_, _, honest, _) = trials(project)[1]
    trials(project, "UPDATE trials SET value = 0.99 WHERE number = 1")
    done = penstock(project, "reproduce", run)
    assert done.code == 1
    (difference,) = done.body["differences"]
    assert (difference["stage"], difference["kind"]) == ("search", "metric")
    assert difference["what"] == "trial 1 (linear) roc_auc"
    assert (difference["was"], difference["is"]) == (0.99, honest)
    assert "record" in difference["cause"]


def test_a_difference_of_rounding_is_told_within_tolerance(penstock: Cli, projects: Any, tmp_path: Path) -> None:
    """As on another processor: not identical, and not another result."""
    project = projects.copy("binary", "run", tmp_path)
    run = stage(penstock(project, "run").body, "search")
    trials(project, "UPDATE trials SET value = value + 1e-12 WHERE number = 2")
    done = penstock(project, "reproduce", run)
    assert done.code == 0
    assert done.body["verdict"] == "within tolerance"
    assert [d["kind"] for d in done.body["differences"]] == ["rounding"]


def test_trials_of_an_earlier_version_are_named(penstock: Cli, projects: Any, tmp_path: Path) -> None:
    """Their records do not say how to fit them again: how many they are, and why; what can be compared is."""
    from penstock.lifecycle.reproduce import reproduce_run
    from penstock.project.project import Project

    project = projects.copy("binary", "run", tmp_path)
    run = stage(penstock(project, "run").body, "search")
    trials(project, "UPDATE trials SET details = json_remove(details, '$.stopped_at')")
    done = reproduce_run(Project(project), run)
    assert (done.verdict, done.refitted) == ("identical", 1)  # the baseline
    (told,) = done.to_json()["not_refitted"]
    assert told["trials"] == 2
    assert "earlier version" in told["why"]
    assert f"2 trials not fitted again, the recorded value taken: {told['why']}" in done.to_text()


def test_a_version_that_deals_other_folds_says_so_and_takes_no_trial_of_the_old_ones(
    penstock: Cli, projects: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorded trials are found, and fitted on the folds of now; a search of now begins with none of them."""
    from penstock.learning import problem
    from penstock.lifecycle.reproduce import reproduce_run
    from penstock.lifecycle.search import trials_name
    from penstock.project.project import Project

    project = projects.copy("binary", "run", tmp_path)
    run = stage(penstock(project, "run").body, "search")
    deal = problem.assign_folds
    monkeypatch.setattr(problem, "assign_folds", lambda y, task, n, seed, *rest: deal(y, task, n, seed + 1, *rest))
    opened = Project(project)
    done = reproduce_run(opened, run)
    assert done.refitted == 3
    assert done.verdict == "different"
    (folds,) = [d for d in done.differences if d["what"] == "folds"]
    assert folds["was"]["fingerprint"] != folds["is"]["fingerprint"]
    record = opened.ledger.get(run)
    names = [trials_name(record.inputs, record.params, folds[when]["fingerprint"]) for when in ("was", "is")]
    assert [len(opened.ledger.trials.of(name)) for name in names] == [3, 0]


def test_reproducing_changes_nothing_of_the_project(penstock: Cli, told: Any) -> None:
    """No version of the data or of the model is added, and the next run has nothing to do."""
    project, body = told
    before = [penstock(project, *verb).body for verb in (["models"], ["data", "log"])]
    penstock(project, "reproduce", stage(body, "ingest"))
    penstock(project, "reproduce", stage(body, "package"))
    assert [penstock(project, *verb).body for verb in (["models"], ["data", "log"])] == before
    assert {s["status"] for s in penstock(project, "run").body["steps"]} == {"known"}


def test_one_stage_is_reproduced_alone(penstock: Cli, told: Any) -> None:
    """By its id, or by a beginning of it that is unique."""
    project, body = told
    done = penstock(project, "reproduce", stage(body, "package"))
    assert done.code == 0
    assert done.body["verdict"] == "identical"
    assert len(done.body["stages"]) == 1


def test_a_registration_cannot_be_done_again(penstock: Cli, told: Any) -> None:
    """It changed the state of the project; the message lists what can be."""
    project, body = told
    done = penstock(project, "reproduce", stage(body, "register"))
    assert done.code == 2
    assert "search" in done.error["try"]


def test_a_changed_source_is_found(penstock: Cli, projects: Any, tmp_path: Path) -> None:
    """Its bytes are not those that the run read."""
    project = projects.copy("binary", "run", tmp_path)
    source = next((project / "data/raw").glob("*.csv"))
    source.write_bytes(source.read_bytes().replace(b"yes", b"no ", 1))
    listed = penstock(project, "runs", "--operation", "ingest").body["runs"]
    done = penstock(project, "reproduce", listed[0]["id"])
    assert done.code == 2
    assert done.error["code"] == "source"
    assert "not what this run read" in done.error["what"]


def test_another_result_is_told_with_what_differs(
    penstock: Cli, projects: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 1; the artifact that differs, both digests, and a cause."""
    from penstock.lifecycle import reproduce

    project = projects.copy("binary", "run", tmp_path)
    run = stage(penstock(project, "run").body, "judge")
    honest = reproduce.STAGES["judge"]

    def other(context: Any, run: Any, inputs: Any, params: Any) -> None:
        honest(context, run, inputs, {**params, "goal": {**params["goal"], "at_least": 0.99999}})

    monkeypatch.setitem(reproduce.STAGES, "judge", other)
    done = penstock(project, "reproduce", run)
    assert done.code == 1
    assert done.body["verdict"] == "different"
    assert {"stage", "what", "was", "is", "cause"} <= set(done.body["differences"][0])
    assert "report" in {d["what"] for d in done.body["differences"]}


def test_a_tampered_artifact_is_found(penstock: Cli, projects: Any, tmp_path: Path) -> None:
    """The model that `evaluate` read is not what was kept: its digest says so."""
    project = projects.copy("binary", "run", tmp_path)
    body = penstock(project, "run").body
    files = penstock(project, "show", stage(body, "search")).body["files"]
    digest = files["model"]["digest"].removeprefix("sha256:")
    path = project / ".penstock/objects" / digest[:2] / digest[2:]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(data))
    done = penstock(project, "reproduce", stage(body, "evaluate"))
    assert done.code == 2
    assert done.error["code"] == "damaged"


@pytest.mark.parametrize("what", ["parts", "fingerprints"])
def test_what_a_data_set_has_lost_is_stored_again(penstock: Cli, projects: Any, tmp_path: Path, what: str) -> None:
    """Its rows, and what it remembers of them: `data verify` names the run to do again."""
    folder = projects.copy("binary", "new", tmp_path)
    project = Project(folder)
    manifest = json.loads(project.objects.get(project.ledger.datasets.head(project.name)))
    kept = manifest["parts"]["train"][0]["object"] if what == "parts" else manifest["fingerprints"]
    project.objects.path_of(kept if isinstance(kept, str) else kept[0]).unlink()
    project.ledger.close()
    hurt = penstock(folder, "data", "verify").body["hurt"]
    (run,) = {one["made_by"] for one in hurt if one["kind"] == "data set"}
    assert penstock(folder, "reproduce", run).body["verdict"] == "identical"
    assert penstock(folder, "data", "verify").code == 0


def test_a_run_that_failed_has_no_result_to_reproduce(penstock: Cli, projects: Any, tmp_path: Path) -> None:
    """The message says what became of it."""
    project = projects.copy("binary", "run", tmp_path)
    (project / "recipe.toml").write_text("[[steps]]\nnonsense = 1\n", encoding="utf-8")
    assert penstock(project, "run").code == 2
    failed = next(r for r in penstock(project, "runs").body["runs"] if r["status"] == "failed")
    done = penstock(project, "reproduce", failed["id"])
    assert done.code == 2
    assert "failed" in done.error["what"]


def test_the_lineage_of_a_version_reaches_the_source(penstock: Cli, told: Any) -> None:
    """From the registered bundle up to the ingest, and the other way round."""
    project, _ = told
    body = penstock(project, "lineage", "1").body
    text = json.dumps(body)
    for operation in ("ingest", "search", "package"):
        assert operation in text


def test_the_lineage_of_a_run_is_found_by_a_beginning_of_its_id(penstock: Cli, told: Any) -> None:
    """As `git` does."""
    project, body = told
    assert penstock(project, "lineage", stage(body, "search")).code == 0


def test_an_unknown_reference_is_not_found(penstock: Cli, told: Any) -> None:
    """Exit 2 and the code."""
    project, _ = told
    assert penstock(project, "lineage", "sha256:" + "0" * 64).error["code"] == "not-found"
    assert penstock(project, "lineage", "99").error["code"] == "not-found"
