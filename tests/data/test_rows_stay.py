"""No row moves between parts: appended to, corrected, joined to, reordered, in any of the ways that rows are dealt."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.data.append import append_rows
from penstock.data.ingest import ingest
from penstock.data.part_files import PartFiles
from penstock.data.seal import open_envelope, read_sealed
from penstock.data.source import joined_columns
from penstock.data.sources.file import FileSource
from penstock.data.sources.joined import Join, JoinedSource
from penstock.data.split import SplitSettings
from penstock.data.versions import DatasetVersion, load_part
from penstock.errors import SplitError
from penstock.ledger.ledger import Ledger
from penstock.objects.local import LocalStore

if TYPE_CHECKING:
    from tests.data.conftest import Stores

Table = list[dict[str, Any]]
HEAVY = settings(
    deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
WAYS = ("random", "time:day", "group:shop", "column:said")


def table(n: int, seed: int, first: int = 0) -> Table:
    """Rows with a unique mark, a key, and something to deal them by in every way."""
    dice = random.Random(seed)
    return [
        {
            "id": f"k{first + i}",
            "mark": f"m{first + i}",
            "x": round(dice.gauss(0, 1), 4),
            "shop": f"s{dice.randrange(25 + first // 20)}",
            "day": f"2024-{1 + (first + i) // 28 % 12:02}-{1 + (first + i) % 28:02}",
            "said": dice.choice(["train", "Train", "train", "val", "test"]),
            "y": dice.choice(["no", "no", "yes"]),
        }
        for i in range(n)
    ]


def csv(rows: Table) -> str:
    return "\n".join([",".join(rows[0]), *(",".join(str(v) for v in row.values()) for row in rows)]) + "\n"


def part_of(stores: Stores, version: DatasetVersion, column: str = "mark") -> dict[str, str]:
    """Mark -> part; sealed rows are looked at as only the sealing step may."""
    found: dict[str, str] = {}
    for part in ("train", "valid"):
        found |= dict.fromkeys(load_part(stores.objects, version, part)[0][column].tolist(), part)
    for envelope in version.envelopes:
        frame, _ = read_sealed(stores.ledger, stores.objects, version, envelope.index)
        found |= dict.fromkeys(frame[column].tolist(), "test")
    return found


def fresh(folder: Path) -> Stores:
    """Stores of one example's own."""
    import tempfile

    from tests.data.conftest import Stores

    place = Path(tempfile.mkdtemp(dir=folder))
    objects = LocalStore(place / "objects")
    return Stores(Ledger.open(place / "ledger.db", objects), objects, place)


