"""Killed, doubled, or out of space: an ingest happens in full or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from penstock.data.seal import envelopes, open_envelope
from penstock.data.split import SplitSettings
from penstock.data.versions import load_part, load_version
from penstock.errors import StoreFull
from penstock.ledger.audit import Audit
from penstock.ledger.datasets import Datasets
from penstock.ledger.envelopes import Envelopes
from penstock.ledger.ledger import Ledger
from penstock.objects.local import LocalStore

if TYPE_CHECKING:
    from tests.data.conftest import Stores

Customers = Callable[..., str]

_INGEST = """
import sys
from pathlib import Path
from penstock.data.ingest import ingest
from penstock.data.sources.file import FileSource
from penstock.ledger.ledger import Ledger
from penstock.objects.local import LocalStore

folder, wait = Path(sys.argv[1]), sys.argv[2]
objects = LocalStore(folder / "state" / "objects")
ledger = Ledger.open(folder / "state" / "ledger.db", objects)
if wait:
    import penstock.data.cuts as cuts, penstock.data.ingest as module, penstock.data.store as store, time
    def stop(*_args, **_kwargs):
        print("there", flush=True)
        time.sleep(60)
    setattr({"finish": module, "_store": cuts.Cutter}.get(wait, store.RowWriter), wait, stop)
print(ingest(ledger, objects, source=FileSource(folder / "table.csv"), target="y").version.digest)
"""


def start(stores: Stores, wait: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _INGEST, str(stores.folder), wait]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("moment", ["_store", "_seal", "finish"])
def test_killed_in_the_middle_nothing_is_seen_and_the_next_one_works(
    stores: Stores, customers: Customers, moment: str
) -> None:
    """Before the rows are stored, between them and the envelopes, and before the ledger knows."""
    stores.write(customers(400))
    process = start(stores, moment)
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert stores.ledger.datasets.log() == []
    assert stores.ledger.datasets.head("") is None
    result = stores.ingest(customers(400))
    assert load_part(stores.objects, result.version, "train")[0].n_rows == result.rows["train"]


def test_two_at_once_make_one_version(stores: Stores, customers: Customers) -> None:
    """The second waits and finds what the first has made."""
    stores.write(customers(400))
    first, second = start(stores), start(stores)
    digests = set()
    for process in (first, second):
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        digests.add(out.strip())
    assert len(digests) == 1
    assert len(stores.ledger.datasets.log()) == 1
    assert load_version(stores.objects, digests.pop()).rows["train"] > 200


def test_a_full_disk_is_said_and_nothing_is_recorded(
    stores: Stores, customers: Customers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any write; afterwards the same command works."""
    put = LocalStore.put
    for allowed in range(4):
        written = 0

        def full(self: LocalStore, data: bytes) -> str:
            nonlocal written
            written += 1
            if written > allowed:  # noqa: B023
                raise StoreFull("no space left", why=os.strerror(errno.ENOSPC), way_out="free some")
            return put(self, data)

        with monkeypatch.context() as patch:
            patch.setattr(LocalStore, "put", full)
            with pytest.raises(StoreFull):
                stores.ingest(customers(400))
        assert stores.ledger.datasets.log() == []
    assert stores.ingest(customers(400)).rows["train"] > 200


_STEPS = [(Envelopes, "open"), (Envelopes, "add"), (Datasets, "add"), (Audit, "append"), (Datasets, "set_head")]


@pytest.mark.parametrize(("part", "step"), _STEPS)
def test_envelopes_are_retired_with_the_version_that_replaces_theirs_or_not_at_all(
    stores: Stores, customers: Customers, monkeypatch: pytest.MonkeyPatch, part: type, step: str
) -> None:
    """Ended at any step of becoming seen: the head would stay at a version whose test rows nobody may open any more."""
    before = stores.ingest(customers(1500)).version
    events = stores.ledger.audit.events()
    done = getattr(part, step)

    def killed(*args: object, **kwargs: object) -> None:
        done(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(part, step, killed)
        with pytest.raises(KeyboardInterrupt):
            stores.ingest(customers(1500), split=SplitSettings(seed=7))
    assert [record.is_spent for record in envelopes(stores.ledger, stores.objects, before.digest)] == [False]
    assert stores.ledger.datasets.head("") == before.digest
    assert (len(stores.ledger.datasets.log()), stores.ledger.audit.events()) == (1, events)
    after = stores.ingest(customers(1500), split=SplitSettings(seed=7)).version
    assert envelopes(stores.ledger, stores.objects, before.digest) == []
    assert stores.ledger.datasets.head("") == after.digest
    assert [event.what for event in stores.ledger.audit.events()[len(events) :]] == ["retire envelopes", "seal"]


def test_an_opening_that_is_not_in_the_trail_has_not_happened(
    stores: Stores, customers: Customers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended between the two, an envelope would be spent without anybody being told why."""
    version = stores.ingest(customers(400)).version

    def killed(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    stores.ledger.access.read(version.digest, part="test", run="r")
    with monkeypatch.context() as patch:
        patch.setattr(Audit, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            open_envelope(stores.ledger, stores.objects, version.digest, 0, run="r", purpose="p")
    assert [record.is_spent for record in envelopes(stores.ledger, stores.objects, version.digest)] == [False]
    assert open_envelope(stores.ledger, stores.objects, version.digest, 0, run="r", purpose="p")[0].n_rows > 0


def test_readers_never_see_half_a_version(stores: Stores, customers: Customers) -> None:
    """Whoever looks while versions are made finds whole ones only."""
    stop = threading.Event()
    trouble: list[BaseException] = []

    def look(folder: Path) -> None:
        objects = LocalStore(folder / "state" / "objects")
        with Ledger.open(folder / "state" / "ledger.db", objects) as ledger:
            while not stop.is_set():
                head = ledger.datasets.head("")
                if head is not None:
                    try:
                        version = load_version(objects, head)
                        assert load_part(objects, version, "train")[0].n_rows == version.rows["train"]
                    except BaseException as error:  # noqa: BLE001 - handed to the test
                        trouble.append(error)
                        return
                time.sleep(0.005)

    reader = threading.Thread(target=look, args=(stores.folder,))
    reader.start()
    for rows in (200, 300, 400, 500):
        stores.ingest(customers(rows))
    stop.set()
    reader.join()
    assert trouble == []
