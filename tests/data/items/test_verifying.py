"""Damage is found, told with what it hurts, and healed from the files where they are still there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.data.items.adding import add
from penstock.data.items.checkout import checkout
from penstock.data.items.verifying import verify
from penstock.errors import DamagedStore, NotFound
from penstock.objects.local import LocalStore
from penstock.objects.tree import read_tree
from penstock.project.workspace import Workspace

from .folders import contents, table, write


@pytest.fixture
def folder(workspace: Workspace) -> Path:
    folder = write(workspace.root / "d", {"a": b"1", "t.csv": table(60_000)})
    add(workspace, folder)
    return folder


def packs(workspace: Workspace) -> list[Path]:
    """The objects of the store but for manifests, largest first."""
    assert isinstance(workspace.objects, LocalStore)
    files = [workspace.objects.path_of(digest) for digest in workspace.objects.digests()]
    return sorted((f for f in files if f.read_bytes()[:1] != b"{"), key=lambda f: -f.stat().st_size)


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def test_a_store_without_damage_says_so(workspace: Workspace, folder: Path) -> None:
    """All objects, or those of one version."""
    found = verify(workspace)
    assert (found.exit_code, found.objects) == (0, len(list(workspace.objects.digests())))
    assert verify(workspace, "d@1").exit_code == 0
    with pytest.raises(NotFound):
        verify(workspace, "other")


def test_a_flipped_bit_is_told_with_the_versions_and_files_that_it_hurts(workspace: Workspace, folder: Path) -> None:
    """Both versions that share the pack, and a run that kept it; not the item beside."""
    write(folder, {"a": b"22"})
    add(workspace, folder)
    add(workspace, write(workspace.root, {"other": b"fine"}) / "other")
    (pack, *_) = packs(workspace)
    with workspace.ledger.run("fit") as run:
        run.keep("copy", pack)
    flip(pack)
    found = verify(workspace)
    digest = f"sha256:{pack.parent.name}{pack.name}"
    assert found.wrong == {digest: "damaged"}
    assert {(h.kind, h.name) for h in found.hurt} == {("item", "d@1"), ("item", "d@2"), ("run", run.id)}
    assert "t.csv" in found.hurt[0].files
    assert found.exit_code == 1
    assert "damaged" in found.to_text()
    assert verify(workspace, "other").exit_code == 0
    with pytest.raises(DamagedStore):
        checkout(workspace, "d@1", to=workspace.root / "out")


def test_what_a_run_or_a_model_kept_and_is_gone_is_told(workspace: Workspace) -> None:
    """Not what is damaged alone: once that is discarded, the run lacks it still."""
    with workspace.ledger.run("fit") as run:
        page = run.keep("page", b"a page")
        bundle = run.keep("bundle", b"a bundle")
    workspace.ledger.registry.register("shop", run.id, bundle, passed=True, dataset=page)
    assert verify(workspace).exit_code == 0
    for digest in (page, bundle):
        workspace.objects.delete(digest)
    found = verify(workspace)
    assert found.wrong == {page: "missing", bundle: "missing"}
    assert [(h.kind, h.name) for h in found.hurt] == [("model", "shop@1"), ("run", run.id)]


def test_what_is_discarded_is_made_again_from_the_files(workspace: Workspace, folder: Path) -> None:
    """The pack has the same bytes, so that the version is whole again."""
    for file in packs(workspace):
        flip(file)
    assert verify(workspace, discard=True).discarded == len(packs(workspace)) + 1
    lost = verify(workspace)
    assert {h.name for h in lost.hurt} == {"d@1"}
    assert "penstock data add" in lost.to_text()
    again = add(workspace, folder)
    assert (again.known, again.healed) == (True, len(lost.wrong))
    assert "stored again" in again.to_text()
    assert add(workspace, folder).healed == 0
    assert verify(workspace).exit_code == 0
    checkout(workspace, "d@1", to=workspace.root / "out")
    assert contents(workspace.root / "out") == contents(folder)


def test_a_lost_pack_that_cannot_be_made_again_gives_a_new_version(workspace: Workspace, folder: Path) -> None:
    """The files have changed since: what they hold now is kept, the old version stays hurt."""
    for file in packs(workspace):
        file.unlink()
    write(folder, {"a": b"new"})
    assert add(workspace, folder).version.number == 2
    checkout(workspace, "d@2", to=workspace.root / "out")
    assert contents(workspace.root / "out") == contents(folder)
    found = verify(workspace)
    assert {h.name for h in found.hurt} == {"d@1"}
    assert set(found.wrong.values()) == {"missing"}


def test_files_that_are_brought_back_make_an_older_version_whole(workspace: Workspace, folder: Path) -> None:
    """Versions after it share its packs, and are whole again with it."""
    before = contents(folder)
    write(folder, {"new": b"another"})
    add(workspace, folder)
    for file in packs(workspace):
        file.unlink()
    write(folder, {"a": b"changed"})
    add(workspace, folder)
    assert {h.name for h in verify(workspace).hurt} == {"d@1", "d@2"}
    (folder / "new").unlink()
    write(folder, before)
    assert add(workspace, folder).healed
    assert verify(workspace).exit_code == 0
    checkout(workspace, "d@1", to=workspace.root / "out")
    assert contents(workspace.root / "out") == before


def test_a_lost_list_is_told_and_a_new_version_made(workspace: Workspace, folder: Path) -> None:
    """Nothing says any more what the version held; its packs are found again by their bytes."""
    version = workspace.ledger.items.get("d")
    assert isinstance(workspace.objects, LocalStore)
    flip(workspace.objects.path_of(version.digest))
    found = verify(workspace)
    assert [(h.name, h.objects) for h in found.hurt] == [("d@1", (version.digest,))]
    with pytest.raises(DamagedStore):
        add(workspace, folder)
    verify(workspace, discard=True)
    assert add(workspace, folder).version.digest == version.digest
    assert verify(workspace).exit_code == 0


def test_truncated_and_empty_objects_are_damage(workspace: Workspace, folder: Path) -> None:
    """What a file system may leave after a power cut."""
    for size in (0, 100):
        (pack, *_) = packs(workspace)
        os.truncate(pack, size)
        assert verify(workspace).exit_code == 1
        verify(workspace, discard=True)
        add(workspace, folder)
        assert verify(workspace).exit_code == 0


@pytest.mark.parametrize("how", ["damaged", "missing"])
def test_a_part_of_the_list_of_many_files_is_told_and_made_again(workspace: Workspace, how: str) -> None:
    """The list itself is whole; the version is named, and `data add` stores the part anew."""
    folder = write(workspace.root / "d", {f"{i % 5}/{i}": b"%d" % i for i in range(1200)})
    version = add(workspace, folder).version
    part = read_tree(workspace.objects, version.digest).parts[0]
    path = workspace.objects.path_of(part)  # type: ignore[attr-defined]
    if how == "damaged":
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    else:
        path.unlink()
    found = verify(workspace, discard=True)
    assert (found.exit_code, found.wrong) == (1, {part: how})
    assert [(one.kind, one.name, one.objects) for one in found.hurt] == [("item", "d@1", (part,))]
    add(workspace, folder)
    assert verify(workspace).exit_code == 0
