"""The shelf: one small file, replaced whole, that says what else a server answers for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.bundle.privacy.keys import VARIABLE, find_key
from penstock.bundle.runtime import Bundle
from penstock.errors import BadParameter, NewerFormat, NotFound, ServingError
from penstock.serving.loading import graph_bytes_of
from penstock.serving.shelf import Shelf, prune_shelf, put_on_shelf, read_shelf, set_state, take_off_shelf

Shelve = Callable[..., Shelf]


def test_what_is_put_there_is_read_again(shelve: Shelve, tmp_path: Path) -> None:
    """With an epoch that grows, and a copy of its own."""
    first = shelve("fraud", 3, labels=["champion"])
    second = shelve("café/1", 1)
    assert (first.epoch, second.epoch) == (1, 2)
    assert read_shelf(tmp_path / "serving") == second
    entry = second.of("fraud")[0]
    assert (entry.version, entry.labels, entry.state) == (3, ("champion",), "offered")
    for one in second.entries:
        assert Bundle.load(tmp_path / "serving" / one.path).digest == one.bundle
        assert (tmp_path / "serving" / one.path).resolve().is_relative_to(tmp_path / "serving" / "shelf")


def test_a_label_moves_to_the_version_that_gets_it(shelve: Shelve) -> None:
    """It never means two; the labels of other models stay."""
    shelve("fraud", 1, labels=["champion", "eu"])
    shelve("churn", 1, labels=["champion"])
    shelf = shelve("fraud", 2, labels=["champion"])
    assert {(e.model, e.version): e.labels for e in shelf.entries} == {
        ("churn", 1): ("champion",),
        ("fraud", 1): ("eu",),
        ("fraud", 2): ("champion",),
    }


def test_a_version_that_is_put_there_again_takes_the_place_of_the_earlier_one(shelve: Shelve, tmp_path: Path) -> None:
    """Its copy is deleted when told to, the others are not."""
    before = shelve("fraud", 1, of=1)
    shelve("churn", 1, of=1)
    after = shelve("fraud", 1, of=2)
    assert len(after.of("fraud")) == 1
    (gone,) = prune_shelf(tmp_path / "serving")
    assert gone == tmp_path / "serving" / before.of("fraud")[0].path
    assert all((tmp_path / "serving" / entry.path).is_dir() for entry in after.entries)


def test_a_model_or_one_version_is_taken_off(shelve: Shelve, tmp_path: Path) -> None:
    """By number or label; the folder of a model goes with its last version, and the privacy key in it."""
    for version in (1, 2, 3):
        shelve("fraud", version, of=version, labels=["old"] if version == 1 else [], privacy_key=bytes(32))
    shelve("churn", 1)
    state_dir = tmp_path / "serving"
    assert [e.version for e in take_off_shelf(state_dir, "fraud", "old").of("fraud")] == [2, 3]
    assert [e.version for e in take_off_shelf(state_dir, "fraud", "3").of("fraud")] == [2]
    assert take_off_shelf(state_dir, "fraud").models == {"churn"}
    assert len(prune_shelf(state_dir)) == 3
    assert [path.name for path in (state_dir / "shelf").iterdir()] == ["churn"]
    with pytest.raises(NotFound, match="does not hold fraud"):
        take_off_shelf(state_dir, "fraud")
    with pytest.raises(NotFound, match="churn version 9"):
        take_off_shelf(state_dir, "churn", "9")


def test_each_copy_has_the_key_of_its_own_project(
    shelve: Shelve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under one name, whatever the environment of the server says; a key goes with its copy."""
    keys = {1: b"a" * 32, 2: b"b" * 32}
    for version, key in keys.items():
        shelf = shelve("fraud", version, of=version, privacy_key=key)
    places = {one.version: tmp_path / "serving" / one.path for one in shelf.entries}
    assert {version: find_key(place) for version, place in places.items()} == keys
    monkeypatch.setenv(VARIABLE, bytes(32).hex())
    assert {version: find_key(place) for version, place in places.items()} == keys
    monkeypatch.delenv(VARIABLE)
    take_off_shelf(tmp_path / "serving", "fraud", "1")
    prune_shelf(tmp_path / "serving")
    assert find_key(places[1]) is None
    assert find_key(places[2]) == keys[2]


@pytest.mark.parametrize("label", ["7", "latest", "blue", "shelf", "live", "", " ", "a/b", "a\nb"])
def test_a_label_never_means_something_else_already(shelve: Shelve, tmp_path: Path, label: str) -> None:
    """And nothing is changed."""
    with pytest.raises(BadParameter, match="cannot be a label"):
        shelve("fraud", 1, labels=[label])
    assert read_shelf(tmp_path / "serving").epoch == 0


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1, "epoch": 1, "entries": [{}]}', '"x"'])
def test_what_is_no_shelf_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    """And with what to do."""
    (tmp_path / "shelf.json").write_text(text, encoding="utf-8")
    with pytest.raises(ServingError, match=r"shelf\.json cannot be read"):
        read_shelf(tmp_path)


def test_a_shelf_of_a_later_release_is_not_guessed_at(shelve: Shelve, tmp_path: Path) -> None:
    """It has another format."""
    shelve("fraud", 1)
    path = tmp_path / "serving" / "shelf.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "format": 2}), encoding="utf-8")
    with pytest.raises(NewerFormat, match="format 2"):
        read_shelf(tmp_path / "serving")


def test_changes_at_the_same_time_are_all_kept(toys: Callable[..., Path], tmp_path: Path) -> None:
    """Eight writers, one lock."""
    bundle = Bundle.load(toys(1))
    more: dict[str, Any] = {"digest": bundle.digest, "graph_bytes": graph_bytes_of(bundle)}
    put = [
        threading.Thread(target=put_on_shelf, args=(tmp_path, toys(1)), kwargs={"model": f"m{i}", "version": 1, **more})
        for i in range(8)
    ]
    for thread in put:
        thread.start()
    for thread in put:
        thread.join()
    shelf = read_shelf(tmp_path)
    assert shelf.epoch == 8
    assert shelf.models == {f"m{i}" for i in range(8)}
    assert {one.state for one in set_state(tmp_path, "m3", "unloaded").of("m3")} == {"unloaded"}
