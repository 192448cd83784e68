"""Rows that are written alike share a part, whatever their keys are."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.bundle.kinds import Kind
from penstock.data.append import append_rows
from penstock.data.doors import read_part
from penstock.data.memory import RowMemory
from penstock.data.split import PARTS, SplitSettings
from penstock.data.together import alike_by_nature, together
from penstock.data.versions import DatasetVersion, load_memory
from penstock.errors import BadParameter, SplitError

if TYPE_CHECKING:
    from tests.data.conftest import Stores


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 12)), min_size=1, max_size=30))
def test_rows_are_one_where_a_chain_of_keys_and_contents_leads_from_one_to_the_other(
    rows: list[tuple[int, int]],
) -> None:
    """Held against a search by hand; named by the least of the keys."""
    keys, contents = (np.array([(value, 0) for value in column], dtype=np.uint64) for column in zip(*rows, strict=True))
    least = [key for key, _ in rows]
    for _ in rows:
        least = [
            min(other for other, (k, c) in zip(least, rows, strict=True) if k == key or c == content)
            for key, content in rows
        ]
    assert together(keys, contents)[:, 0].tolist() == least


def test_rows_without_a_twin_are_dealt_by_their_key_alone() -> None:
    """As they always were."""
    keys = np.arange(2, 12, dtype=np.uint64).reshape(5, 2)
    assert together(keys, keys + np.uint64(100)) is keys


def parts_of_contents(memory: RowMemory) -> list[set[str]]:
    found: dict[bytes, set[str]] = {}
    for content, part in zip(memory.content, memory.part, strict=True):
        found.setdefault(content.tobytes(), set()).add(PARTS[part])
    return list(found.values())


def twins(contents: range, *, seed: int = 0) -> str:
    """CSV lines: each content under two keys."""
    dice = random.Random(seed)
    lines = [
        f"{20 * content + 7 * copy + dice.randrange(5)},{content / 7:.4f},{dice.choice('ab')}"
        for content in contents
        for copy in (0, 1)
    ]
    dice.shuffle(lines)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("by", ["random", "column:part"])
def test_rows_that_are_written_alike_share_a_part_under_different_keys(stores: Stores, by: str) -> None:
    """In a first version, in a later one, and where they come from traffic; how many do is told."""
    how: dict[str, Any] = {"split": SplitSettings(by=by), "key": "cust", "kinds": {"cust": Kind.IDENTIFIER}}
    said = {"random": "", "column:part": "train"}[by]

    def text(*lines: str) -> str:
        dice = random.Random(1)
        rows = "".join(lines).splitlines()
        if said:
            rows = [f"{row},{dice.choice(['train', 'test', 'valid'])}" for row in rows]
        return "cust,a,y" + (",part" if said else "") + "\n" + "\n".join(rows) + "\n"

    made = stores.ingest(text(twins(range(500))), **how)
    assert [w for w in made.warnings if w.startswith("1000 rows are written like a row of another key in 'cust'")]
    first = parts_of_contents(load_memory(stores.objects, made.version))
    assert (len(first), {len(parts) for parts in first}) == (500, {1})
    later = stores.ingest(text(twins(range(500)), twins(range(600, 800), seed=1)), **how).version
    assert later.parent == made.version.digest
    assert {len(parts) for parts in parts_of_contents(load_memory(stores.objects, later))} == {1}
    added = add_twins(stores, later)
    found = parts_of_contents(load_memory(stores.objects, added))
    assert (len(found), {len(parts) for parts in found}) == (800, {1})


def add_twins(stores: Stores, version: DatasetVersion) -> DatasetVersion:
    """A hundred more contents under two keys each, from traffic."""
    rows = [{"cust": 50_000 + 20 * n + copy, "a": n + 0.05} for n in range(100) for copy in (0, 1)]
    frame, _ = version.decoder.decode_rows(rows)
    y = np.arange(200) // 2 % 2
    return append_rows(stores.ledger, stores.objects, version.digest, frame, y).version


def coarse(keys: range, *, classes: int = 3) -> str:
    """CSV of rows of twice so many kinds, each with a key of its own."""
    dice = random.Random(0)
    rows = [f"{7 * key},{dice.choice('fm')},{dice.randrange(classes)},{dice.choice('ny')}" for key in keys]
    return "cust,sex,class,y\n" + "\n".join(rows) + "\n"


def kinds_of_rows(version: DatasetVersion, stores: Stores) -> list[int]:
    """How many kinds of rows each part has."""
    memory = load_memory(stores.objects, version)
    return [len(np.unique(memory.content[memory.part == part], axis=0)) for part in range(3)]


def test_rows_of_a_coarse_table_are_dealt_by_their_key(stores: Stores) -> None:
    """Rows of six kinds have to be alike: the parts hold all kinds and their shares, also of what comes later and of traffic."""
    how: dict[str, Any] = {"split": SplitSettings(), "key": "cust", "kinds": {"cust": Kind.IDENTIFIER}}
    made = stores.ingest(coarse(range(900)), **how)
    version = made.version
    assert [w for w in made.warnings if "6 combinations of values, and there are 900 rows" in w]
    assert version.rows["valid"] == pytest.approx(180, abs=3)
    assert version.rows["test"] == pytest.approx(180, abs=3)
    assert kinds_of_rows(version, stores) == [6, 6, 6]
    grown = stores.ingest(coarse(range(1800)), **how).version
    assert (grown.parent, grown.twins_apart) == (version.digest, True)
    assert grown.rows["test"] == pytest.approx(360, abs=50)  # new rows are placed one by one
    frame, _ = grown.decoder.decode_rows([{"cust": 7 * key, "sex": "f", "class": key % 3} for key in range(5000, 5600)])
    added = append_rows(stores.ledger, stores.objects, grown.digest, frame, np.arange(600) % 2).version
    assert added.rows["test"] - grown.rows["test"] == pytest.approx(120, abs=50)


def test_rows_that_are_alike_stay_together_where_that_is_declared_and_the_shares_are_told(stores: Stores) -> None:
    made = stores.ingest(
        coarse(range(900), classes=8),
        split=SplitSettings(twins="together"),
        key="cust",
        kinds={"cust": Kind.IDENTIFIER},
    )
    assert not made.version.twins_apart
    assert {len(parts) for parts in parts_of_contents(load_memory(stores.objects, made.version))} == {1}
    (told,) = [w for w in made.warnings if w.startswith("the shares are not as declared")]
    assert "of 900 rows there are 16 that differ in 'cust' and are not written alike" in told
    assert 'twins = "apart"' in told


def test_without_a_key_a_coarse_table_is_told_to_need_one(stores: Stores) -> None:
    """By the first version; to deal its rows one by one is refused, as nothing tells them apart."""
    table = "\n".join(line.partition(",")[2] for line in coarse(range(900), classes=8).splitlines()) + "\n"
    warnings = stores.ingest(table).warnings
    assert [w for w in warnings if w.startswith("the columns allow 16 combinations") and "without a key" in w]
    (told,) = [w for w in warnings if w.startswith("the shares are not as declared")]
    assert "of 900 rows there are 16 that differ" in told
    assert "[data] key" in told
    with pytest.raises(SplitError, match="rows have no key"):
        stores.ingest(table, split=SplitSettings(twins="apart"))


def test_rows_of_a_fine_table_are_dealt_by_their_key_where_that_is_declared(stores: Stores) -> None:
    """Twins are then on both sides, and no table that is too coarse is the reason."""
    text = "cust,a,y\n" + twins(range(500))
    made = stores.ingest(text, split=SplitSettings(twins="apart"), key="cust", kinds={"cust": Kind.IDENTIFIER})
    assert {len(parts) for parts in parts_of_contents(load_memory(stores.objects, made.version))} == {1, 2}
    train, _ = read_part(stores.ledger, stores.objects, made.version, "train")
    assert not alike_by_nature(made.version, train)


@pytest.mark.parametrize(
    ("twins", "by", "decides"),
    [(None, "random", "its key"), (None, "column:part", "the part that it is given for"), ("apart", "random", "")],
)
def test_a_coarse_table_is_told_to_be_one_and_what_decides_of_its_rows(
    stores: Stores, twins: str | None, by: str, decides: str
) -> None:
    """Where it is found, and where the declaration deals its rows apart."""
    head, *rows = coarse(range(900)).splitlines()
    parts = [("train", "valid", "test")[n % 3] for n in range(900)]
    text = "\n".join([f"{head},part", *(f"{row},{part}" for row, part in zip(rows, parts, strict=True))]) + "\n"
    split = SplitSettings(by=by, twins=twins)
    drop = () if by == "column:part" else ("part",)
    made = stores.ingest(text, split=split, key="cust", kinds={"cust": Kind.IDENTIFIER}, drop=drop)
    assert [decides in told for told in made.warnings if "the columns allow 6 combinations" in told] == [True] * (
        twins is None
    )
    train, _ = read_part(stores.ledger, stores.objects, made.version, "train")
    assert alike_by_nature(made.version, train)


@pytest.mark.parametrize("twins", ["apart", "together"])
def test_a_word_on_twins_is_part_of_how_rows_are_dealt(twins: str) -> None:
    """Where it is said; any other is refused."""
    assert SplitSettings(twins=twins).to_json() == {**SplitSettings().to_json(), "twins": twins}
    with pytest.raises(BadParameter, match="twins = 'apar'"):
        SplitSettings(twins="apar")
