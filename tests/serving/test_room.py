"""Room for models: who goes where memory is short, and who does not go for one that is only busy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast
from weakref import WeakKeyDictionary

import pytest

from penstock.errors import RequestError
from penstock.serving import room
from penstock.serving.loading import memory_of
from penstock.serving.model_metrics import ModelCounts
from penstock.serving.room import Room
from penstock.serving.shelf import ShelfEntry

ONE = memory_of(0)
"""Bytes that each model here takes."""


class Model:
    """A bundle as far as it takes room."""

    manifest: ClassVar[dict[str, Any]] = {"files": {}}


class Rows:
    """Earlier rows that models look back at: bytes of each."""

    def __init__(self) -> None:
        self.of: WeakKeyDictionary[Any, int] = WeakKeyDictionary()

    @property
    def size_bytes(self) -> int:
        return sum(self.of.values())

    def size_bytes_of(self, bundles: Iterable[Any]) -> int:
        return sum(self.of.get(bundle, 0) for bundle in bundles)


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def full(tmp_path: Path, rows: Rows) -> Room:
    """Of a slot and the models a, b and c, in this order; there is no more."""
    slot = cast("Any", Model())
    made = Room(4 * ONE, lambda: [slot], ModelCounts(tmp_path, "worker"), cast("Any", rows))
    for name in "abc":
        made.hold((name, 1, ""), cast("Any", SimpleNamespace(bundle=Model())), ONE)
    return made


def names(of: Room) -> str:
    return "".join(key[0] for key in of.held)


def use(of: Room, name: str) -> Any:
    """The bundle, as a request has it that it answers."""
    return of.held[name, 1, ""].loaded.bundle


def entry(graph_bytes: int = 0) -> ShelfEntry:
    return ShelfEntry("d", 1, "sha256:1", "shelf/1", graph_bytes)


def test_nobody_goes_because_another_one_is_busy(full: Room) -> None:
    """What is let go and still answers will go by itself."""
    busy = use(full, "a")
    full.limit_bytes -= 1
    for _ in range(3):
        full.keep_within()
        assert names(full) == "bc"
    assert full.taken() == full.stays() + ONE == 4 * ONE
    del busy
    assert full.taken() == full.stays() == 3 * ONE


def test_the_rows_of_what_goes_go_with_it(full: Room, rows: Rows) -> None:
    busy = use(full, "a")
    rows.of[busy] = 7 * ONE
    for _ in range(3):
        full.keep_within()
        assert names(full) == "bc"
    assert full.taken() == full.stays() + 8 * ONE
    del busy
    assert full.taken() == full.stays() == 3 * ONE


def test_rows_of_what_is_being_loaded_take_room(full: Room, rows: Rows) -> None:
    """It is neither held yet nor on its way out."""
    comes = Model()
    rows.of[comes] = ONE
    full.keep_within()
    assert names(full) == "bc"
    assert full.taken() == full.stays() == 4 * ONE


def test_the_last_one_stays_and_that_is_told_once(full: Room, rows: Rows, caplog: pytest.LogCaptureFixture) -> None:
    rows.of[use(full, "c")] = 9 * ONE
    for _ in range(3):
        full.keep_within()
    assert names(full) == "c"
    assert [record.message.partition(" more")[0] for record in caplog.records] == [
        "models and the rows that are kept for them take 11 MB,"
    ]


def test_a_load_waits_for_a_busy_one_before_another_goes(full: Room) -> None:
    busy = [use(full, "a")]

    async def load() -> None:
        waits = asyncio.create_task(full.make(entry()))
        await asyncio.sleep(0.05)
        assert names(full) == "bc"
        assert not waits.done()
        busy.clear()
        await asyncio.wait_for(waits, 10)

    asyncio.run(load())
    assert names(full) == "bc"


def test_where_it_stays_busy_one_more_goes(full: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_PATIENCE_S", 0.02)
    busy = use(full, "a")
    asyncio.run(full.make(entry()))
    assert names(full) == "c"
    assert busy is not None


def test_where_all_stay_busy_there_is_no_room(full: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_PATIENCE_S", 0.01)
    monkeypatch.setattr(room, "_ROOM_S", 0.1)
    busy = [use(full, name) for name in "abc"]
    with pytest.raises(RequestError, match="no room for d version 1") as refused:
        asyncio.run(full.make(entry()))
    assert "4 MB are taken" in refused.value.why
    assert busy


def test_what_does_not_fit_beside_the_slots_lets_nobody_go(full: Room) -> None:
    with pytest.raises(RequestError, match="no room"):
        asyncio.run(full.make(entry(graph_bytes=ONE)))
    assert names(full) == "abc"


def test_what_is_asked_goes_last(full: Room) -> None:
    assert full.asked(("a", 1, "")) is full.held["a", 1, ""].loaded
    assert full.asked(("z", 1, "")) is None
    asyncio.run(full.make(entry()))
    assert names(full) == "ca"