@HEAVY
@given(
    by=st.sampled_from(WAYS),
    keyed=st.booleans(),
    seed=st.integers(0, 10_000),
    n=st.integers(80, 250),
    more=st.integers(0, 120),
    data=st.data(),
)
def test_no_row_moves_whatever_becomes_of_its_table(
    tmp_path: Path, by: str, keyed: bool, seed: int, n: int, more: int, data: st.DataObject
) -> None:
    """Rows are appended, shuffled and joined to; their columns are reordered; with a key, values are corrected too."""
    stores = fresh(tmp_path)
    how: dict[str, Any] = {"split": SplitSettings(by=by), "key": "id" if keyed else None}
    rows = table(n, seed)
    before = part_of(stores, stores.ingest(csv(rows), **how).version)
    assert len(before) == n
    changed = [dict(row) for row in rows] + (table(more, seed + 1, first=n) if more else [])
    dice = data.draw(st.randoms(use_true_random=False))
    if data.draw(st.booleans(), label="joined"):
        for row in changed:
            row["joined"] = dice.randrange(5)
    if keyed:
        for row in dice.sample(changed[:n], n // 5):
            row["x"] = 99.5
            row["y"] = "no"
    names = list(changed[0])
    dice.shuffle(names)
    dice.shuffle(changed)
    second = stores.ingest(csv([{name: row[name] for name in names} for row in changed]), **how)
    after = part_of(stores, second.version)
    assert {mark: after[mark] for mark in before if mark in after} == before
    if by == "group:shop":
        shops = {row["mark"]: row["shop"] for row in changed}
        assert len({(shops[mark], part) for mark, part in after.items()}) == len({shops[mark] for mark in after})
    else:
        assert len(after) == n + more
    if keyed and second.diff is not None:
        assert second.diff["rows"]["removed"] == 0
        assert second.diff["rows"]["added"] == more
    stores.ledger.close()


@HEAVY
@given(st.sampled_from(WAYS), st.booleans(), st.integers(0, 100))
def test_equal_seeds_deal_alike_and_joined_columns_do_not_matter_with_a_key(
    tmp_path: Path, by: str, keyed: bool, seed: int
) -> None:
    """Two ledgers, one table; with a key also where one of them has columns more."""
    parts = []
    for joined in (False, True):
        stores = fresh(tmp_path)
        rows = [{**row, **({"joined": i % 7} if joined and keyed else {})} for i, row in enumerate(table(150, seed))]
        version = stores.ingest(csv(rows), split=SplitSettings(by=by, seed=3), key="id" if keyed else None).version
        parts.append(part_of(stores, version))
        stores.ledger.close()
    assert parts[0] == parts[1]


def test_a_key_can_be_declared_later(stores: Stores) -> None:
    """The rows are found by what they hold, once, and by their key from then on."""
    rows = table(200, 1)
    first = stores.ingest(csv(rows))
    second = stores.ingest(csv(rows), key="id")
    corrected = [{**row, "x": 7.25} for row in rows]
    third = stores.ingest(csv(corrected), key="id")
    parts = [part_of(stores, result.version) for result in (first, second, third)]
    assert parts[0] == parts[1] == parts[2]
    assert third.diff is not None
    assert third.diff["rows"] | {"added_to": 0} == {
        "added": 0, "removed": 0, "changed": 200, "unchanged": 0, "added_to": 0
    }  # fmt: skip


def test_a_known_row_whose_key_is_new_is_not_sealed_once_it_was_seen(stores: Stores) -> None:
    """Numbers that are given anew do not make a training row a test row."""
    rows = table(300, 2)
    before = part_of(stores, stores.ingest(csv(rows), key="id").version)
    renamed = [{**row, "id": f"new{i}"} for i, row in enumerate(rows)]
    assert part_of(stores, stores.ingest(csv(renamed), key="id").version) == before


def test_rows_without_a_key_are_known_by_what_they_hold(stores: Stores) -> None:
    """And it is said how many they are, and how many share a key."""
    rows = table(200, 3)
    for row in rows[:20]:
        row["id"] = ""
    rows[30]["id"] = rows[31]["id"]
    first = stores.ingest(csv(rows), key="id")
    assert "20 rows have no key in 'id': they are known by all that they hold" in first.warnings
    assert any(w.startswith("1 rows have a key in 'id' that another row has") for w in first.warnings)
    parts = part_of(stores, first.version)
    assert parts["m30"] == parts["m31"]
    assert len({parts[f"m{i}"] for i in range(20)}) > 1
    assert part_of(stores, stores.ingest(csv(rows[::-1]), key="id").version) == parts


@pytest.mark.parametrize(("key", "says"), [("y", "the key is the target"), ("hole", "have no value in the key")])
def test_a_key_that_is_none_is_refused(stores: Stores, key: str, says: str) -> None:
    """The target, or a column that is mostly empty."""
    rows = [{**row, "hole": "" if i % 3 else f"h{i}"} for i, row in enumerate(table(60, 4))]
    with pytest.raises(SplitError) as refused:
        stores.ingest(csv(rows), key=key)
    assert says.replace("the key is", "key is") in str(refused.value)


def test_labelled_rows_from_traffic_are_known_by_their_key(stores: Stores) -> None:
    """Though another value of theirs was corrected since."""
    version = stores.ingest(csv(table(400, 5)), key="id", kinds={"mark": "text"}).version  # type: ignore[dict-item]
    parts = part_of(stores, version)
    rows = [{**row, "x": 3.5, "mark": f"again {row['mark']}"} for row in table(400, 5)]
    frame, _ = version.decoder.decode_rows([{k: v for k, v in row.items() if k != "y"} for row in rows])
    y, _ = version.decoder.decode_target_values([row["y"] for row in rows])
    added = append_rows(stores.ledger, stores.objects, version.digest, frame, y)
    after = part_of(stores, added.version)
    assert {mark: after[f"again {mark}"] for mark in parts} == parts


def test_a_group_whose_envelope_was_opened_validates_from_then_on(stores: Stores) -> None:
    """All rows of a group are in one envelope; new rows of it are not sealed again."""
    rows = [{**row, "shop": f"s{i % 150}"} for i, row in enumerate(table(3000, 6))]
    split = SplitSettings(by="group:shop")
    version = stores.ingest(csv(rows), split=split).version
    assert len(version.envelopes) > 1
    places: dict[str, set[int]] = {}
    for envelope in version.envelopes:
        for shop in read_sealed(stores.ledger, stores.objects, version, envelope.index)[0]["shop"].tolist():
            places.setdefault(shop, set()).add(envelope.index)
    assert all(len(found) == 1 for found in places.values())
    opened = version.envelopes[0].index
    open_envelope(stores.ledger, stores.objects, version.digest, opened, run="r", purpose="p")
    shops = {shop for shop, found in places.items() if found == {opened}}
    new = [{**row, "shop": sorted(shops)[i % len(shops)]} for i, row in enumerate(table(60, 7, first=5000))]
    parts = part_of(stores, stores.ingest(csv(rows + new), split=split).version)
    assert {parts[row["mark"]] for row in new} == {"valid"}
    frame, _ = version.decoder.decode_rows([{k: v for k, v in row.items() if k != "y"} for row in new])
    y, _ = version.decoder.decode_target_values([row["y"] for row in new])
    assert append_rows(stores.ledger, stores.objects, version.digest, frame, y).rows == {
        "train": 0,
        "valid": 60,
        "test": 0,
    }


def test_a_known_row_that_comes_into_a_group_of_another_part_is_left_out(stores: Stores) -> None:
    """No row moves, no group is torn: what is left is not to use it."""
    rows = [{**row, "shop": f"s{i % 30}"} for i, row in enumerate(table(600, 8))]
    split = SplitSettings(by="group:shop")
    before = part_of(stores, stores.ingest(csv(rows), split=split, key="id").version)
    side = {row["shop"]: before[row["mark"]] for row in rows}
    train = next(shop for shop, part in side.items() if part == "train")
    test = next(shop for shop, part in side.items() if part == "test")
    moving = [row["mark"] for row in rows if row["shop"] == train][:5]
    moved = [{**row, "shop": test if row["mark"] in moving else row["shop"]} for row in rows]
    second = stores.ingest(csv(moved), split=split, key="id")
    after = part_of(stores, second.version)
    assert not set(moving) & set(after)
    assert any(w.startswith("5 known rows have come into a group of another part") for w in second.warnings)
    assert after == {mark: part for mark, part in before.items() if mark not in moving}


@pytest.mark.parametrize("gap", ["20d", 20])
def test_a_gap_keeps_the_parts_apart_also_where_rows_come_later(stores: Stores, gap: str | float) -> None:
    """Rows within it are left out, counted, and stay so; envelopes are as far from each other."""
    length = 20 * 86400e6 if isinstance(gap, str) else 20.0
    split = SplitSettings(by="time:day", gap=gap, envelopes=2)

    def rows_of(n: int, seed: int, first: int = 0) -> Table:
        dice = np.random.default_rng(seed)
        days = np.sort(dice.integers(first, first + 800, n))
        stamps = [str(np.datetime64("2020-01-01") + int(d)) for d in days] if isinstance(gap, str) else days
        return [{"mark": f"m{seed}-{i}", "x": i % 9, "day": stamps[i], "y": "ab"[i % 2]} for i in range(n)]

    rows = rows_of(3000, 0)
    first = stores.ingest(csv(rows), split=split)
    left = first.version.rows["left_out"]
    assert left > 0
    assert any(f"{left} rows lie within the gap" in warning for warning in first.warnings)
    assert len(first.version.envelopes) == 2
    assert apart(stores, first.version) >= length
    before = part_of(stores, first.version)
    late = [{**row, "mark": f"late {row['mark']}", "x": 3} for row in rows_of(500, 1)]
    second = stores.ingest(csv(rows + rows_of(2500, 2, first=700) + late), split=split)
    assert apart(stores, second.version) >= length
    after = part_of(stores, second.version)
    assert {mark: after[mark] for mark in before} == before
    assert not {row["mark"] for row in rows if row["mark"] not in before} & set(after)
    new = rows_of(700, 3, first=1400)
    frame, _ = second.version.decoder.decode_rows([{k: v for k, v in row.items() if k != "y"} for row in new])
    y, _ = second.version.decoder.decode_target_values([row["y"] for row in new])
    added = append_rows(stores.ledger, stores.objects, second.version.digest, frame, y)
    assert added.too_near > 0
    assert sum(added.rows.values()) + added.too_near == 700
    assert added.version.rows["left_out"] == second.version.rows["left_out"] + added.too_near
    assert apart(stores, added.version) >= length


def apart(stores: Stores, version: DatasetVersion) -> float:
    """The least distance in time between two rows of different parts or envelopes."""
    blocks = [load_part(stores.objects, version, part)[0]["day"] for part in ("train", "valid")]
    blocks += [read_sealed(stores.ledger, stores.objects, version, e.index)[0]["day"] for e in version.envelopes]
    times = np.concatenate(blocks).astype(float)
    block = np.repeat(np.arange(len(blocks)), [len(b) for b in blocks])
    order = np.argsort(times, kind="stable")
    differ = block[order][1:] != block[order][:-1]
    return float(np.diff(times[order])[differ].min())


def files(train: Path, test: Path) -> PartFiles:
    return PartFiles(FileSource(train), {"test": FileSource(test)})


def test_files_of_their_own_give_the_parts(stores: Stores) -> None:
    """The published test file is sealed as it is; validation rows are dealt from the training rows, and stay."""
    rows, tests = table(400, 9), table(100, 10, first=1000)
    tests.append(dict(rows[0]))  # a twin of a training row
    train, test = stores.write(csv(rows), "train.csv"), stores.write(csv(tests), "test.csv")
    split = SplitSettings(by="files", files=("test",))
    first = stores.ingest(files(train, test), split=split)
    assert first.rows["test"] == 100
    assert abs(first.rows["valid"] - 80) <= 1
    assert any(w.startswith("1 rows are not in the part that they were given for") for w in first.warnings)
    parts = part_of(stores, first.version)
    assert {mark for mark, part in parts.items() if part == "test"} == {row["mark"] for row in tests[:-1]}
    more = stores.write(csv(rows + table(50, 11, first=2000)), "train.csv")
    after = part_of(stores, stores.ingest(files(more, test), split=split).version)
    assert {mark: after[mark] for mark in parts} == parts
    assert "test" not in {after[row["mark"]] for row in table(50, 11, first=2000)}


def test_files_that_do_not_hold_the_same_columns_are_refused(stores: Stores) -> None:
    """Which columns, of which file."""
    train = stores.write(csv(table(50, 12)), "train.csv")
    test = stores.write(csv([{k: v for k, v in row.items() if k != "x"} for row in table(20, 13)]), "test.csv")
    with pytest.raises(SplitError, match="it lacks 'x'"):
        stores.ingest(files(train, test), split=SplitSettings(by="files", files=("test",)))


def test_a_column_says_the_parts_and_what_it_says_else_is_refused(stores: Stores) -> None:
    """The message names the value, how many rows have it, and the setting."""
    rows = table(300, 14)
    rows[5]["said"] = "holdout"
    with pytest.raises(SplitError, match=r"says 'holdout' of 1 rows") as refused:
        stores.ingest(csv(rows), split=SplitSettings(by="column:said"))
    assert "[split] values" in refused.value.way_out
    values = {"train": ["train", "Train"], "valid": ["val"], "test": ["test", "holdout"]}
    with pytest.raises(Exception, match="stands for two parts"):
        SplitSettings(by="column:said", values=values)
    values["train"] = ["train"]
    version = stores.ingest(csv(rows), split=SplitSettings(by="column:said", values=values)).version
    said = {"train": "train", "Train": "train", "val": "valid", "test": "test", "holdout": "test"}
    assert part_of(stores, version) == {row["mark"]: said[row["said"]] for row in rows}
    assert "said" not in {spec.name for spec in version.decoder.columns}


def test_a_part_that_a_column_does_not_give_is_dealt_from_the_training_rows(stores: Stores) -> None:
    """Here validation: in its share, within each class."""
    rows = [{**row, "said": "test" if i % 4 == 0 else "train"} for i, row in enumerate(table(400, 15))]
    split = SplitSettings(by="column:said", values={"train": ["train"], "test": ["test"]})
    found = stores.ingest(csv(rows), split=split).rows
    assert found == {"train": 240, "valid": 60, "test": 100}
    usual = stores.ingest(csv(rows), split=SplitSettings(by="column:said"), project="usual")
    assert usual.rows == found
    with pytest.raises(SplitError, match="there is no test row"):
        stores.ingest(csv([{**row, "said": "train"} for row in rows]), split=split, project="another")


def test_what_was_seen_is_not_sealed_because_a_column_says_so(stores: Stores) -> None:
    """Dealt anew by a column, seen rows that it calls test rows validate."""
    rows = table(300, 16)
    before = part_of(stores, stores.ingest(csv(rows)).version)
    second = stores.ingest(csv(rows), split=SplitSettings(by="column:said"))
    after = part_of(stores, second.version)
    assert not {m for m, part in after.items() if part == "test"} & {m for m, part in before.items() if part != "test"}
    assert any("were seen before" in w for w in second.warnings)


def test_ingest_speaks_of_a_gap_that_leaves_nothing(stores: Stores) -> None:
    """And of one that does not fit the column."""
    rows = table(200, 17)
    for gap, says in (("900d", "no train row lies outside"), (7, "holds dates")):
        with pytest.raises(Exception, match="gap") as refused:
            ingest(
                stores.ledger, stores.objects, source=FileSource(stores.write(csv(rows))), target="y",
                split=SplitSettings(by="time:day", gap=gap),
            )  # fmt: skip
        assert says in str(refused.value)


def test_what_is_joined_is_no_part_of_a_row(stores: Stores) -> None:
    """In the first version already: another value in the other source moves no row, with or without a key."""
    rows = table(300, 18)
    main = FileSource(stores.write(csv(rows), "main.csv"))
    dealt = []
    for number, places in enumerate((5, 7)):
        other = csv([{"shop": f"s{i}", "town": f"t{i % places}"} for i in range(60)])
        join = Join(FileSource(stores.write(other, f"{number}.csv")), "towns", ("shop",), ("shop",))  # type: ignore[arg-type]
        source = JoinedSource(main, [join])  # type: ignore[arg-type]
        assert joined_columns(PartFiles(source, {})) == {"town"}
        version = stores.ingest(source, project=f"p{number}").version
        assert "town" in {spec.name for spec in version.decoder.columns}
        dealt.append(part_of(stores, version))
    assert dealt[0] == dealt[1] == part_of(stores, stores.ingest(main, project="alone").version)
