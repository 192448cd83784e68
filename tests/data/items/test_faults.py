"""Adds that are killed, that meet, and that find no room; and stores that are not a folder."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from penstock.data.items.adding import add
from penstock.data.items.checkout import checkout
from penstock.data.items.collecting import collect
from penstock.data.items.state import states
from penstock.data.items.verifying import verify
from penstock.errors import StoreFull
from penstock.objects.tree import packs as packing
from penstock.project.workspace import Workspace

from .folders import contents, stored_bytes, table, write

CALLS = ("fsync", "replace", "rename", "utime", "open", "unlink")


def killed_at(number: int, work: Callable[[], object]) -> bool:
    """Do something in a process that is killed by SIGKILL at its n-th call of the system that changes files; whether it was."""
    child = os.fork()
    if child == 0:
        left = number

        def counted(real: Callable[..., object]) -> Callable[..., object]:
            def call(*arguments: object, **more: object) -> object:
                nonlocal left
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*arguments, **more)

            return call

        for name in CALLS:
            setattr(os, name, counted(getattr(os, name)))
        try:
            work()
        except BaseException:  # noqa: BLE001 - the child must end here, whatever happens
            os._exit(9)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the child failed by itself"
    return os.WIFSIGNALED(status)


def test_an_add_that_is_killed_anywhere_leaves_all_or_nothing_and_goes_on(tmp_path: Path) -> None:
    """At every call that changes a file: the version is there in full or not at all, and the next add makes it."""
    root = tmp_path / "work"
    files = {f"{i}.txt": f"{i}".encode() * 50 for i in range(20)} | {"t.csv": table(60_000)}
    folder = write(root / "d", files)
    Workspace(root).ledger.close()
    packs = packing.PACK_BYTES
    packing.PACK_BYTES = 300_000
    try:
        number = 0
        while killed_at(number, lambda: add(Workspace(root), folder)):
            number += 1
            workspace = Workspace(root)
            for version in workspace.ledger.items.log():
                checkout(workspace, version.reference, to=tmp_path / f"out{number}")
                assert contents(tmp_path / f"out{number}") == files
            workspace.ledger.close()
        assert number > 5
        workspace = Workspace(root)
        assert [v.number for v in workspace.ledger.items.log()] == [1]
        assert verify(workspace).exit_code == 0
        assert collect(workspace, grace_s=0).objects == 0, "nothing that was stored before a death was stored in vain"
    finally:
        packing.PACK_BYTES = packs


def test_a_checkout_that_is_killed_anywhere_goes_on(tmp_path: Path) -> None:
    """Every file is of one version or of the other, and the same command ends it."""
    root = tmp_path / "work"
    first = {"a": b"1", "b/c": b"2", "t.csv": table(60_000)}
    folder = write(root / "d", first)
    workspace = Workspace(root)
    add(workspace, folder)
    second = {"a": b"22", "b/c": b"33", "e": b"4", "t.csv": table(60_500)}
    write(folder, second)
    add(workspace, folder)
    workspace.ledger.close()
    number = 0
    while killed_at(number, lambda: checkout(Workspace(root), "d@1")):
        number += 1
        for path, data in contents(folder).items():
            if not path.rpartition("/")[2].endswith(".unfinished"):
                assert data in (first.get(path), second.get(path)), path
    assert number > 3
    assert {p: d for p, d in contents(folder).items() if not p.endswith(".unfinished")} == first


def test_what_was_stored_before_a_death_is_not_stored_again(tmp_path: Path) -> None:
    """The second attempt writes only what is missing."""
    root = tmp_path / "work"
    file = write(root, {"big": os.urandom(3_000_000)}) / "big"
    Workspace(root).ledger.close()
    packs = packing.PACK_BYTES
    packing.PACK_BYTES = 500_000
    try:
        number = 0
        while killed_at(number, lambda: add(Workspace(root), file)):
            stored = {p: p.stat().st_mtime_ns for p in (root / ".penstock/objects").glob("??/*") if p.name[0] != "."}
            if len(stored) >= 3:
                break
            number += 1
        workspace = Workspace(root)
        add(workspace, file)
        assert all(path.stat().st_mtime_ns == time for path, time in stored.items())
        assert stored_bytes(workspace) < 3_200_000
    finally:
        packing.PACK_BYTES = packs


def test_adds_at_once_are_versions_of_their_own(tmp_path: Path) -> None:
    """Of one item one after the other; the same content twice is one version."""
    root = tmp_path / "work"
    folder = write(root / "d", {"a": b"1"})
    for i in range(6):
        write(root, {f"f{i}": table(2_000 + i % 3)})
    Workspace(root).ledger.close()

    def one(i: int) -> int:
        workspace = Workspace(root)
        add(workspace, folder)
        return add(workspace, root / f"f{i}", name="f").version.number

    with ThreadPoolExecutor(6) as pool:
        numbers = list(pool.map(one, range(6)))
    workspace = Workspace(root)
    log = workspace.ledger.items.log("f")
    assert [v.number for v in log] == list(range(len(log), 0, -1))
    assert 3 <= len(log) <= 6
    assert set(numbers) <= {v.number for v in log}
    assert len(workspace.ledger.items.log("d")) == 1
    assert verify(workspace).exit_code == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", place], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_is_told_and_hurts_nothing(small_disk: Path, tmp_path: Path) -> None:
    """What was kept before is whole, nothing is recorded, and with room the same command works."""
    root = small_disk / "work"
    big = write(tmp_path, {"big": os.urandom(4_000_000)}) / "big"
    small = write(root, {"small": b"1"}) / "small"
    workspace = Workspace(root)
    add(workspace, small)
    with pytest.raises(StoreFull, match=r"(?s)no space left.*free some space"):
        add(workspace, big)
    assert [v.reference for v in workspace.ledger.items.log()] == ["small@1"]
    assert verify(workspace).exit_code == 0
    big.write_bytes(os.urandom(400_000))
    assert add(workspace, big).version.number == 1


def test_a_checkout_without_room_says_so(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that was there stays as it was."""
    file = write(workspace.root, {"t": b"1" * 1000}) / "t"
    add(workspace, file)
    write(workspace.root, {"t": b"2"})
    add(workspace, file)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreFull):
        checkout(workspace, "t@1")
    monkeypatch.undo()
    assert contents(workspace.root)["t"] == b"2"
    assert [p for p in os.listdir(workspace.root) if "unfinished" in p] == []


def test_a_bucket_is_a_store_like_a_folder(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adding, the next version, status, verifying, collecting and checking out, over the S3 protocol."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        for name, value in {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ALLOW_HTTP": "true",
            "PENSTOCK_OBJECTS": "s3://penstock/data",
        }.items():
            monkeypatch.setenv(name, value)
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
        client.create_bucket(Bucket="penstock")
        files = {f"{i}": str(i).encode() for i in range(50)} | {"t.csv": table(60_000)}
        folder = write(workspace.root / "d", files)
        add(workspace, folder)
        before = stored_bytes(workspace)
        write(folder, {"t.csv": table(60_600)})
        assert add(workspace, folder).new_bytes < 0.1 * before
        assert states(workspace).exit_code == 0
        assert verify(workspace).exit_code == 0
        workspace.objects.put(b"loose")
        assert collect(workspace, dry=False).young == 1
        assert collect(workspace, grace_s=-60, dry=False).objects == 1
        checkout(workspace, "d@1")
        assert contents(folder) == files
        assert not (workspace.state / "objects").exists()
    finally:
        server.stop()
