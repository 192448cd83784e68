"""The JSON contract of the command line: scripts rely on these keys and types."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
METRIC = {"value", "low", "high"}


@pytest.fixture(scope="module")
def life(
    penstock: Cli,
    projects: Any,
    rows_of: Cli,
    write_rows: Cli,
    serve: Cli,
    set_line: Cli,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """One project through all verbs; verb -> what it printed with `--json`."""
    folder = tmp_path_factory.mktemp("life")
    source = write_rows(folder / "customers.csv", rows_of(700), "bought")
    said = {"new": penstock(folder, "new", "other", "--data", str(source), "--target", "bought", "--key", "id")}
    project = projects.copy("binary", "run", folder)
    said["run"] = penstock(project, "run")
    said["why"] = penstock(project, "run", "--why")
    said["deploy"] = penstock(project, "deploy")
    rows = rows_of(120, seed=3)
    app = serve(project)
    answers = app.predict(rows)
    app.close()
    labels = write_rows(
        folder / "labels.csv", [{"id": a["id"], "label": r["bought"]} for a, r in zip(answers, rows, strict=True)]
    )
    said["label import"] = penstock(project, "label", "import", str(labels))
    said["label status"] = penstock(project, "label", "status")
    said["monitor"] = penstock(project, "monitor")
    said["predict"] = penstock(project, "predict", "--input", str(source), "--output", str(folder / "answers.csv"))
    said["replay"] = penstock(project, "replay", answers[0]["id"], "--trace")
    said["retrain"] = penstock(project, "retrain")
    said["second deploy"] = penstock(project, "deploy", "--version", str(said["retrain"].body["model"]["version"]))
    said["rollback"] = penstock(project, "rollback")
    said["runs"] = penstock(project, "runs")
    run = said["run"].body["run"]
    said["show"] = penstock(project, "show", run)
    evaluated = next(s["run"] for s in said["run"].body["steps"] if s["name"] == "evaluate")
    said["reproduce"] = penstock(project, "reproduce", evaluated)
    said["lineage"] = penstock(project, "lineage", "1")
    said["models"] = penstock(project, "models")
    said["data log"] = penstock(project, "data", "log")
    said["doctor"] = penstock(project, "doctor")
    said["error"] = penstock(project, "show", "nothing")
    return said


VERBS = [
    "new",
    "run",
    "why",
    "deploy",
    "label import",
    "label status",
    "monitor",
    "predict",
    "replay",
    "retrain",
    "second deploy",
]
VERBS += ["rollback", "runs", "show", "reproduce", "lineage", "models", "data log", "doctor"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_prints_one_object_with_its_format_and_warnings(life: dict[str, Any], verb: str) -> None:
    """One line on stdout, nothing else."""
    assert life[verb].code == 0, life[verb]
    body = life[verb].body
    assert life[verb].out.count("\n") == 1
    assert body["format"] == 1
    assert isinstance(body["warnings"], list)


@pytest.mark.parametrize("verb", ["run", "deploy", "monitor", "retrain", "reproduce"])
def test_nothing_is_said_on_stderr_with_json(life: dict[str, Any], verb: str) -> None:
    """No progress, no library's chatter."""
    assert life[verb].err == ""


def test_new_tells_what_was_decided(life: dict[str, Any]) -> None:
    """Project, task, target, columns with kind and reason, rows per part, envelopes."""
    body = life["new"].body
    assert (body["project"], body["task"], body["target"]) == ("other", "binary", "bought")
    assert all({"name", "kind", "why"} == set(column) for column in body["columns"])
    kinds = {column["name"]: column["kind"] for column in body["columns"]}
    assert kinds["age"] == kinds["net income"] == "numeric"
    assert (kinds["id"], kinds["job"], kinds["member"]) == ("identifier", "categorical", "binary")
    assert (kinds["joined"], kinds["note"]) == ("datetime", "text")
    assert set(body["rows"]) == {"train", "valid", "test"}
    assert sum(body["rows"].values()) == 700
    assert isinstance(body["envelopes"], int)


