"""Labelled rows from traffic join by the rule of all rows, and refill the seal."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from penstock.bundle.decoder import Frame
from penstock.bundle.kinds import Kind
from penstock.data.append import append_rows, find_returned
from penstock.data.privacy.applying import Decisions
from penstock.data.seal import envelopes, open_envelope, read_sealed
from penstock.data.split import SplitSettings
from penstock.data.versions import DatasetVersion, load_memory, load_part
from penstock.errors import SchemaMismatch

if TYPE_CHECKING:
    from tests.data.conftest import Stores

Customers = Callable[..., str]


def rows_of(version: DatasetVersion, csv: str) -> tuple[Frame, np.ndarray]:
    """The rows as a journal holds them: JSON values, without the row's number."""
    names, *lines = [line.split(",") for line in csv.splitlines()]
    rows = [dict(zip(names, line, strict=True)) for line in lines]
    for row in rows:
        row["age"] = float(row["age"]) if row["age"] else None  # type: ignore[assignment]
        del row["id"]
    frame, problems = version.decoder.decode_rows(rows)
    assert not problems
    return frame, version.decoder.decode_target_values([row["y"] for row in rows])[0]


def test_new_rows_join_all_parts_and_fill_a_new_envelope(stores: Stores, customers: Customers) -> None:
    """A hash share of them is sealed; the parent's envelopes stay."""
    parent = stores.ingest(customers(600)).version
    open_envelope(stores.ledger, stores.objects, parent.digest, 0, run="r", purpose="p")
    result = append_rows(
        stores.ledger, stores.objects, parent.digest, *rows_of(parent, customers(500, seed=1)), source={"labels": 500}
    )
    version = result.version
    assert sum(result.rows.values()) == 500
    assert abs(result.rows["train"] - 300) < 60
    assert version.parent == parent.digest
    assert version.appended_rows == 500
    records = envelopes(stores.ledger, stores.objects, version.digest)
    assert [(record.index, record.is_spent) for record in records] == [(0, True), (1, False)]
    assert records[1].rows == result.rows["test"]
    for part in ("train", "valid"):
        frame, y = load_part(stores.objects, version, part)
        assert frame.n_rows == len(y) == parent.rows[part] + result.rows[part] == version.rows[part]
    assert load_memory(stores.objects, version).count.sum() == 1100
    assert stores.ledger.datasets.head("") == version.digest


def test_rows_that_are_known_go_where_they_were(stores: Stores, customers: Customers) -> None:
    """A test row that comes back labelled stays a test row; a spent one validates; none trains."""
    parent = stores.ingest(customers(600)).version
    frame, y = rows_of(parent, customers(600))
    assert find_returned(stores.ledger, parent, load_memory(stores.objects, parent), frame) == parent.rows["test"]
    before = append_rows(stores.ledger, stores.objects, parent.digest, frame, y)
    assert before.returned == parent.rows["test"]
    assert before.rows == {part: parent.rows[part] for part in ("train", "valid", "test")}
    assert [e.index for e in before.version.envelopes] == [0]  # small and sealed: it grows
    sealed, _ = read_sealed(stores.ledger, stores.objects, before.version, 0)
    assert sealed.n_rows == 2 * parent.rows["test"]
    open_envelope(stores.ledger, stores.objects, parent.digest, 0, run="r", purpose="p")
    after = append_rows(stores.ledger, stores.objects, parent.digest, frame, y)
    assert after.rows["test"] == 0
    assert after.rows["valid"] == parent.rows["valid"] + parent.rows["test"]


def test_the_source_unchanged_keeps_the_rows_that_were_added(stores: Stores, customers: Customers) -> None:
    """A run after a retraining does not forget the labels; a changed source says what it leaves behind."""
    parent = stores.ingest(customers(600)).version
    version = append_rows(stores.ledger, stores.objects, parent.digest, *rows_of(parent, customers(50, seed=1))).version
    same = stores.ingest(customers(600))
    assert (same.version.digest, same.known) == (version.digest, True)
    changed = stores.ingest(customers(650))
    assert any("50 labelled rows had been added" in warning for warning in changed.warnings)
    assert changed.version.lineage == parent.lineage


