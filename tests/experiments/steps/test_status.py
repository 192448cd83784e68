"""What `penstock status` and `penstock graph` show."""

from __future__ import annotations

import xml.etree.ElementTree as Xml
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock.cli.stages import stages_of
from penstock.experiments.steps.status import look
from penstock.project.workspace import Workspace

Cli = Callable[..., Any]


def test_status_says_what_is_stale_and_why(folder: Path, run: Any, edit: Any, penstock: Cli) -> None:
    """And which run was the last."""
    first = penstock(folder, "status").body["steps"]
    assert [(s["name"], s["status"], s["why"]) for s in first] == [
        ("prepare", "stale", "it has not run yet"),
        ("train", "stale", "it has not run yet"),
        ("report", "stale", "it has not run yet"),
    ]
    result = run()
    edit("rate = 1", "rate = 3")
    prepare, train, report = penstock(folder, "status").body["steps"]
    assert (prepare["status"], prepare["run"]) == ("known", result.steps[0].run)
    assert (train["status"], train["why"]) == ("stale", "rate is 3 instead of 1")
    assert train["run"] == result.steps[1].run
    assert (report["status"], report["why"]) == ("waits", "model comes from train, which has to run first")


def test_a_missing_input_blocks_a_step(folder: Path, penstock: Cli) -> None:
    """And what follows it waits; to look is no error."""
    (folder / "raw.txt").unlink()
    outcome = penstock(folder, "status")
    assert outcome.code == 0
    assert [s["status"] for s in outcome.body["steps"]] == ["blocked", "stale", "stale"]
    assert outcome.body["steps"][0]["why"] == "its input raw.txt is missing"


def test_outputs_that_will_be_put_back_count_as_there(folder: Path, run: Any, penstock: Cli) -> None:
    """Looking puts nothing back."""
    run()
    for name in ("clean.txt", "model/weights.txt"):
        (folder / name).unlink()
    steps = penstock(folder, "status").body["steps"]
    assert [s["status"] for s in steps] == ["known", "known", "known"]
    assert [s["restore"] for s in steps] == [["clean.txt"], ["model"], []]
    assert not (folder / "clean.txt").exists()


def test_only_the_named_steps_and_what_they_need_are_shown(folder: Path, penstock: Cli) -> None:
    """An unknown one is refused with the nearest."""
    assert [s["name"] for s in penstock(folder, "status", "train").body["steps"]] == ["prepare", "train"]
    assert penstock(folder, "status", "trian").error["try"] == "write 'train'"


def test_the_graph_has_the_files_on_its_edges(folder: Path, penstock: Cli) -> None:
    """As JSON, as text, and as SVG with what is stale."""
    body = penstock(folder, "graph").body
    assert body["edges"][0] == {"from": "prepare", "to": "train", "path": "clean.txt"}
    picture = look(Workspace(folder)).picture()
    assert "│ prepare │" in picture.to_text()
    assert penstock(folder, "graph", "--svg", "graph.svg").code == 0
    root = Xml.parse(folder / "graph.svg").getroot()
    groups = [g.attrib["class"] for g in root.iter("{http://www.w3.org/2000/svg}g") if "class" in g.attrib]
    assert groups == ["warn", "warn", "warn"]


def test_a_folder_without_steps_says_so(tmp_path: Path, penstock: Cli) -> None:
    """It is no error to look."""
    outcome = penstock(tmp_path, "status")
    assert outcome.code == 0
    assert outcome.body["steps"] == [] == outcome.body["stages"]
    assert "neither [[step]] nor [data]" in look(Workspace(tmp_path)).to_text()
    assert penstock(tmp_path, "graph").code == 0


def test_the_stages_of_a_project_are_shown(project_at: Any, penstock: Cli, set_line: Any) -> None:
    """Known after a run; what an edit makes stale, and what follows it."""
    project = project_at("run")
    stages = penstock(project, "status").body["stages"]
    assert {stage["status"] for stage in stages} == {"known"}
    assert [stage["name"] for stage in stages][:3] == ["contract", "ingest", "recipe"]
    set_line(project, "search", "seed = 9")
    told = {stage["name"]: stage["status"] for stage in penstock(project, "status").body["stages"]}
    assert told["recipe"] == "known"
    assert told["search"] == "stale"
    assert told["register"] == "waits"
    edges = look(Workspace(project), stages=stages_of(Workspace(project))).picture().edges
    assert ("stage recipe", "stage search") in edges
    assert penstock(project, "graph").code == 0
