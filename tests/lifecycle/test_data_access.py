"""Who read which version of a project's data, at every door."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.ledger import access

Cli = Callable[..., Any]
SOURCE = Path(access.__file__).parents[1]
INSIDE = {"data/versions.py", "data/doors.py"}
"""What may read rows without asking: the reading itself, and the door."""


def test_no_module_reads_rows_past_the_door() -> None:
    """Whoever uses `load_part` where `read_part` belongs is named here."""
    past = []
    for file in SOURCE.rglob("*.py"):
        name = file.relative_to(SOURCE).as_posix()
        names = {
            alias.name
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        if "load_part" in names and name not in INSIDE:
            past.append(name)
    assert past == []


@pytest.fixture
def project(projects: Any, tmp_path: Path) -> Path:
    folder: Path = projects.copy("binary", "run", tmp_path)
    return folder


def test_reading_is_recorded_with_verb_part_and_rows(project: Path, penstock: Cli) -> None:
    """The run that made the project, a profile, a quality report and a script."""
    penstock(project, "data", "profile")
    penstock(project, "data", "quality")
    (project / "look.py").write_text(
        "import penstock\nprint('rows:', penstock.data().train.num_rows)\n", encoding="utf-8"
    )
    assert penstock(project, "run", "-y", "look.py").code == 0
    done = penstock(project, "data", "access", "current")
    assert done.code == 0
    read = {(e["verb"], e["part"]) for e in done.body["events"] if e["what"] == access.READ}
    assert {("data profile", "train"), ("data quality", "train"), ("data quality", "valid")} <= read
    assert {("run", "train"), ("run", "valid")} <= read
    event = next(e for e in done.body["events"] if e["verb"] == "data profile")
    assert event["rows"] > 0
    assert event["who"] == access.account()
    assert event["host"]
    assert penstock(project, "doctor").code == 0, "the chain of the audit trail holds"


def test_a_restricted_version_is_refused_at_every_door(
    project: Path, penstock: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a code, who to ask, and an event; those who are named go on."""
    me = access.account()
    assert penstock(project, "data", "restrict", "current", "--to", "ana", "--to", me, "--why", "patients").code == 0
    (shown,) = penstock(project, "data", "log").body["restricted"].values()
    assert shown == sorted(["ana", me])
    assert penstock(project, "data", "profile").code == 0
    monkeypatch.setattr(access, "account", lambda: "eve")
    (project / "look.py").write_text("import penstock\npenstock.data()\n", encoding="utf-8")
    evaluated = penstock(project, "runs", "--operation", "evaluate").body["runs"][0]["id"]
    for words in (
        ("data", "profile"),
        ("data", "quality"),
        ("run", "-y", "look.py"),
        ("deploy",),
        ("recipe", "suggest"),
        ("reproduce", evaluated),
        ("export", "x.zip", evaluated),
        ("data", "unrestrict", "current", "--why", "curious"),
        ("data", "restrict", "current", "--to", "eve", "--why", "mine"),
    ):
        done = penstock(project, *words)
        assert done.code == 2, words
        assert done.error["code"] == "restricted", (words, done.out)
        assert re.search("eve may not read .*", done.error["what"])
    refused = [e for e in penstock(project, "data", "access").body["events"] if e["what"] == access.REFUSED]
    assert {e["who"] for e in refused} == {"eve"}
    assert len(refused) >= 9
    monkeypatch.setattr(access, "account", lambda: "ana")
    assert penstock(project, "data", "unrestrict", "current", "--why", "they agreed").code == 0
    monkeypatch.setattr(access, "account", lambda: "eve")
    assert penstock(project, "data", "profile").code == 0
    assert penstock(project, "data", "access").body["restrictions"] == []


def test_an_unknown_version_is_told(project: Path, penstock: Cli) -> None:
    """A name, and a digest."""
    for words in (("access", "nothing"), ("access", "deadbeef"), ("restrict", "x", "--to", "a", "--why", "b")):
        done = penstock(project, "data", *words)
        assert (done.code, done.error["code"]) == (2, "not-found")


def test_versions_that_came_before_a_restriction_and_stay_open_are_named(tmp_path: Path, penstock: Cli) -> None:
    """They hold rows of the one that is restricted; those that come later are restricted with it."""
    for text in ("a\n1\n", "a\n1\n2\n", "a\n1\n2\n3\n"):
        (tmp_path / "t.csv").write_text(text, encoding="utf-8")
        assert penstock(tmp_path, "data", "add", "t.csv").code == 0
    restrict = ("data", "restrict", "--to", "ana", "--to", access.account(), "--why", "patients")
    assert penstock(tmp_path, *restrict, "t.csv@3").body["open"] == []
    assert penstock(tmp_path, *restrict, "t.csv@1").body["open"] == ["t.csv@2"]
