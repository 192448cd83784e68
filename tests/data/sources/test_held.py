"""What a database answers, held back until it may be stored: readable by this process alone, and gone with it."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.data.sources.conftest import Place

from penstock.data.sources.held import HeldSnapshots, Scratch
from penstock.errors import StoreFull
from penstock.testing.source import rows_of

NEEDLE = b"ada.lovelace@example.org"


def on_disk(folder: Path) -> bytes:
    """All bytes of all files below a folder."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_bytes_come_back_and_none_can_be_read_where_they_lie(tmp_path: Path) -> None:
    """There is no file of a name, and in the one without a name they are encrypted."""
    scratch = Scratch(tmp_path / "held")
    pieces = {f"piece {i}": NEEDLE * i for i in range(1, 40)}
    for name, piece in pieces.items():
        scratch.put(name, piece)
    assert {name: scratch.get(name) for name in scratch} == pieces
    assert list((tmp_path / "held").iterdir()) == []
    file, _ = scratch._opened()
    file.seek(0)
    assert NEEDLE not in file.read()
    assert os.fstat(file.fileno()).st_mode & 0o077 == 0
    scratch.close()
    assert "piece 1" not in scratch


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As wherever something is written."""
    scratch = Scratch(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(StoreFull, match="no space left"):
        scratch.put("a", b"b")


HOLD = """
import sys, time
from pathlib import Path
from penstock.data.sources.held import HeldSnapshots
from penstock.data.sources.kind import Around, SourceSettings
from penstock.data.sources.opening import open_source
from penstock.ledger.ledger import Ledger
from penstock.objects.local import LocalStore
from penstock.objects.tabular import ReadOptions
root = Path(sys.argv[1])
with Ledger.open(root / "state/ledger.db", LocalStore(root / "state/objects")) as ledger:
    held = HeldSnapshots(ledger, "p", root / "state/fetched")
    source = open_source(SourceSettings("sqlite:///shop.db?table=people", ReadOptions()), Around(root=root, snapshots=held))
    print(sum(map(len, source.batches())), flush=True)
    time.sleep(600)
"""


def test_whoever_is_killed_leaves_nothing(tmp_path: Path) -> None:
    """Not even a file to be swept: while it waits there are rows, and then there are none."""
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE people (mail TEXT)")
        database.executemany("INSERT INTO people VALUES (?)", [(NEEDLE.decode(),)] * 70_000)
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"70000\n"
    assert NEEDLE not in on_disk(tmp_path / "state")
    child.send_signal(signal.SIGKILL)
    child.wait(60)
    child.stdout.close()
    assert list((tmp_path / "state" / "fetched").iterdir()) == []
    assert not any((tmp_path / "state" / "objects").rglob("*")) or NEEDLE not in on_disk(tmp_path / "state")


def test_what_is_settled_has_the_digests_that_it_had_while_it_waited(place: Place) -> None:
    """And before that neither an object nor a run is there."""
    with sqlite3.connect(place.root / "shop.db") as database:
        database.execute("CREATE TABLE t (a INTEGER, y TEXT)")
        database.executemany("INSERT INTO t VALUES (?, ?)", [(i, f"é{i}") for i in range(50)])
    held = HeldSnapshots(place.ledger, "p", place.root / "state" / "fetched")
    source = place.open("sqlite:///shop.db?table=t", around={"snapshots": held})
    rows, digest = rows_of(source.batches()), source.digest()
    assert (held.waiting, place.ledger.runs(operation="fetch")) == (1, [])
    assert not place.ledger.objects.has(digest)
    held.settle()
    assert held.waiting == 0
    assert place.ledger.objects.has(digest)
    (fetched,) = place.ledger.runs(operation="fetch")
    assert place.ledger.get(fetched.id).outputs["snapshot"] == digest
    assert rows_of(source.batches()) == rows_of(place.open("sqlite:///shop.db?table=t").batches()) == rows
    assert len(place.ledger.runs(operation="fetch")) == 1


def test_what_is_let_go_is_nowhere(place: Place) -> None:
    """The next fetch begins where the last stored one ended."""
    with sqlite3.connect(place.root / "shop.db") as database:
        database.execute("CREATE TABLE t (a INTEGER)")
        database.executemany("INSERT INTO t VALUES (?)", [(i,) for i in range(50)])
    held = HeldSnapshots(place.ledger, "p", place.root / "state" / "fetched")
    source = place.open("sqlite:///shop.db?table=t", cursor="a", around={"snapshots": held})
    digest = source.digest()
    held.close()
    assert not place.ledger.objects.has(digest)
    assert place.ledger.runs(operation="fetch") == []
    assert place.open("sqlite:///shop.db?table=t", cursor="a").digest() == digest