@pytest.mark.parametrize("verb", ["run", "retrain"])
def test_run_tells_stages_figures_gates_and_where_things_are(life: dict[str, Any], verb: str) -> None:
    """The keys of the contract, with their types."""
    body = life[verb].body
    assert isinstance(body["run"], str)
    assert body["dataset"].startswith("sha256:")
    assert body["task"] == "binary"
    assert isinstance(body["seed"], int)
    for step in body["steps"]:
        assert {"name", "status", "seconds", "why"} <= set(step)
        assert step["status"] in ("ran", "known")
    for metric in body["validation"].values():
        assert set(metric) == METRIC
    assert set(body["baseline"]) <= set(body["validation"])
    for gate in body["gates"]:
        assert {"id", "passed", "value", "limit"} <= set(gate)
    assert {"name", "version"} <= set(body["model"])
    assert body["bundle"].startswith("models/")
    assert body["report"].startswith("reports/")


def test_retrain_has_the_champion_beside_it(life: dict[str, Any]) -> None:
    """Its version and value on the same rows, with the difference and its interval."""
    champion = life["retrain"].body["champion"]
    assert champion["version"] == 1
    assert {"metric", "value", "challenger", "difference", "low", "high"} <= set(champion)
    assert champion["rows"] == life["retrain"].body["rows"]["valid"]


def test_deploy_tells_the_test_figures_and_the_envelope(life: dict[str, Any]) -> None:
    """The keys of the contract."""
    body = life["deploy"].body
    assert {"model", "version", "slot", "test", "envelope", "gates", "deployed"} <= set(body)
    assert set(body["test"]["roc_auc"]) == METRIC
    assert {"opened", "left", "reused"} <= set(body["envelope"])
    assert body["envelope"]["reused"] is False
    assert body["deployed"] is True


def test_rollback_tells_how_long_it_took(life: dict[str, Any]) -> None:
    """The keys of the contract."""
    body = life["rollback"].body
    assert {"model", "version", "slot", "seconds"} <= set(body)
    assert isinstance(body["seconds"], float)


def test_monitor_tells_its_window_and_checks(life: dict[str, Any]) -> None:
    """The keys of the contract."""
    body = life["monitor"].body
    assert {"from", "to", "rows"} <= set(body["window"])
    assert body["window"]["rows"] == 120
    for check in body["checks"]:
        assert {"id", "column", "value", "limit", "alarm"} <= set(check)
        assert isinstance(check["alarm"], bool)
    assert body["alarm"] is any(check["alarm"] for check in body["checks"])


def test_runs_are_listed_newest_first(life: dict[str, Any]) -> None:
    """The keys of the contract."""
    runs = life["runs"].body["runs"]
    for run in runs:
        assert {"id", "operation", "status", "started_at", "seconds", "metrics", "params", "tags", "unsealed"} <= set(
            run
        )
    started = [run["started_at"] for run in runs]
    assert started == sorted(started, reverse=True)
    assert all(at.endswith("Z") for at in started)


def test_show_is_one_run_whole(life: dict[str, Any]) -> None:
    """What `runs` tells of it, with inputs, outputs, files, source, environment and cost."""
    body = life["show"].body
    listed = {"id", "operation", "status", "started_at", "seconds", "metrics", "params"}
    assert listed | {"inputs", "outputs", "files", "source", "environment", "cost"} <= set(body)


def test_reproduce_tells_its_verdict(life: dict[str, Any]) -> None:
    """The keys of the contract."""
    body = life["reproduce"].body
    assert {"run", "again", "verdict", "differences"} <= set(body)
    assert body["verdict"] == "identical"
    assert body["differences"] == []


def test_labels_are_counted(life: dict[str, Any]) -> None:
    """Accepted and rejected; how many predictions have one."""
    assert life["label import"].body["accepted"] == 120
    assert life["label import"].body["rejected"] == []
    status = life["label status"].body
    assert (status["predictions"], status["labels"]) == (120, 120)


