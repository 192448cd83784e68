"""Runs leave with no version of the data that whoever exports them may not read."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from penstock.data.items.adding import add
from penstock.errors import AccessError
from penstock.experiments.keeping.archive import export_runs
from penstock.experiments.looking.carried import ask_for_carried
from penstock.experiments.looking.open_files import open_files, read_file
from penstock.experiments.reproducing.reproduce import reproduce_script
from penstock.ledger import access
from penstock.objects.digests import digest_of
from penstock.project.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "work" / "d").mkdir(parents=True)
    for name in ("a.csv", "b.csv"):
        (tmp_path / "work" / "d" / name).write_text(name, encoding="utf-8")
    return Workspace(tmp_path / "work")


def test_each_version_that_a_run_took_by_whatever_name_is_asked_for(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its data set, another one that it compared with, an item; each in the trail, and each refused where it is restricted."""
    ledger, objects = workspace.ledger, workspace.objects
    item = add(workspace, workspace.root / "d").version
    own, other = objects.put(b"own"), objects.put(b"other")
    for digest in (own, other):
        ledger.datasets.add(digest, None, {})
    inputs = {"dataset": own, "compared": {"with": other}, "data": item.digest}
    with ledger.run("fit", inputs=inputs) as run:
        pass
    export_runs(workspace, [run.id], tmp_path / "free.zip")
    read = {e.subject for e in ledger.access.log() if e.what == access.READ and e.details["verb"] == "export"}
    assert read == {own, other, item.digest}
    for number, digest in enumerate(sorted(read)):
        monkeypatch.setattr(access, "account", lambda: "ana")
        ledger.access.restrict(digest, ["ana"], why="patients")
        monkeypatch.setattr(access, "account", lambda: "eve")
        with pytest.raises(AccessError, match="eve may not read"):
            export_runs(workspace, [run.id], tmp_path / f"{number}.zip")
        assert not (tmp_path / f"{number}.zip").exists()
        monkeypatch.setattr(access, "account", lambda: "ana")
        ledger.access.unrestrict(digest, why="over")
    export_runs(workspace, [run.id], tmp_path / "again.zip")
    assert zipfile.is_zipfile(tmp_path / "again.zip")


def test_a_run_that_read_one_file_of_a_restricted_item_stays(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known by the digest of the file; a run that read another file may go."""
    ledger = workspace.ledger
    item = add(workspace, workspace.root / "d").version
    runs = []
    for text in (b"a.csv", b"something else"):
        with ledger.run("script", inputs={"files": {"read.csv": digest_of(text)}}) as run:
            runs.append(run.id)
    monkeypatch.setattr(access, "account", lambda: "ana")
    ledger.access.restrict(item.digest, ["ana"], why="patients")
    monkeypatch.setattr(access, "account", lambda: "eve")
    with pytest.raises(AccessError, match="eve may not read d@1"):
        ask_for_carried(workspace, [ledger.get(run) for run in runs])
    export_runs(workspace, runs[1:], tmp_path / "other.zip")


def test_files_of_such_a_run_are_neither_shown_nor_used_again(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it read and what it wrote; its source is code. Who may read the version may see them, and the trail tells it."""
    ledger = workspace.ledger
    item = add(workspace, workspace.root / "d").version
    inputs = {"files": {"read.csv": digest_of(b"a.csv")}, "target": {"kind": "script", "path": "s.py"}}
    with ledger.run("s.py", inputs=inputs) as run:
        run.output("kind", "script")
        run.keep("rows.csv", b"a.csv")
    monkeypatch.setattr(access, "account", lambda: "ana")
    ledger.access.restrict(item.digest, ["ana"], why="patients")
    monkeypatch.setattr(access, "account", lambda: "eve")
    with pytest.raises(AccessError, match="eve may not read d@1"):
        read_file(workspace, run.id, "rows.csv")
    with pytest.raises(AccessError, match="eve may not read d@1"):
        open_files(workspace, run.id, what="input", into=tmp_path / "out", show=False)
    assert not (tmp_path / "out").exists()
    with pytest.raises(AccessError, match="eve may not read d@1"):
        reproduce_script(workspace, ledger.get(run.id), into=tmp_path / "again")
    assert not (tmp_path / "again").exists()
    monkeypatch.setattr(access, "account", lambda: "ana")
    assert read_file(workspace, run.id, "rows.csv")[1] == b"a.csv"
    assert [event.what for event in ledger.access.log()] == [access.READ, *[access.REFUSED] * 3, "restrict data"]
