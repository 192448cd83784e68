"""Versions that are removed, brought back, and forgotten."""

from __future__ import annotations

import pytest

from penstock.data.items.adding import add
from penstock.data.items.checkout import checkout
from penstock.data.items.collecting import collect
from penstock.data.items.removing import remove, restore
from penstock.data.items.state import states
from penstock.data.items.verifying import verify
from penstock.errors import AccessError, BadParameter, NotFound
from penstock.ledger import access
from penstock.project.workspace import Workspace

from .folders import contents, stored_bytes, table, write


@pytest.fixture
def three(workspace: Workspace) -> Workspace:
    """An item with three versions that share little, on the disk as the last one."""
    for number in range(1, 4):
        add(workspace, write(workspace.root / "d", {"a": table(20_000, number * 10**6), "n": b"%d" % number}))
    return workspace


def numbers(workspace: Workspace, name: str = "d") -> list[int]:
    return [version.number for version in workspace.ledger.items.log(name)]


def test_a_removed_version_is_forgotten_with_time_and_its_bytes_are_freed(three: Workspace) -> None:
    """With --yes only; the others are as they were, and what is on the disk too."""
    before = stored_bytes(three)
    planned = remove(three, "d@2")
    assert (planned.planned, [v.reference for v in planned.versions], planned.left) == (True, ["d@2"], 2)
    assert numbers(three) == [3, 2, 1]
    digest = three.ledger.items.get("d@2").digest
    removed = remove(three, "d@2", why="by mistake", dry=False)
    assert not removed.planned
    assert "1 version of d is removed; 2 stay" in removed.to_text()
    assert "`penstock data restore d@2` brings it back" in removed.to_text()
    assert "removed 30 days ago" in removed.to_text()
    assert numbers(three) == [3, 1]
    with pytest.raises(NotFound, match=r"(?s)'d@2' was removed.*penstock data restore d@2"):
        three.ledger.items.get("d@2")
    kept = collect(three, grace_s=0, dry=False)
    assert (kept.objects, kept.forgotten, three.objects.has(digest)) == (0, (), True)
    planned_gc = collect(three, grace_s=0, removed_days=0)
    done = collect(three, grace_s=0, removed_days=0, dry=False)
    assert (planned_gc.objects, planned_gc.forgotten) == (done.objects, done.forgotten)
    assert done.objects > 1
    assert done.forgotten == ("d@2",)
    with pytest.raises(NotFound, match="no version '2' of 'd'"):
        three.ledger.items.get("d@2")
    assert 0.6 * before < stored_bytes(three) < 0.7 * before
    assert not three.objects.has(digest)
    assert verify(three).exit_code == 0
    for number in (1, 3):
        checkout(three, f"d@{number}", to=three.root / f"out{number}")
        assert contents(three.root / f"out{number}")["n"] == b"%d" % number
    assert states(three).exit_code == 0
    told = {event.what: event for event in three.ledger.audit.events() if event.subject == "d@2"}
    assert told["remove data"].details["why"] == "by mistake"
    assert told["remove data"].details["digest"] == told["forget data"].details["digest"] == digest


def test_what_was_removed_by_mistake_comes_back_as_it_was(three: Workspace) -> None:
    """The same number, files and digest; one version, or all of an item; the audit trail tells of it."""
    before = three.ledger.items.log()
    remove(three, "d@2", dry=False)
    assert [v.reference for v in restore(three, "d@2", why="needed after all").versions] == ["d@2"]
    assert three.ledger.items.log() == before
    remove(three, "d", dry=False)
    assert add(three, three.root / "d").version.number == 4
    collect(three, grace_s=0, dry=False)
    assert len(restore(three, "d").versions) == 3
    assert numbers(three) == [4, 3, 2, 1]
    checkout(three, "d@1", to=three.root / "out")
    assert contents(three.root / "out")["n"] == b"1"
    assert verify(three).exit_code == 0
    events = [e for e in three.ledger.audit.events() if e.what == "restore data"]
    assert sorted(event.details["why"] for event in events) == ["", "", "", "needed after all"]


