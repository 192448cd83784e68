"""Versions that are forgotten."""

from __future__ import annotations

import pytest

from penstock.data.items.adding import add
from penstock.data.items.checkout import checkout
from penstock.data.items.collecting import collect
from penstock.data.items.removing import remove
from penstock.data.items.state import states
from penstock.data.items.verifying import verify
from penstock.errors import AccessError, NotFound
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


def test_a_version_is_forgotten_and_its_bytes_are_freed(three: Workspace) -> None:
    """With --yes only; the others are as they were, and what is on the disk too."""
    before = stored_bytes(three)
    planned = remove(three, "d@2")
    assert (planned.planned, [v.reference for v in planned.versions], planned.left) == (True, ["d@2"], 2)
    assert numbers(three) == [3, 2, 1]
    digest = three.ledger.items.get("d@2").digest
    assert not remove(three, "d@2", why="by mistake", dry=False).planned
    assert numbers(three) == [3, 1]
    with pytest.raises(NotFound, match="no version '2' of 'd'"):
        three.ledger.items.get("d@2")
    assert collect(three, grace_s=0, dry=False).objects > 1
    assert 0.6 * before < stored_bytes(three) < 0.7 * before
    assert not three.objects.has(digest)
    assert verify(three).exit_code == 0
    for number in (1, 3):
        checkout(three, f"d@{number}", to=three.root / f"out{number}")
        assert contents(three.root / f"out{number}")["n"] == b"%d" % number
    assert states(three).exit_code == 0
    (event,) = [event for event in three.ledger.audit.events() if event.what == "remove data"]
    assert (event.subject, event.details["digest"], event.details["why"]) == ("d@2", digest, "by mistake")


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
    collect(three, grace_s=0, dry=False)
    assert list(three.objects.digests()) == []
    assert len(contents(three.root / "d")) == 2


def test_what_a_run_took_stays(three: Workspace) -> None:
    """A run can be made again from the version that it names."""
    version = three.ledger.items.get("d@1")
    with three.ledger.run("fit", inputs={"data": version.digest}):
        pass
    remove(three, "d", dry=False)
    collect(three, grace_s=0, dry=False)
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
    collect(three, grace_s=0, dry=False)
    assert not three.objects.has(version.digest)
    assert three.ledger.access.of(version.digest) is not None