def test_spent_rows_stay_spent_when_they_are_added_again_to_a_later_version(
    stores: Stores, customers: Customers
) -> None:
    """A changed source does not make seen rows unseen: those of the opened envelope validate from then on."""
    parent = stores.ingest(customers(600)).version
    open_envelope(stores.ledger, stores.objects, parent.digest, 0, run="r", purpose="p")
    frame, y = rows_of(parent, customers(300, seed=1))
    grown = append_rows(stores.ledger, stores.objects, parent.digest, frame, y)
    open_envelope(stores.ledger, stores.objects, grown.version.digest, 1, run="r", purpose="p")
    changed = stores.ingest(customers(650)).version
    again = append_rows(stores.ledger, stores.objects, changed.digest, frame, y)
    assert again.rows["train"] == grown.rows["train"]
    assert again.rows["valid"] == grown.rows["valid"] + grown.rows["test"]
    assert again.rows["test"] == 0


def test_adding_again_gives_the_same_version_and_leaves_the_head(stores: Stores, customers: Customers) -> None:
    """To reproduce it, also after its envelope was opened."""
    parent = stores.ingest(customers(600)).version
    frame, y = rows_of(parent, customers(300, seed=1))
    first = append_rows(stores.ledger, stores.objects, parent.digest, frame, y, source={"labels": "a"})
    open_envelope(stores.ledger, stores.objects, first.version.digest, 0, run="r", purpose="p")
    head = stores.ingest(customers(700)).version.digest
    again = append_rows(stores.ledger, stores.objects, parent.digest, frame, y, source={"labels": "a"}, again=True)
    assert again.version.digest == first.version.digest
    assert stores.ledger.datasets.head("") == head


def test_rows_without_a_known_outcome_are_left_out(stores: Stores, customers: Customers) -> None:
    """And where none has one, nothing changes."""
    parent = stores.ingest(customers(300)).version
    frame, y = rows_of(parent, customers(10, seed=1))
    y[:4] = -1
    result = append_rows(stores.ledger, stores.objects, parent.digest, frame, y)
    assert (result.left_out, sum(result.rows.values())) == (4, 6)
    nothing = append_rows(stores.ledger, stores.objects, parent.digest, frame, np.full(10, -1))
    assert nothing.version.digest == parent.digest
    with pytest.raises(SchemaMismatch, match="do not have the columns"):
        append_rows(stores.ledger, stores.objects, parent.digest, frame.select(["age"]), y)


def test_by_time_the_newest_of_the_new_rows_test_and_groups_stay_whole(stores: Stores, customers: Customers) -> None:
    """The rule of the split is the rule of the rows that follow."""
    parent = stores.ingest(customers(600), split=SplitSettings(by="time:since")).version
    later = customers(200, seed=1).replace(",20", ",21")  # a hundred years on
    result = append_rows(stores.ledger, stores.objects, parent.digest, *rows_of(parent, later))
    assert result.rows == {"train": 120, "valid": 40, "test": 40}
    assert [e.rows for e in result.version.envelopes] == [parent.rows["test"], 40]  # never into the one of older rows
    records = envelopes(stores.ledger, stores.objects, result.version.digest)
    assert [record.index for record in records] == [0, 1]  # the newest rows are in the last
    sealed, _ = read_sealed(stores.ledger, stores.objects, result.version, 1)
    assert sealed["since"].min() > load_part(stores.objects, result.version, "train")[0]["since"].max()
    old = append_rows(stores.ledger, stores.objects, result.version.digest, *rows_of(parent, customers(50, seed=2)))
    assert old.rows == {"train": 50, "valid": 0, "test": 0}  # the past tests nothing any more
    text = "who,x,y\n" + "\n".join(f"c{i % 40},{i / 3:.4f},{'ab'[i // 40 % 2]}" for i in range(400))
    grouped = stores.ingest(text, split=SplitSettings(by="group:who")).version
    train_groups = set(load_part(stores.objects, grouped, "train")[0]["who"].tolist())
    frame, _ = grouped.decoder.decode_rows([{"who": who, "x": 1000 + i} for i, who in enumerate(sorted(train_groups))])
    added = append_rows(stores.ledger, stores.objects, grouped.digest, frame, np.zeros(frame.n_rows, dtype=np.int64))
    assert added.rows == {"train": len(train_groups), "valid": 0, "test": 0}


