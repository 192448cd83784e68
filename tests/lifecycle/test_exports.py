"""`penstock export`: which version leaves a project, and what stays on record of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
FORMS = ("wheel", "container", "kubernetes", "onnx", "airflow")


def test_the_live_version_is_exported_in_every_form(penstock: Cli, project_at: Cli) -> None:
    """With its digest, its score on an envelope, and an entry in the trail for each."""
    project = project_at("live")
    model = penstock(project, "models").body["versions"][0]
    for form in FORMS:
        done = penstock(project, "export", form, f"out/{form}")
        assert done.code == 0, done
        body = done.body
        assert (body["kind"], body["version"], body["bundle"]) == (form, 1, model["bundle"])
        assert body["size_bytes"] > 0
        said = json.loads((project / "out" / form / "export.json").read_bytes())
        assert said["deployment"]["test"]["roc_auc"]["value"] > 0.5
    events = penstock(project, "doctor", "--trail").body["events"]
    assert [e["details"]["kind"] for e in events if e["what"] == "export"] == list(FORMS)


def test_settings_of_the_declaration_reach_the_container(penstock: Cli, project_at: Cli, set_line: Cli) -> None:
    """The server in the image behaves as the one in the project."""
    project = project_at("live")
    set_line(project, "serving", "deadline_ms = 12")
    assert penstock(project, "export", "container", "image").code == 0
    assert '\\"deadline_ms\\": 12' in (project / "image" / "Dockerfile").read_text()


def test_an_image_of_a_project_with_consumers_asks_for_their_tokens(penstock: Cli, project_at: Cli) -> None:
    """Although the declaration says "auto" and the image has no token; what Kubernetes needs for them says so, too."""
    project = project_at("live")
    assert penstock(project, "tokens", "create", "crm", "--scope", "predict").code == 0
    assert penstock(project, "export", "container", "image").code == 0
    assert '\\"consumers\\": \\"declared\\"' in (project / "image" / "Dockerfile").read_text()
    hints = penstock(project, "export", "kubernetes", "k").body["hints"]
    assert any("--from-file=tokens.json" in hint for hint in hints)


def test_a_version_that_did_not_pass_is_refused_without_a_reason(penstock: Cli, project_at: Cli, set_line: Cli) -> None:
    """Exit 1; with a reason it is exported, and the reason is in the trail."""
    project = project_at("run")
    with (project / "penstock.toml").open("a", encoding="utf-8") as file:
        file.write('\n[[gates]]\nmetric = "roc_auc"\nat_least = 0.9999\n')
    failed = penstock(project, "run").body["model"]["version"]
    refused = penstock(project, "export", "wheel", "dist", "--version", str(failed))
    assert refused.code == 1
    assert refused.error["code"] == "gate-refused"
    assert not (project / "dist").exists()
    done = penstock(project, "export", "wheel", "dist", "--version", str(failed), "--override", "for a test bench")
    assert done.code == 0
    (event,) = [e for e in penstock(project, "doctor", "--trail").body["events"] if e["what"] == "export"]
    assert event["details"]["override"]["reason"] == "for a test bench"


def test_a_bundle_is_exported_without_a_project(penstock: Cli, project_at: Cli, tmp_path: Path) -> None:
    """From its folder, anywhere; it has no number then."""
    bundle = project_at("run") / "models" / "v1"
    body = penstock(tmp_path, "export", "onnx", "out", "--bundle", str(bundle)).body
    assert body["version"] is None
    assert (tmp_path / "out" / "graph.onnx").read_bytes() == (bundle / "graph.onnx").read_bytes()


def test_a_folder_with_something_else_is_left_alone(penstock: Cli, project_at: Cli) -> None:
    """The project's own folder, say."""
    project = project_at("run")
    done = penstock(project, "export", "wheel", "data")
    assert done.code == 2
    assert "is there already" in done.error["what"]


@pytest.mark.parametrize("words", [("runs", "runs.zip"), ("runs.zip",)])
def test_runs_are_exported_whether_the_word_is_said_or_not(
    penstock: Cli, project_at: Cli, words: tuple[str, ...]
) -> None:
    """`penstock export runs.zip RUN` is the older way to say it."""
    project = project_at("run")
    run = penstock(project, "runs").body["runs"][0]["id"]
    assert penstock(project, "export", *words, run).body["runs"] == [run]


def test_a_real_model_answers_in_the_exported_wheel_as_in_the_project(
    penstock: Cli, project_at: Cli, rows_of: Cli, tmp_path: Path
) -> None:
    """Features, calibration, novelty and decision included, bit for bit; the wheel is imported as it lies."""
    import subprocess
    import sys
    import zipfile

    from penstock.bundle.runtime import Bundle

    project = project_at("run")
    body = penstock(project, "export", "wheel", "dist").body
    (wheel,) = (name for name in body["files"] if name.endswith(".whl"))
    zipfile.ZipFile(project / "dist" / wheel).extractall(tmp_path / "site")
    package = wheel.partition("-")[0]
    inputs = {c.name for c in Bundle.load(project / "models" / "v1").signature.columns}
    rows = [{k: v for k, v in row.items() if k in inputs} for row in rows_of(50, seed=9)]
    code = f"import json, sys; from {package} import predict; print(json.dumps(predict(json.load(sys.stdin))))"
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(rows), capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(tmp_path / "site")},
    )  # fmt: skip
    answers = Bundle.load(project / "models" / "v1").predict(rows)
    expected = [{k: v for k, v in answer.items() if k != "withheld"} for answer in answers]
    assert json.loads(done.stdout) == json.loads(json.dumps(expected))
