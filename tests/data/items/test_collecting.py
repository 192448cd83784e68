"""Only what nothing leads to goes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.data.items import collecting
from penstock.data.items.adding import add
from penstock.data.items.collecting import collect
from penstock.data.items.verifying import verify
from penstock.errors import DamagedStore
from penstock.objects.local import LocalStore
from penstock.objects.tree import entries_of, store_tree
from penstock.project.workspace import Workspace

from .folders import table, write


def age(workspace: Workspace, *digests: str) -> None:
    """Let objects be old; by default all."""
    assert isinstance(workspace.objects, LocalStore)
    for digest in digests or tuple(workspace.objects.digests()):
        os.utime(workspace.objects.path_of(digest), (1, 1))


def test_versions_runs_models_and_the_trash_keep_what_they_need(workspace: Workspace) -> None:
    """Everything that the ledger knows, to the last object; what it does not know goes, with --yes only."""
    ledger, objects = workspace.ledger, workspace.objects
    folder = write(workspace.root / "d", {"a": b"1", "t.csv": table(60_000)})
    add(workspace, folder)
    write(folder, {"a": b"2"})
    add(workspace, folder)
    with ledger.run("fit", inputs={"data": objects.put(b"input")}) as run:
        run.keep("model", b"bytes")
        run.keep("list", ('{"inner": "' + objects.put(b"inner") + '"}').encode(), media="application/json")
    ledger.delete([run.id])
    queued = ledger.enqueue("job", params={}, inputs={}, spec={"source": objects.put(b"source of a queued run")})
    ledger.registry.register("bank", run.id, objects.put(b"bundle"), passed=True, dataset=objects.put(b"data"))
    needed = set(objects.digests())
    loose = {
        objects.put(b"nothing names this"),
        store_tree(objects, entries_of(write(workspace.root / "x", {"y": b"z"}))),
    }
    age(workspace)
    planned = collect(workspace)
    assert (planned.planned, planned.objects, planned.kept) == (True, 3, len(needed))
    assert loose <= set(objects.digests())
    assert collect(workspace, dry=False).objects == 3
    assert set(objects.digests()) == needed
    assert verify(workspace).exit_code == 0
    assert ledger.get(queued).status == "queued"


def test_what_is_young_stays(workspace: Workspace) -> None:
    """It may belong to something that is about to be recorded; so does what was stored again."""
    objects = workspace.objects
    digest, again = objects.put(b"in flight"), objects.put(b"again")
    age(workspace, again)
    objects.put(b"again")
    done = collect(workspace, dry=False)
    assert (done.objects, done.young) == (0, 2)
    assert objects.has(digest)
    assert collect(workspace, grace_s=-60, dry=False).objects == 2


def test_what_is_recorded_while_it_looks_is_kept(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """An add that ends between the look at the objects and the look at the ledger."""
    folder = write(workspace.root / "d", {"a": b"1"})
    looked = collecting.mentioned_objects

    def adding(*arguments: object, **more: object) -> set[str]:
        add(workspace, folder)
        age(workspace)
        return looked(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(collecting, "mentioned_objects", adding)
    assert collect(workspace, dry=False).objects == 0
    assert verify(workspace).exit_code == 0


def test_a_version_that_uses_an_old_object_while_it_goes_is_whole(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that finds its bytes stored already, just before they would have gone."""
    folder = write(workspace.root / "d", {"a": b"1"})
    store_tree(workspace.objects, entries_of(folder), cut=True)
    age(workspace)
    looked = collecting.mentioned_objects

    def adding(*arguments: object, **more: object) -> set[str]:
        needed = looked(*arguments, **more)  # type: ignore[arg-type]
        add(workspace, folder)
        return needed

    monkeypatch.setattr(collecting, "mentioned_objects", adding)
    assert collect(workspace, dry=False).objects == 0
    assert verify(workspace).exit_code == 0


def test_a_damaged_list_stops_it(workspace: Workspace) -> None:
    """What it leads to cannot be told, so nothing is removed."""
    version = add(workspace, write(workspace.root / "d", {"a": b"1"})).version
    loose = workspace.objects.put(b"loose")
    age(workspace)
    assert isinstance(workspace.objects, LocalStore)
    path = workspace.objects.path_of(version.digest)
    path.write_bytes(path.read_bytes().replace(b"tree", b"TREE"))
    with pytest.raises(DamagedStore):
        collect(workspace, dry=False)
    assert workspace.objects.has(loose)


def test_what_died_writing_is_swept(workspace: Workspace) -> None:
    """Unfinished files, once they are older than the grace."""
    assert isinstance(workspace.objects, LocalStore)
    digest = workspace.objects.put(b"1")
    left: Path = workspace.objects.path_of(digest).with_name(".x.1234.unfinished")
    left.write_bytes(b"half")
    assert collect(workspace, dry=False).unfinished == 0
    os.utime(left, (1, 1))
    assert collect(workspace, dry=False).unfinished == 1
