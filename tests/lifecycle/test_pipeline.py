"""The pipeline: what is known is not computed again, and it is said why something is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
STAGES = ["contract", "ingest", "recipe", "search", "evaluate", "judge", "package", "register"]


def statuses(outcome: Any) -> dict[str, str]:
    """Stage -> ran or known."""
    return {step["name"]: step["status"] for step in outcome.body["steps"]}


def would_run(penstock: Cli, project: Path, *options: str) -> dict[str, str]:
    """Stage -> why, of the stages that `run --why` names."""
    body = penstock(project, "run", "--why", *options).body
    return {step["name"]: step["why"] for step in body["would_run"]}


def test_a_second_run_does_nothing(penstock: Cli, project_at: Cli) -> None:
    """All stages are known, no run is added to the ledger, and the answer is the same model."""
    project = project_at("run")
    before = penstock(project, "runs").body["runs"]
    done = penstock(project, "run")
    assert done.code == 0
    assert set(statuses(done).values()) == {"known"}
    assert list(statuses(done)) == STAGES
    assert done.body["model"]["version"] == 1
    assert done.body["run"] == next(r["id"] for r in before if r["operation"] == "run")
    assert penstock(project, "runs").body["runs"] == before


def test_nothing_to_do_is_explained_as_such(penstock: Cli, project_at: Cli) -> None:
    """`--why` names every stage as known and none to run."""
    body = penstock(project_at("run"), "run", "--why").body
    assert [step["name"] for step in body["known"]] == STAGES
    assert body["would_run"] == []


def test_why_runs_nothing(penstock: Cli, project_at: Cli) -> None:
    """The question alone leaves no trace in the ledger."""
    project = project_at("run")
    before = penstock(project, "runs").body
    penstock(project, "run", "--why", "--budget", "7 trials")
    assert penstock(project, "runs").body == before


@pytest.mark.parametrize(
    ("change", "first", "said"),
    [
        ("budget", "search", "params.budget was '2 trials', is '3 trials'"),
        ("recipe", "recipe", "params.text"),
        ("source", "contract", "inputs.source changed"),
        ("gate", "evaluate", "params.gates"),
        ("serving", "package", "params.abstain_below was None, is 0.6"),
        ("goal", "judge", "params.goal"),
    ],
)
def test_each_kind_of_change_is_named_and_runs_what_depends_on_it(
    penstock: Cli, project_at: Cli, set_line: Cli, rows_of: Cli, write_rows: Cli, change: str, first: str, said: str
) -> None:
    """The stages before the first that changed stay known; the reason says what changed."""
    project = project_at("run")
    options = []
    if change == "budget":
        options = ["--budget", "3 trials"]
    elif change == "recipe":
        recipe = project / "recipe.toml"
        text = recipe.read_text(encoding="utf-8")
        recipe.write_text("# edited\n" + text.replace("net income", "net income", 1), encoding="utf-8")
    elif change == "source":
        write_rows(next((project / "data/raw").glob("*.csv")), rows_of(20, seed=9), "bought", append=True)
    elif change == "gate":
        text = (project / "penstock.toml").read_text(encoding="utf-8")
        gate = '\n[[gates]]\nmetric = "roc_auc"\nat_least = 0.6\nslice = "every"\n'
        (project / "penstock.toml").write_text(text + gate, encoding="utf-8")
    elif change == "serving":
        set_line(project, "serving", "abstain_below = 0.6")
    else:
        set_line(project, "goal", "at_least = 0.6")
    found = would_run(penstock, project, *options)
    assert next(iter(found)) == first
    assert said in found[first]


def test_an_edited_comment_of_the_recipe_does_not_search_again(penstock: Cli, project_at: Cli) -> None:
    """The recipe is read again; its meaning is the same, so that the model is known."""
    project = project_at("run")
    recipe = project / "recipe.toml"
    recipe.write_text("# a thought\n" + recipe.read_text(encoding="utf-8"), encoding="utf-8")
    done = penstock(project, "run")
    assert {name for name, status in statuses(done).items() if status == "ran"} == {"recipe"}
    assert done.body["model"]["version"] == 1


def test_an_edited_decision_packages_again_without_searching(penstock: Cli, project_at: Cli, set_line: Cli) -> None:
    """Only what depends on the edit runs; the model in the new bundle is the old one."""
    project = project_at("run")
    set_line(project, "serving", "abstain_below = 0.6")
    done = penstock(project, "run")
    assert {name for name, status in statuses(done).items() if status == "ran"} == {"package", "register"}
    assert done.body["model"]["version"] == 2
    signature = json.loads((project / "models/v2/signature.json").read_text(encoding="utf-8"))
    assert signature["decision"]["abstain_below"] == 0.6


def test_an_edit_that_is_taken_back_is_known(penstock: Cli, project_at: Cli, set_line: Cli) -> None:
    """Nothing is computed; the older version is what is told."""
    project = project_at("run")
    before = (project / "penstock.toml").read_text(encoding="utf-8")
    set_line(project, "serving", "abstain_below = 0.6")
    assert penstock(project, "run").body["model"]["version"] == 2
    (project / "penstock.toml").write_text(before, encoding="utf-8")
    done = penstock(project, "run")
    assert set(statuses(done).values()) == {"known"}
    assert done.body["model"]["version"] == 1


def test_appended_rows_make_a_new_version_with_a_parent_and_a_diff(
    penstock: Cli, project_at: Cli, rows_of: Cli, write_rows: Cli
) -> None:
    """Rows that were there keep their part: none of them is sealed anew or let out."""
    from penstock.data.versions import load_part, load_version
    from penstock.project.project import Project

    project = project_at("run")
    opened = Project(project)
    old = load_version(opened.objects, opened.ledger.datasets.head("shop"))
    before = {v for part in ("train", "valid") for v in load_part(opened.objects, old, part)[0]["id"]}
    trained = set(load_part(opened.objects, old, "train")[0]["id"])
    write_rows(next((project / "data/raw").glob("*.csv")), rows_of(150, seed=9), "bought", append=True)
    done = penstock(project, "run")
    assert done.code == 0
    log = penstock(project, "data", "log").body["versions"]
    assert log[0]["parent"] == log[1]["digest"] == old.digest
    changed = log[0]["details"]["diff"]["rows"]
    assert (changed["added"], changed["removed"]) == (150, 0)
    new = load_version(opened.objects, log[0]["digest"])
    seen = {v for part in ("train", "valid") for v in load_part(opened.objects, new, part)[0]["id"]}
    assert {v for v in seen if v.startswith("0-")} == before
    assert {v for v in load_part(opened.objects, new, "train")[0]["id"] if v.startswith("0-")} == trained


def test_a_damaged_artifact_is_made_again(penstock: Cli, project_at: Cli) -> None:
    """A known stage whose artifact is gone from the store is not known."""
    project = project_at("run")
    run = next(r["id"] for r in penstock(project, "runs").body["runs"] if r["operation"] == "evaluate")
    digest = penstock(project, "show", run).body["files"]["report"]["digest"].removeprefix("sha256:")
    [stored] = [p for p in (project / ".penstock/objects").rglob("*") if digest in str(p).replace("/", "")]
    stored.unlink()
    done = penstock(project, "run")
    assert done.code == 0
    assert statuses(done)["evaluate"] == "ran"
    assert statuses(done)["search"] == "known"


def test_without_a_recipe_file_one_is_suggested_and_written(penstock: Cli, project_at: Cli) -> None:
    """It is the user's to edit from then on."""
    project = project_at("run")
    text = (project / "recipe.toml").read_text(encoding="utf-8")
    (project / "recipe.toml").unlink()
    assert penstock(project, "run").code == 0
    assert (project / "recipe.toml").read_text(encoding="utf-8") == text
    assert set(statuses(penstock(project, "run")).values()) == {"known"}


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_every_task_beats_its_baseline(penstock: Cli, project_at: Cli, task: str) -> None:
    """The tiny search finds a model that passes the default gate."""
    body = penstock(project_at("run", task), "run").body
    assert body["task"] == task
    assert [g["passed"] for g in body["gates"]] == [True]


def test_the_library_does_what_the_command_does(project_at: Cli) -> None:
    """`import penstock` has the same verbs; they return the results that the command prints."""
    import penstock

    project = penstock.Project(project_at("run"))
    result = penstock.run(project)
    assert result.exit_code == 0
    assert result.model["version"] == 1
    assert all(step.status == "known" for step in result.steps)
    assert "nothing to do" in result.to_text()
