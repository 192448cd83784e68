"""The local store: the contract, and what can go wrong with a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from penstock.errors import DamagedStore, NotFound, SourceError, StoreFull
from penstock.objects import local
from penstock.objects.digests import digest_of
from penstock.objects.local import LocalStore
from penstock.testing.object_store import ObjectStoreContract


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "objects")


class TestLocalStore(ObjectStoreContract):
    """The contract in a local folder."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalStore:
        return LocalStore(tmp_path / "objects")


def test_a_flipped_bit_is_noticed(store: LocalStore, tmp_path: Path) -> None:
    """Damaged bytes are never returned, and never written to a file."""
    digest = store.put(b"model")
    store.path_of(digest).write_bytes(b"mOdel")
    with pytest.raises(DamagedStore, match=digest):
        store.get(digest)
    with pytest.raises(DamagedStore, match=digest):
        store.get_file(digest, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_putting_a_truncated_object_again_heals_it(store: LocalStore) -> None:
    """A file of the wrong length is not taken for the object."""
    digest = store.put(b"model")
    store.path_of(digest).write_bytes(b"mo")
    store.put(b"model")
    assert store.get(digest) == b"model"


def test_a_file_that_changes_while_it_is_stored_is_refused(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that differ between hashing and copying are not stored under either digest."""
    source = tmp_path / "source"
    source.write_bytes(b"first")
    monkeypatch.setattr(local, "sha256_file", lambda path: digest_of(b"zeroth"))
    with pytest.raises(SourceError, match="changed while it was being read"):
        store.put_file(source)
    assert list(store.digests()) == []


def test_a_put_that_never_finished_is_not_listed_and_can_be_swept(store: LocalStore) -> None:
    """What a dead process left is no object; sweeping spares the files of living ones."""
    digest = store.put(b"model")
    left = store.path_of(digest).with_name(".x.12345678.unfinished")
    left.write_bytes(b"mod")
    assert list(store.digests()) == [digest]
    assert store.sweep() == (0, 0)
    assert store.sweep(older_than_s=0) == (1, 3)
    assert not left.exists()
    assert store.get(digest) == b"model"


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    """When the system refuses to write more, the put raises StoreFull and the folder holds only what was there."""
    code = """
        import resource, signal, sys
        from pathlib import Path
        from penstock.errors import StoreFull
        from penstock.objects.local import LocalStore
        store = LocalStore(Path(sys.argv[1]))
        small = store.put(b"small")
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            store.put(b"x" * 1_000_000)
        except StoreFull as error:
            print(error)
        store.put(b"y" * 1_000)
        assert store.get(small) == b"small"
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "no space left while writing" in done.stdout
    assert sorted(LocalStore(tmp_path).digests()) == sorted([digest_of(b"small"), digest_of(b"y" * 1_000)])
    assert [path for path in tmp_path.rglob("*") if "unfinished" in path.name] == []


def test_no_space_is_told_with_the_way_out(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC from the last step, the fsync, is StoreFull too."""

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreFull, match="free some space"):
        store.put(b"model")
    assert list(store.digests()) == []
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []


def test_killing_a_process_that_puts_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """After `kill -9` every digest that was printed reads back whole, and everything listed is whole."""
    code = """
        import os, sys
        from pathlib import Path
        from penstock.objects.local import LocalStore
        store = LocalStore(Path(sys.argv[1]))
        while True:
            print(store.put(os.urandom(200_000)), flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]
    process.wait()
    process.stdout.close()
    store = LocalStore(tmp_path)
    for digest in {*acknowledged, *store.digests()}:
        assert len(store.get(digest)) == 200_000


def test_a_shortened_digest_is_not_looked_for(store: LocalStore) -> None:
    """No path outside the store can be reached by a made-up digest."""
    with pytest.raises(NotFound, match="64 hex digits"):
        store.has("sha256:../../etc/passwd")


def test_what_is_put_while_it_is_collected_stays(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that counts on an old object marks it as young just before it would be moved away."""
    digest = store.put(b"model")
    path = store.path_of(digest)
    os.utime(path, (1, 1))
    moved = os.rename

    def put_first(old: Path, new: Path) -> None:
        if old == path:
            store.put(b"model")
        moved(old, new)

    monkeypatch.setattr(local.os, "rename", put_first)
    assert not store.collect(digest, older_than_s=3600)
    assert store.get(digest) == b"model"
    monkeypatch.undo()
    os.utime(path, (1, 1))
    assert store.collect(digest, older_than_s=3600)


def test_putting_again_makes_young(store: LocalStore, tmp_path: Path) -> None:
    """From bytes or from a file."""
    (tmp_path / "model").write_bytes(b"model")
    digest = store.put(b"model")
    for put in (
        lambda: store.put(b"model"),
        lambda: store.put_file(tmp_path / "model"),
        lambda: store.renew(digest),
    ):
        os.utime(store.path_of(digest), (1, 1))
        assert store.stat(digest).age_s > 1000
        put()
        assert store.stat(digest).age_s < 1000
