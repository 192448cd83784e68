"""What used a version of the data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock.ledger import access
from penstock.lifecycle.data_lineage import lineage_of
from penstock.objects.files import sha256_file
from penstock.project.project import Project

Cli = Callable[..., Any]


def test_a_version_leads_to_models_reports_and_predictions_and_back(
    projects: Any, tmp_path: Path, penstock: Cli, rows_of: Cli, write_rows: Cli
) -> None:
    """Of a project that is live; and the row of a key to the models that saw it."""
    project = projects.copy("binary", "live", tmp_path)
    found = penstock(project, "data", "lineage", "current").body
    assert found["models"][0]["version"] == 1
    assert {"search", "evaluate"} <= {run["operation"] for run in found["runs"]}
    assert found["reports"][0]["of"].endswith("@1")
    assert found["comes_from"]["source"]["path"].endswith(".csv")
    back = penstock(project, "lineage", "1").body
    assert found["digest"] in {edge["digest"] for edge in back["edges"]}
    assert found["row"] is None
    assert (found["batches"], found["looks"]) == ([], [])
    assert penstock(project, "data", "profile").code == 0
    (look,) = penstock(project, "data", "lineage", "current").body["looks"]
    assert (look["verb"], look["who"], look["times"]) == ("data profile", access.account(), 1)
    asked = write_rows(tmp_path / "asked.csv", rows_of(30), "bought")
    for output in ("answers.csv", "answers/"):
        assert penstock(project, "predict", "--input", str(asked), "--output", output).code == 0
    assert penstock(project, "monitor").code in (0, 1)
    after = penstock(project, "data", "lineage", "current")
    whole, each = after.body["batches"]
    assert (whole["version"], whole["rows"], whole["files"]) == (each["version"], each["rows"], each["files"])
    assert (whole["version"], whole["files"]) == (1, 1)
    assert after.body["reports"][-1]["of"].startswith("monitor ")
    for output, batch in (("answers.csv", whole), ("answers/asked.csv", each)):
        edges = penstock(project, "lineage", batch["run"]).body["edges"]
        assert {sha256_file(asked), found["models"][0]["bundle"]} <= {
            e["digest"] for e in edges if e["direction"] == "input"
        }
        assert sha256_file(project / output) in {e["digest"] for e in edges if e["direction"] == "output"}, output
    assert penstock(project, "predict", "--input", str(asked), "--output", "answers/").body["skipped"]
    assert len(penstock(project, "data", "lineage", "current").body["batches"]) == 2, "nothing was answered again"
    text = (project / "penstock.toml").read_text(encoding="utf-8")
    held = penstock(project, "data", "lineage", "current", "--row", "1")
    if "\nkey = " not in text.partition("[split]")[0]:
        assert held.error["code"] == "bad-parameter"
        assert "[data] key" in held.error["why"]


def test_an_item_leads_to_the_runs_that_read_its_files(tmp_path: Path, penstock: Cli) -> None:
    """Known by the digest of the file; versions before and after are named."""
    (tmp_path / "t.csv").write_text("a\n1\n", encoding="utf-8")
    (tmp_path / "read.py").write_text("print('rows:', len(open('t.csv').readlines()))\n", encoding="utf-8")
    penstock(tmp_path, "data", "add", "t.csv")
    assert penstock(tmp_path, "run", "-y", "read.py").code == 0
    run = penstock(tmp_path, "runs").body["runs"][0]["id"]
    (tmp_path / "t.csv").write_text("a\n1\n2\n", encoding="utf-8")
    penstock(tmp_path, "data", "add", "t.csv")
    first = penstock(tmp_path, "data", "lineage", "t.csv@1").body
    assert [r["run"] for r in first["runs"]] == [run]
    assert [v["version"] for v in first["later"]] == ["t.csv@2"]
    second = penstock(tmp_path, "data", "lineage", "t.csv").body
    assert second["runs"] == []
    assert [v["version"] for v in second["comes_from"]["versions"]] == ["t.csv@1"]
    assert penstock(tmp_path, "data", "lineage", "t.csv", "--row", "1").error["code"] == "bad-parameter"


def test_a_row_leads_to_the_versions_that_hold_it(
    tmp_path: Path, penstock: Cli, rows_of: Cli, write_rows: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its key; which unseen row is sealed is not told."""
    source = write_rows(tmp_path / "customers.csv", rows_of(300), "bought")
    assert penstock(tmp_path, "new", "shop", "--data", str(source), "--target", "bought").code == 0
    project = tmp_path / "shop"
    file = project / "penstock.toml"
    text = file.read_text(encoding="utf-8")
    if "\nkey = " not in text:
        file.write_text(text.replace("[data]", '[data]\nkey = "id"', 1), encoding="utf-8")
    assert penstock(project, "run", "--budget", "1 trials").code in (0, 1)
    registered = penstock(project, "models").body["versions"]
    names = [f"{one['name']}@{one['version']}" for one in registered]
    assert len(names) == 1
    header, *lines = source.read_text(encoding="utf-8").splitlines()
    at = header.split(",").index("id")
    parts = []
    counts = {"train": 0, "valid": 0, "sealed or left out": 0}
    for line in lines[:12]:
        row = penstock(project, "data", "lineage", "current", "--row", line.split(",")[at]).body["row"]
        (held,) = row["versions"]
        parts.append(held["part"])
        counts[held["part"]] += 1
        assert held["models"] == ([] if held["part"] == "sealed or left out" else names), (
            "a model has seen what it learned from"
        )
    assert set(parts) <= {"train", "valid", "sealed or left out"}
    assert "train" in parts
    assert sum(counts.values()) == 12
    assert penstock(project, "data", "lineage", "current", "--row", "no such key").body["row"]["versions"] == []
    train = lines[parts.index("train")].split(",")[at]
    assert f": train, seen by {names[0]}" in lineage_of(Project.here(project), "current", row=train).to_text()
    assert penstock(project, "data", "restrict", "current", "--to", access.account(), "--why", "patients").code == 0
    monkeypatch.setattr(access, "account", lambda: "eve")
    refused = penstock(project, "data", "lineage", "current", "--row", "no such key")
    assert refused.error["code"] == "restricted"
    assert [e["who"] for e in penstock(project, "data", "access").body["events"] if e["what"] == access.REFUSED] == [
        "eve"
    ]


def test_predictions_are_counted_by_the_model_version_that_answered(
    served: Any, penstock: Cli, rows_of: Callable[..., list[dict[str, Any]]]
) -> None:
    """From the journal: rows, requests, first and last instant; none before anything was asked."""
    before = penstock(served.project, "data", "lineage", "current").body
    assert before["predictions"] == []
    first = datetime.now(UTC)
    served.predict(rows_of(120, 5))  # 50, 50 and 20 in a request
    assert served.ask("POST", "/predict", {"rows": "none"})[0] >= 400, "what was refused is no prediction"
    served.close()
    last = datetime.now(UTC)
    (told,) = penstock(served.project, "data", "lineage", "current").body["predictions"]
    model = before["models"][0]
    assert (told["model"], told["version"]) == (model["model"], model["version"])
    assert (told["rows"], told["requests"]) == (120, 3)
    began, ended = (datetime.fromisoformat(told[name]) for name in ("first_at", "last_at"))
    assert first - timedelta(seconds=1) <= began <= ended <= last + timedelta(seconds=1)