def test_a_regression_takes_numbers(stores: Stores) -> None:
    """Missing outcomes are NaN there."""
    parent = stores.ingest("x,y\n" + "\n".join(f"{i},{i / 7:.4f}" for i in range(400))).version
    frame, _ = parent.decoder.decode_rows([{"x": 5000 + i} for i in range(20)])
    y = np.linspace(0, 1, 20)
    y[3] = np.nan
    result = append_rows(stores.ledger, stores.objects, parent.digest, frame, y)
    assert (sum(result.rows.values()), result.left_out) == (19, 1)


def outcomes(stores: Stores, version: DatasetVersion, column: str = "note") -> dict[str, int]:
    """Value of a unique column -> class; sealed rows are looked at as only the sealing step may."""
    loaded = [load_part(stores.objects, version, part) for part in ("train", "valid")]
    loaded += [read_sealed(stores.ledger, stores.objects, version, e.index) for e in version.envelopes]
    pairs = [pair for frame, y in loaded for pair in zip(frame[column].tolist(), y.tolist(), strict=True)]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_a_corrected_outcome_replaces_the_one_before_wherever_the_row_is(stores: Stores, customers: Customers) -> None:
    """In training, validation and sealed rows; the counts stay, and a row that is not there with that outcome is added."""
    parent = stores.ingest(customers(600)).version
    frame, y = rows_of(parent, customers(300, seed=1))
    grown = append_rows(stores.ledger, stores.objects, parent.digest, frame, y)
    some = slice(0, 100)
    again = append_rows(stores.ledger, stores.objects, grown.version.digest, frame.take(some), 1 - y[some], was=y[some])
    assert (again.corrected, sum(again.rows.values())) == (100, 0)
    assert again.version.rows == grown.version.rows
    before, now = outcomes(stores, grown.version), outcomes(stores, again.version)
    changed = {note for note in before if before[note] != now[note]}
    assert changed == set(frame["note"][some].tolist())
    assert now.keys() == before.keys()
    memory = load_memory(stores.objects, again.version)
    assert (memory.count.sum(), memory.count.min() >= 0) == (900, True)
    diff = stores.ledger.datasets.get(again.version.digest).details["diff"]["rows"]
    assert (diff["changed"], diff["added"], diff["removed"]) == (100, 0, 0)
    wrong = append_rows(
        stores.ledger, stores.objects, grown.version.digest, frame.take(some), 1 - y[some], was=1 - y[some]
    )
    assert (wrong.corrected, sum(wrong.rows.values())) == (0, 100)


def test_a_corrected_number_is_found_by_its_old_one(stores: Stores) -> None:
    """Also among rows that are alike but for the outcome."""
    parent = stores.ingest("x,y\n" + "\n".join(f"{i},{i / 7:.4f}" for i in range(400))).version
    frame, _ = parent.decoder.decode_rows([{"x": 5000}, {"x": 5000}, {"x": 6000}])
    grown = append_rows(stores.ledger, stores.objects, parent.digest, frame, np.array([0.25, 0.5, 0.125]))
    was, y = np.array([0.5, np.nan, np.nan]), np.array([7.5, 1.5, np.nan])
    again = append_rows(stores.ledger, stores.objects, grown.version.digest, frame, y, was=was)
    assert (again.corrected, sum(again.rows.values()), again.left_out) == (1, 1, 1)
    loaded = [load_part(stores.objects, again.version, part)[1] for part in ("train", "valid")]
    loaded += [read_sealed(stores.ledger, stores.objects, again.version, e.index)[1] for e in again.version.envelopes]
    assert {0.25, 7.5, 0.125, 1.5} <= set(np.concatenate(loaded).tolist())
    assert 0.5 not in np.concatenate(loaded)


