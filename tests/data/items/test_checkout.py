"""Versions come back to the disk, and nothing is lost on the way."""

from __future__ import annotations

import os

import pytest

from penstock.data.items.adding import add
from penstock.data.items.checkout import checkout
from penstock.data.items.state import states
from penstock.errors import AccessError, NotFound, ProjectError, SourceError
from penstock.ledger import access
from penstock.project.workspace import Workspace

from .folders import contents, table, write

FIRST = {"a": b"1", "b/c": table(30_000), "b/d": b"3"}


@pytest.fixture
def two(workspace: Workspace) -> Workspace:
    """A folder with two versions: a file changed, one new, one gone."""
    folder = write(workspace.root / "d", FIRST)
    (folder / "a").chmod(0o755)
    add(workspace, folder)
    (folder / "b/d").unlink()
    write(folder, {"a": b"2", "e/f": b"new"})
    add(workspace, folder)
    return workspace


def test_an_older_version_replaces_the_newer_one(two: Workspace) -> None:
    """Files, modes, and no file too much; what is right already is not written."""
    done = checkout(two, "d@1")
    folder = two.root / "d"
    assert contents(folder) == FIRST
    assert os.access(folder / "a", os.X_OK)
    assert not (folder / "e").exists()
    assert (done.written, done.removed, done.kept) == (2, 1, 1)
    assert states(two).items[0].holds == 1
    again = checkout(two, "d@1")
    assert (again.written, again.kept) == (0, 3)
    assert states(two, ["d"]).exit_code == 1
    checkout(two, "d")
    assert states(two, ["d"]).exit_code == 0


def test_what_no_version_holds_is_not_overwritten(two: Workspace) -> None:
    """A changed file, and a new one; elsewhere, or with force."""
    folder = two.root / "d"
    write(folder, {"a": b"mine", "mine.txt": b"too"})
    with pytest.raises(ProjectError, match=r"(?s)would be lost.*a, mine\.txt.*--force"):
        checkout(two, "d@1")
    assert (folder / "a").read_bytes() == b"mine"
    checkout(two, "d@1", to=two.root / "other")
    assert contents(two.root / "other") == FIRST
    checkout(two, "d@1", force=True)
    assert contents(folder) == FIRST


def test_ignored_files_stay(two: Workspace) -> None:
    """They are no part of the item."""
    folder = two.root / "d"
    write(folder, {".penstockignore": b"*.log\n", "x.log": b"1", "b/y.log": b"2"})
    add(two, folder)
    checkout(two, "d@3")
    write(folder, {"b/d": b"3", "b/own": b"unsaved"})
    with pytest.raises(ProjectError, match="b/own"):
        checkout(two, "d@1")
    (folder / "b/own").unlink()
    checkout(two, "d@3")
    assert (folder / "x.log").read_bytes() == b"1"
    assert (folder / "b/y.log").read_bytes() == b"2"


def test_a_single_file_goes_where_it_is_asked(workspace: Workspace) -> None:
    """Into a folder under its name, or under another name."""
    file = write(workspace.root, {"t.csv": b"1"}) / "t.csv"
    add(workspace, file)
    file.write_bytes(b"22")
    add(workspace, file)
    (workspace.root / "out").mkdir()
    checkout(workspace, "t.csv@1", to=workspace.root / "out")
    checkout(workspace, "t.csv@1", to=workspace.root / "out/other.csv")
    assert contents(workspace.root / "out") == {"t.csv": b"1", "other.csv": b"1"}
    file.unlink()
    checkout(workspace, "t.csv")
    assert file.read_bytes() == b"22"


def test_a_file_and_a_folder_take_each_others_place(workspace: Workspace) -> None:
    """Where the earlier version has a folder, the later one has a file of that name."""
    folder = write(workspace.root / "d", {"x/y/z": b"1"})
    add(workspace, folder)
    for path in ("x/y/z",):
        (folder / path).unlink()
    (folder / "x/y").rmdir()
    (folder / "x").rmdir()
    write(folder, {"x": b"file"})
    add(workspace, folder)
    for number, files in ((1, {"x/y/z": b"1"}), (2, {"x": b"file"}), (1, {"x/y/z": b"1"})):
        checkout(workspace, f"d@{number}")
        assert contents(folder) == files


def test_nothing_is_written_through_a_link(two: Workspace) -> None:
    """A folder that was replaced by a link would lead files out of the item."""
    folder = two.root / "d"
    outside = write(two.root / "outside", {})
    for name in contents(folder):
        (folder / name).unlink()
    (folder / "b").rmdir()
    (folder / "b").symlink_to(outside)
    with pytest.raises(SourceError, match="is a link"):
        checkout(two, "d@1")
    assert contents(outside) == {}


def test_a_restricted_version_is_not_handed_out(two: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a checkout is in the trail."""
    version = two.ledger.items.get("d@1")
    checkout(two, "d@1")
    (event,) = two.ledger.access.log(version.digest)
    assert (event.what, event.details["verb"], event.details["name"]) == (access.READ, "checkout", "d@1")
    monkeypatch.setattr(access, "account", lambda: "ana")
    two.ledger.access.restrict(version.digest, ["ana"], why="patients", name="d@1")
    monkeypatch.setattr(access, "account", lambda: "eve")
    with pytest.raises(AccessError, match="eve may not read d@1"):
        checkout(two, "d@1", to=two.root / "out")
    assert not (two.root / "out").exists()


def test_a_version_that_is_not_there_is_told(two: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """With those that are; an item may also be named by its path."""
    with pytest.raises(NotFound, match="1 to 2"):
        checkout(two, "d@9")
    with pytest.raises(NotFound, match="data item 'nothing'"):
        checkout(two, "nothing")
    monkeypatch.chdir(two.root)
    checkout(two, "./d@1")
