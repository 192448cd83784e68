"""What has changed on the disk."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from penstock.data.items import index, state
from penstock.data.items.adding import add
from penstock.data.items.state import states
from penstock.project.workspace import Workspace

from .folders import write


@pytest.fixture
def folder(workspace: Workspace) -> Path:
    folder = write(workspace.root / "d", {"a": b"1", "b/c": b"22", "e": b"4"})
    add(workspace, folder)
    return folder


def test_what_is_new_changed_and_gone_is_named(workspace: Workspace, folder: Path) -> None:
    """Also a file of the same size and time, and one that may now be run."""
    assert states(workspace).exit_code == 0
    (folder / "e").unlink()
    write(folder, {"a": b"9", "new": b"5"})
    (folder / "b/c").chmod(0o755)
    (found,) = states(workspace).items
    assert (found.state, found.added, found.changed, found.removed) == ("changed", ("new",), ("a", "b/c"), ("e",))
    assert states(workspace).exit_code == 1
    assert "~ a" in states(workspace).to_text()


def test_what_is_absent_is_told(workspace: Workspace) -> None:
    """A file that is gone, and a folder where a file was."""
    file = write(workspace.root, {"t": b"1"}) / "t"
    add(workspace, file)
    file.unlink()
    assert states(workspace).items[0].state == "absent"
    file.mkdir()
    assert states(workspace, ["t"]).items[0].state == "absent"


def test_settled_files_are_not_read_again(workspace: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once their times are older than a tick of the file system; a damaged or lost index costs a look only."""
    monkeypatch.setattr(index, "SETTLED_NS", -(10**12))
    assert states(workspace).exit_code == 0

    def read(*_: object) -> str:
        raise AssertionError("read again")

    with monkeypatch.context() as patch:
        patch.setattr(state, "digest_of_file", read)
        add(workspace, folder)
        assert states(workspace).exit_code == 0
    (file,) = (workspace.state / "data").iterdir()
    for damage in (b"{", json.dumps({"format": 99}).encode(), b'{"format":1,"digest":"x"}'):
        file.write_bytes(damage)
        assert states(workspace).exit_code == 0
    file.unlink()
    assert states(workspace).exit_code == 0


def test_a_change_within_one_tick_is_seen(workspace: Workspace, folder: Path) -> None:
    """Right after the add, with the same size and the same time as before."""
    before = os.stat(folder / "a")
    (folder / "a").write_bytes(b"7")
    os.utime(folder / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert states(workspace).items[0].changed == ("a",)


def test_nothing_is_kept_yet(workspace: Workspace) -> None:
    """An empty list, with what to do."""
    assert states(workspace).exit_code == 0
    assert "penstock data add" in states(workspace).to_text()


@pytest.mark.slow
def test_twenty_thousand_files_are_looked_at_quickly(workspace: Workspace) -> None:
    """The second look reads no file: CPU time of this process, so that others do not count."""
    folder = write(workspace.root / "d", {f"{i % 100}/{i}": b"x" for i in range(20_000)})
    add(workspace, folder)
    time.sleep(2.1)
    states(workspace)
    began = time.process_time()
    assert states(workspace).exit_code == 0
    assert time.process_time() - began < 0.3
