"""`penstock models shelve`: one server answers for further versions, and for other projects."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.project.project import Project
from penstock.serving.shelf import read_shelf

Cli = Callable[..., Any]


@pytest.fixture
def two(projects: Any, tmp_path: Path) -> tuple[Path, Path]:
    """A project that serves, and another one that has a champion: a regression, under a name of its own."""
    serving = projects.copy("binary", "live", tmp_path)
    place = tmp_path / "elsewhere"
    place.mkdir()
    other = projects.copy("regression", "live", place)
    text = (other / "penstock.toml").read_text(encoding="utf-8")
    assert 'name = "shop"' in text or "[project]" in text
    return serving, other


def test_a_server_answers_for_another_project(
    penstock: Cli, two: tuple[Path, Path], serve: Cli, rows_of: Cli, set_line: Cli, tmp_path: Path
) -> None:
    """Its champion, under another name; labels, monitor and retraining keep the two apart."""
    project, other = two
    put = penstock(project, "models", "shelve", str(other), "--as", "prices")
    assert put.code == 0, put
    assert (put.body["model"], put.body["versions"], put.body["labels"]) == ("prices", [1], ["champion"])
    listed = penstock(project, "models", "shelf").body["shelf"]
    assert [(one["model"], one["version"], one["state"]) for one in listed] == [("prices", 1, "offered")]
    rows = rows_of(120, seed=5)
    app = serve(project)
    own = app.predict(rows[:60])
    prices = app.predict(rows, model="prices")
    app.close()
    assert all(isinstance(answer["prediction"], float) for answer in prices if answer["decision"] == "answer")
    labels = tmp_path / "labels.jsonl"
    told = [{"id": a["id"], "label": r["price"]} for a, r in zip(prices, rows, strict=True)]
    told += [{"id": a["id"], "label": r["bought"]} for a, r in zip(own, rows, strict=False)]
    labels.write_text("\n".join(map(json.dumps, told)), encoding="utf-8")
    done = penstock(project, "label", "import", str(labels))
    assert (done.body["accepted"], done.body["rejected"]) == (180, [])
    assert penstock(project, "label", "status").body["predictions"] == 60
    watched = penstock(project, "monitor", "--model", "prices")
    assert watched.body["model"] == {"name": "prices", "version": 1}
    assert watched.body["window"]["rows"] == 120
    mine = penstock(project, "monitor").body
    assert (mine["model"]["name"], mine["window"]["rows"]) == ("shop", 60)
    from penstock.feedback.rows import labelled_rows

    taken = labelled_rows(Project(project).journal_folder, without={}, model="shop")
    assert (len(taken), taken.lost) == (60, 0)
    assert set(taken.labels) <= {"yes", "no"}
    gone = penstock(project, "models", "unshelve", "prices").body
    assert (gone["shelved"], gone["versions"]) == (False, [1])
    assert list((Project(project).serving_state / "shelf").iterdir()) == []
    events = [(e.what, e.subject) for e in Project(project).ledger.audit.events()]
    assert ("shelve", "prices") in events
    assert ("unshelve", "prices") in events
    assert "does not answer for prices" in penstock(project, "monitor", "--model", "prices").error["what"]


def test_a_bundle_needs_a_number_and_a_reason(penstock: Cli, two: tuple[Path, Path], tmp_path: Path) -> None:
    """As a folder or a zip file; what is no bundle, or damaged, is refused and the shelf stays as it is."""
    project, other = two
    bundle = other / "models" / "v1"
    packed = tmp_path / "prices.zip"
    with zipfile.ZipFile(packed, "w") as out:
        for file in bundle.iterdir():
            out.write(file, f"prices/{file.name}")
    assert "--version 1" in penstock(project, "models", "shelve", str(packed)).error["try"]
    refused = penstock(project, "models", "shelve", str(packed), "--version", "4")
    assert (refused.code, refused.error["code"]) == (1, "gate-refused")
    line = ("--version", "4", "--as", "prices", "--override", "bought from next door")
    assert penstock(project, "models", "shelve", str(packed), *line).body["versions"] == [4]
    assert penstock(project, "models", "shelve", str(bundle), *line, "--label", "eu").body["labels"] == ["eu"]
    (event,) = [e for e in Project(project).ledger.audit.events() if e.what == "shelve"][-1:]
    assert event.details["override"]["reason"] == "bought from next door"
    before = read_shelf(Project(project).serving_state)
    damaged = Path(shutil.copytree(bundle, tmp_path / "damaged"))
    (damaged / "graph.onnx").write_bytes((damaged / "graph.onnx").read_bytes()[:-1])
    for place, code in ((damaged, "bundle"), (tmp_path / "labels.csv", "bundle")):
        if not place.exists():
            place.write_text("id,label\n", encoding="utf-8")
        assert penstock(project, "models", "shelve", str(place), *line).error["code"] == code
    assert read_shelf(Project(project).serving_state) == before


def test_a_version_that_did_not_pass_is_offered_with_a_reason_only(
    penstock: Cli, projects: Any, set_line: Cli, tmp_path: Path
) -> None:
    """As it would be deployed."""
    project = projects.copy("binary", "run", tmp_path)
    registry = Project(project).ledger.registry
    registry.update("shop", 1, passed=False)
    refused = penstock(project, "models", "shelve", "1")
    assert (refused.code, "did not pass" in refused.error["what"]) == (1, True)
    assert penstock(project, "models", "shelve", "latest", "--override", "for a look").body["versions"] == [1]
    assert "no champion" in penstock(project, "models", "shelve", str(project)).error["what"]
    assert penstock(project, "models", "shelve", "7").error["code"] == "not-found"
    assert "--version is for a bundle" in penstock(project, "models", "shelve", "1", "--version", "2").error["what"]