def test_replay_tells_what_was_and_what_is(life: dict[str, Any]) -> None:
    """And the way of the row."""
    body = life["replay"].body
    assert {"compared", "equal", "different", "versions", "fields", "largest", "notes", "lost"} <= set(body)
    (prediction,) = body["predictions"]
    assert {"id", "at", "model", "version", "by", "slot", "equal", "differences", "not_compared", "row"} <= set(
        prediction
    )
    assert prediction["was"]["probabilities"] == prediction["now"]["probabilities"]
    assert {"fields", "prepared", "steps", "calibration", "before", "after", "decision", "notes"} <= set(
        prediction["trace"]
    )


def test_predict_writes_the_declared_columns_in_order(life: dict[str, Any], tmp_path_factory: Any) -> None:
    """row, prediction, decision, novelty, then a probability per class."""
    with Path(life["predict"].body["output"]).open(encoding="utf-8") as file:
        assert file.readline().strip().split(",") == ["row", "prediction", "decision", "novelty", "p_no", "p_yes"]
        assert file.readline().split(",")[0] == "0"


def test_an_error_is_an_object_with_four_fields_and_exit_2(life: dict[str, Any]) -> None:
    """Code, what, why and the way out."""
    assert life["error"].code == 2
    assert set(life["error"].body) == {"format", "error"}
    assert set(life["error"].error) == {"code", "what", "why", "try"}
    assert life["error"].error["code"] == "not-found"


@pytest.mark.parametrize(
    "arguments",
    [["deploy", "--version", "one"], ["new"], ["flourish"], ["run", "--no-such-option"], ["runs", "--limit", "0"]],
)
def test_a_wrong_command_line_is_an_error_object_too(penstock: Cli, tmp_path: Path, arguments: list[str]) -> None:
    """Exit 2 and the same shape."""
    done = penstock(tmp_path, *arguments)
    assert done.code == 2
    assert set(done.error) == {"code", "what", "why", "try"}
    assert done.error["code"] == "usage"


def test_a_misspelt_verb_is_told_the_nearest(penstock: Cli, tmp_path: Path) -> None:
    """`deplyo` means `deploy`."""
    assert "'deploy'" in penstock(tmp_path, "deplyo").error["why"]


@pytest.mark.parametrize(
    "verb", ["run", "deploy", "rollback", "monitor", "retrain", "models", "runs", "show x", "reproduce x"]
)
def test_outside_a_project_every_verb_says_so(penstock: Cli, tmp_path: Path, verb: str) -> None:
    """Exit 2, and how to make one."""
    done = penstock(tmp_path, *verb.split())
    assert done.code == 2
    assert done.error["code"] == "project"
    assert "penstock new" in done.error["try"]


def test_a_bug_of_ours_is_exit_3_with_its_traceback_in_the_log(
    penstock: Cli, project_at: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user sees one sentence; the log has what a report needs."""
    from penstock.experiments.looking import listing

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("our own fault")

    monkeypatch.setattr(listing, "list_runs", broken)
    project = project_at("new")
    done = penstock(project, "runs")
    assert done.code == 3
    assert done.error["code"] == "bug"
    assert "ZeroDivisionError: our own fault" in done.error["what"]
    log = (project / ".penstock/penstock.log").read_text(encoding="utf-8")
    assert "Traceback" in log
    assert "in broken" in log


def test_what_the_system_does_not_allow_is_for_the_user_to_put_right(
    penstock: Cli, project_at: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2 with the folder, and no word of a bug; where the log itself cannot be written, a bug is told all the same."""
    from penstock.experiments.looking import listing

    project = project_at("new")

    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(project / "reports" / ".x.new"))

    monkeypatch.setattr(listing, "list_runs", refused)
    done = penstock(project, "runs")
    assert (done.code, done.error["code"]) == (2, "not-writable")
    assert str(project / "reports") in done.error["what"]
    assert "chown" in done.error["try"]

    monkeypatch.setattr(listing, "list_runs", lambda *_, **__: 1 / 0)
    (project / ".penstock/penstock.log").mkdir()
    assert penstock(project, "runs").code == 3


def test_the_installed_command_gives_the_same_object(project_at: Cli) -> None:
    """`python -m penstock` as a process of its own: stdout is the object, the exit code is set."""
    done = subprocess.run(
        [sys.executable, "-m", "penstock", "models", "--json"],
        cwd=project_at("run"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr == ""
    assert json.loads(done.stdout)["model"] == "shop"