def test_only_what_is_in_the_bin_comes_back(three: Workspace) -> None:
    """Not what is there, what never was, or what was forgotten; nor a folder whose name is a file's now."""
    for reference in ("d@1", "d", "other"):
        with pytest.raises(NotFound, match="in the bin"):
            restore(three, reference)
    remove(three, "d@1", dry=False)
    with pytest.raises(NotFound, match=r"(?s)no version '7'.*--removed"):
        restore(three, "d@7")
    collect(three, removed_days=0, dry=False)
    with pytest.raises(NotFound, match="in the bin"):
        restore(three, "d@1")
    remove(three, "d", dry=False)
    (three.root / "file").write_bytes(b"x")
    add(three, three.root / "file", name="d")
    with pytest.raises(BadParameter, match=r"(?s)d@3 is a folder, and d@4 is a file"):
        restore(three, "d")
    assert numbers(three) == [4]


def test_damage_to_a_removed_version_is_told(three: Workspace) -> None:
    """What can be brought back is worth as much as what is there."""
    digest = three.ledger.items.get("d@2").digest
    remove(three, "d@2", dry=False)
    three.objects.delete(digest)
    assert [hurt.name for hurt in verify(three).hurt] == ["d@2 (removed)"]


def test_the_number_of_a_forgotten_version_is_not_given_again(three: Workspace) -> None:
    """A note that speaks of version 3 never means another one; of an item that is gone neither."""
    remove(three, "d@3", dry=False)
    assert states(three, ["d"]).items[0].version.number == 2
    assert add(three, three.root / "d").version.number == 4
    remove(three, "d", dry=False)
    assert three.ledger.items.names() == []
    assert states(three).items == []
    with pytest.raises(NotFound):
        remove(three, "d")
    assert add(three, three.root / "d").version.number == 5


def test_an_item_goes_with_all_its_versions_by_name_or_path(three: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing of it is left after the collection."""
    monkeypatch.chdir(three.root / "d")
    assert len(remove(three, ".").versions) == 3
    assert remove(three, "../d", dry=False).left == 0
    assert len(restore(three, ".").versions) == 3
    assert remove(three, "../d", dry=False).left == 0
    collect(three, grace_s=0, removed_days=0, dry=False)
    assert list(three.objects.digests()) == []
    assert len(contents(three.root / "d")) == 2


def test_what_a_run_took_stays(three: Workspace) -> None:
    """A run can be made again from the version that it names."""
    version = three.ledger.items.get("d@1")
    with three.ledger.run("fit", inputs={"data": version.digest}):
        pass
    remove(three, "d", dry=False)
    collect(three, grace_s=0, removed_days=0, dry=False)
    assert three.objects.has(version.digest)
    assert verify(three).exit_code == 0


def test_a_version_that_is_restricted_to_others_is_not_theirs_to_remove(
    three: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor the item that has it; and the restriction outlives the version, should its bytes be added again."""
    version = three.ledger.items.get("d@2")
    monkeypatch.setattr(access, "account", lambda: "ana")
    three.ledger.access.restrict(version.digest, ["ana"], why="patients")
    monkeypatch.setattr(access, "account", lambda: "eve")
    for reference in ("d@2", "d"):
        with pytest.raises(AccessError, match="eve may not"):
            remove(three, reference, dry=False)
    assert numbers(three) == [3, 2, 1]
    monkeypatch.setattr(access, "account", lambda: "ana")
    remove(three, "d@2", dry=False)
    monkeypatch.setattr(access, "account", lambda: "eve")
    with pytest.raises(AccessError, match="eve may not"):
        restore(three, "d@2")
    collect(three, grace_s=0, removed_days=0, dry=False)
    assert not three.objects.has(version.digest)
    assert three.ledger.access.of(version.digest) is not None