@pytest.mark.parametrize(
    ("by", "how", "word"),
    [
        ("group:who", {"drop": ("who",)}, "group"),
        ("group:who", {"privacy": Decisions({"who": "hash"})}, "group"),
        ("time:t", {"drop": ("t",)}, "time"),
        ("time:t", {"kinds": {"t": Kind.CATEGORICAL}}, "time"),
    ],
)
def test_rows_that_do_not_say_what_they_are_dealt_by_are_left_out(
    stores: Stores, by: str, how: dict[str, Any], word: str
) -> None:
    """Dealt at random, they would tear groups, or train on what is newer than the tests; ingest says so before."""
    dice = random.Random(1)
    text = "who,t,x,y\n" + "".join(
        f"c{i % 40},{2000 + i // 10},{dice.random():.6f},{'ab'[i % 2]}\n" for i in range(1000)
    )
    made = stores.ingest(text, split=SplitSettings(by=by), **how)
    assert [w for w in made.warnings if w.startswith(f"rows are dealt by {by.partition(':')[2]!r}, which is not kept")]
    parent = made.version.keyed(stores.ledger)
    train, _ = load_part(stores.objects, parent, "train")
    new, _ = parent.decoder.decode_rows([{"who": "c1", "t": 2300, "x": dice.random()} for _ in range(100)])
    frame = Frame.concat([new, train.take(np.arange(5))])  # and five that are known by what they hold
    added = append_rows(stores.ledger, stores.objects, parent.digest, frame, np.zeros(105, dtype=np.int64))
    assert (added.rows, added.unplaced, added.too_near) == ({"train": 5, "valid": 0, "test": 0}, 100, 0)
    assert added.version.rows["left_out"] == parent.rows["left_out"] + 100
    told = stores.ledger.datasets.get(added.version.digest).details["warnings"]
    assert [w for w in told if w.startswith(f"100 rows are left out: their {word} is not known")]


@pytest.mark.parametrize("values", [None, {"train": ["train"], "test": ["test"]}])
def test_traffic_trains_where_a_column_gives_the_parts(stores: Stores, values: dict[str, list[str]] | None) -> None:
    """Nobody said that its rows test; a part that nobody gives is dealt from the training rows, as ever."""
    dice = random.Random(1)
    said = ["test", "train" if values else "valid", "train", "train", "train"]
    text = "part,x,y\n" + "".join(f"{said[i % 5]},{dice.random():.6f},{'ab'[i % 2]}\n" for i in range(1000))
    parent = stores.ingest(text, split=SplitSettings(by="column:part", values=values)).version
    frame, _ = parent.decoder.decode_rows([{"x": dice.random()} for _ in range(200)])
    added = append_rows(stores.ledger, stores.objects, parent.digest, frame, np.zeros(200, dtype=np.int64))
    assert (added.rows["test"], added.unplaced) == (0, 0)
    assert (added.rows["valid"] == 0) == (values is None)


def keyed_table(rows: int, *, age: float = 0.0) -> str:
    """Customers named by their number; `age` is added to what is known of them."""
    dice = random.Random(5)
    lines = [f"c{i},{dice.uniform(18, 90) + age:.4f},{'yes' if dice.random() < 0.3 else 'no'}" for i in range(rows)]
    return "who,age,y\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize("how", [{}, {"privacy": Decisions({"who": "hash"})}], ids=["plain", "hashed"])
def test_a_row_with_a_known_key_joins_its_part_though_the_key_is_hashed(stores: Stores, how: dict[str, Any]) -> None:
    """Else the newer state of a sealed customer would train. Nothing but the key is alike."""
    parent = stores.ingest(keyed_table(600), key="who", **how).version.keyed(stores.ledger)
    rows = [{"who": f"c{i}", "age": 1000.0 + i} for i in range(600)]
    frame, problems = parent.decoder.decode_rows(rows)
    assert not problems
    added = append_rows(stores.ledger, stores.objects, parent.digest, frame, np.zeros(600, dtype=np.int64))
    assert added.rows == {part: parent.rows[part] for part in ("train", "valid", "test")}
    assert added.returned == parent.rows["test"]
    # what came by traffic alone is known by its key, too: when it comes again, and when the source gets it
    fresh = [{"who": f"n{i}", "age": 2000.0 + i} for i in range(200)]
    once = append_rows(
        stores.ledger, stores.objects, added.version.digest,
        parent.decoder.decode_rows(fresh)[0], np.zeros(200, dtype=np.int64),
    )  # fmt: skip
    part_of = {
        one: part for part in ("train", "valid") for one in load_part(stores.objects, once.version, part)[0]["who"]
    }
    older = [{**row, "age": row["age"] + 500} for row in fresh]  # type: ignore[operator]
    twice = append_rows(
        stores.ledger, stores.objects, once.version.digest,
        parent.decoder.decode_rows(older)[0], np.zeros(200, dtype=np.int64),
    )  # fmt: skip
    assert twice.rows == once.rows
    grown = keyed_table(600) + "".join(f"n{i},{20 + i / 10},no\n" for i in range(200))
    later = stores.ingest(grown, key="who", **how).version
    known = {one: part for part in ("train", "valid") for one in load_part(stores.objects, later, part)[0]["who"]}
    new = set(parent.decoder.decode_rows(fresh)[0]["who"].tolist())
    assert {one: part for one, part in known.items() if one in new} == {
        one: part for one, part in part_of.items() if one in new
    }


@pytest.mark.parametrize(
    ("how", "by_request"),
    [({}, 60), ({"privacy": Decisions({"t": "month"})}, 60), ({"privacy": Decisions({"t": "shift"})}, 0)],
    ids=["dates", "months", "shifted"],
)
def test_a_row_without_a_time_is_dealt_by_when_it_was_asked_about(
    stores: Stores, how: dict[str, Any], by_request: int
) -> None:
    """It would train as the oldest, though it is the newest; the column itself stays empty. On another scale it is left out."""
    dice = random.Random(1)
    text = "t,x,y\n" + "".join(
        f"20{10 + i // 100}-{i % 12 + 1:02}-05,{dice.random():.6f},{'ab'[i % 2]}\n" for i in range(1000)
    )
    parent = stores.ingest(text, split=SplitSettings(by="time:t"), **how).version.keyed(stores.ledger)
    frame, _ = parent.decoder.decode_rows([{"x": 5 + dice.random()} for _ in range(60)])
    y = np.arange(60) % 2
    unknown = append_rows(stores.ledger, stores.objects, parent.digest, frame, y, again=True)
    assert (sum(unknown.rows.values()), unknown.unplaced, unknown.by_request) == (0, 60, 0)
    y[7] = -1  # no outcome: the times follow their rows
    asked = 1_700_000_000_000_000 + np.arange(60) * 3_600_000_000
    added = append_rows(stores.ledger, stores.objects, parent.digest, frame, y, asked_at=asked)
    if not by_request:
        assert (added.by_request, added.unplaced) == (0, 59)
        return
    assert (added.by_request, added.unplaced, added.left_out) == (59, 0, 1)
    assert added.rows["train"] < 40 < 59 - added.rows["test"], "newer than all: dealt in time like any new rows"
    train, _ = load_part(stores.objects, added.version, "train")
    x = [row for row, at in zip(train["x"].tolist(), train.missing("t").tolist(), strict=True) if at]
    assert x == np.delete(frame["x"], 7).tolist()[: added.rows["train"]], "the oldest of them train"
    told = stores.ledger.datasets.get(added.version.digest).details["warnings"]
    assert [
        w for w in told if w.startswith("59 rows have no time in 't': they are dealt by when they were asked about")
    ]


def test_a_row_without_a_number_that_is_its_time_is_left_out(stores: Stores) -> None:
    """Nobody knows where on its scale a request stands; others are dealt as ever."""
    text = "t,x,y\n" + "".join(f"{2000 + i // 10},{i / 7:.4f},{'ab'[i % 2]}\n" for i in range(500))
    parent = stores.ingest(text, split=SplitSettings(by="time:t")).version
    frame, _ = parent.decoder.decode_rows([{"x": 900 + i, **({"t": 9000 + i} if i < 30 else {})} for i in range(50)])
    added = append_rows(
        stores.ledger, stores.objects, parent.digest, frame, np.zeros(50, dtype=np.int64), asked_at=np.arange(50)
    )
    assert (sum(added.rows.values()), added.unplaced, added.by_request) == (30, 20, 0)
