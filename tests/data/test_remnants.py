"""No row moves because of what is decided about its columns, or when one of them goes: from files and from databases alike."""

from __future__ import annotations

import random
import sqlite3
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.data.test_rows_stay import csv, part_of

from penstock.data.privacy.applying import Decisions
from penstock.data.seal import open_envelope
from penstock.data.sources.kind import Around, SourceSettings
from penstock.data.sources.opening import open_source
from penstock.data.sources.snapshots import Snapshots
from penstock.data.split import SplitSettings
from penstock.errors import SplitError
from penstock.objects.tabular import ReadOptions

if TYPE_CHECKING:
    from tests.data.conftest import Stores

    from penstock.data.result import IngestResult

Table = list[dict[str, Any]]
ACTIONS = {
    "email": ("drop", "mask", "hash", "prefix:4"),
    "born": ("drop", "year", "shift", "shift:email", "mask"),
    "age": ("drop", "band:10"),
}


def table(n: int, seed: int = 0) -> Table:
    dice = random.Random(seed)
    return [
        {
            "email": f"u{dice.randrange(50)}@example.org",
            "born": f"19{dice.randrange(40, 99)}-0{dice.randrange(1, 9)}-1{dice.randrange(9)}",
            "age": dice.randrange(18, 90),
            "mark": round(dice.gauss(0, 1) * 1000, 6),
            "y": dice.choice(["no", "yes"]),
        }
        for _ in range(n)
    ]


def ingested(stores: Stores, kind: str, rows: Table, actions: dict[str, str], **how: Any) -> IngestResult:
    """A version of these rows; of a database, columns that are dropped are not asked for, as `penstock run` does it."""
    dropped: tuple[str, ...] = ()
    if kind == "csv":
        place = stores.write(csv(rows), "t.csv").name
    elif kind == "parquet":
        place = "t.parquet"
        pq.write_table(pa.table({name: [row[name] for row in rows] for name in rows[0]}), stores.folder / place)
    else:
        place, dropped = "sqlite:///t.db?table=t", tuple(name for name, action in actions.items() if action == "drop")
        connection = sqlite3.connect(stores.folder / "t.db")
        connection.execute("DROP TABLE IF EXISTS t")
        connection.execute(f"CREATE TABLE t ({', '.join(rows[0])})")
        connection.executemany(
            f"INSERT INTO t VALUES ({', '.join('?' * len(rows[0]))})", [tuple(r.values()) for r in rows]
        )
        connection.commit()
        connection.close()
    settings = SourceSettings(place, ReadOptions(), drop=dropped)
    source = open_source(settings, Around(root=stores.folder, snapshots=Snapshots(stores.ledger)))
    done = {name: action for name, action in actions.items() if name not in dropped}
    kept = tuple(name for name in ("email", "born", "age") if name in rows[0] and name not in actions)
    return stores.ingest(source, privacy=Decisions(done, kept), **how)


@pytest.mark.parametrize("kind", ["csv", "parquet", "sql"])
def test_no_decision_about_a_column_moves_a_row(stores: Stores, kind: str) -> None:
    """Any action after any other, with new rows in between; then the source has a column more, and then one less."""
    dice, rows = random.Random(kind), table(250)
    known = part_of(stores, ingested(stores, kind, rows, {}).version, "mark")
    steps = [(name, action) for name, actions in ACTIONS.items() for action in actions]
    dice.shuffle(steps)
    for number, (name, action) in enumerate(
        [*steps[:4], ("born", "drop"), ("born", ""), ("more", ""), ("age", "gone")]
    ):
        rows = [*rows, *({**row, **({"more": 1} if "more" in rows[0] else {})} for row in table(5, seed=number + 1))]
        if name == "more":
            rows = [{**row, "more": place % 3} for place, row in enumerate(rows)]
        if action == "gone":
            rows = [{column: value for column, value in row.items() if column != name} for row in rows]
        decided = {name: action} if action not in ("", "gone") else {}
        now = part_of(stores, ingested(stores, kind, rows, decided).version, "mark")
        assert {mark: now[mark] for mark in known} == known, f"{name} = {action}"
        known = now


def test_rows_by_time_and_by_group_stay_when_a_column_goes(stores: Stores) -> None:
    """The column that deals them is there; the hash of what they hold is another."""
    for by in ("time:born", "group:email"):
        rows, how = table(300), {"split": SplitSettings(by=by), "project": by}
        before = part_of(stores, ingested(stores, "sql", rows, {}, **how).version, "mark")
        after = part_of(stores, ingested(stores, "sql", rows, {"age": "drop"}, **how).version, "mark")
        assert after == before


def test_rows_that_are_alike_without_a_column_join_the_part_that_was_seen_and_stay_there(stores: Stores) -> None:
    """A sealed row whose twin trains trains, too, which is told; it is not sealed again when the column comes back."""
    rows = table(300)
    twins = [{**row, "born": "1930-01-01"} for row in rows[:40]]
    before = ingested(stores, "sql", [*rows, *twins], {})
    was: list[set[str]] = [set(), set()]
    for twin in (False, True):
        for part, born, mark in _stored(stores, before):
            was[twin] |= {f"{part} {mark}"} if (born == "1930-01-01") is twin else set()
    torn = {name.split()[1] for name in was[0] ^ was[1]} & {str(float(row["mark"])) for row in twins}
    assert torn  # some twins lie in two parts, as they were no twins
    second = ingested(stores, "sql", [*rows, *twins], {"born": "drop"})
    assert any("without 'born', and are with it from now on" in warning for warning in second.warnings)
    third = ingested(stores, "sql", [*rows, *twins, *table(5, seed=9)], {})
    for version in (second, third):
        places: dict[str, set[str]] = {}
        for part, _, mark in _stored(stores, version):
            places.setdefault(str(float(mark)), set()).add(part)
        assert all(len(places[mark]) == 1 for mark in torn)
    assert second.rows["test"] < before.rows["test"]


def _stored(stores: Stores, result: IngestResult) -> list[tuple[str, str, float]]:
    from penstock.data.seal import stored_rows
    from penstock.data.split import PARTS

    found = []
    for part, _, frame in stored_rows(stores.ledger, stores.objects, result.version):
        born = frame["born"] if "born" in frame else [0] * frame.n_rows
        texts = ["1930-01-01" if value == -1262304000000000 else "" for value in born]
        found += [(PARTS[part], text, mark) for text, mark in zip(texts, frame["mark"].tolist(), strict=True)]
    return found


def test_what_leaves_hardly_a_sealed_row_is_refused_with_the_way_out_that_works(stores: Stores) -> None:
    """Where the column that goes tells most rows apart: a key that is declared first keeps them where they are."""
    rows = [
        {"id": i, "shop": "S" + r["born"], "age": r["age"] % 3, "mark": r["mark"], "y": r["y"]}
        for i, r in enumerate(table(300))
    ]
    without = [{name: value for name, value in row.items() if name not in ("mark", "shop")} for row in rows]
    before = part_of(stores, stores.ingest(csv(rows)).version, "mark")
    with pytest.raises(SplitError, match="without 'mark', 60 of 60 sealed rows") as refused:
        stores.ingest(csv(without))
    assert "declare [data] key and `penstock run` once" in refused.value.way_out
    keyed = stores.ingest(csv(rows), key="id")
    assert part_of(stores, keyed.version, "mark") == before
    after = stores.ingest(csv(without), key="id")
    assert after.rows == keyed.rows
    assert after.diff is not None
    assert after.diff["rows"]["unchanged"] == 300


def test_what_was_seen_is_not_sealed_where_rows_are_dealt_anew_and_a_column_goes(stores: Stores) -> None:
    """Other shares, and one column less, in one step; an opened envelope counts as seen."""
    rows = table(2500)
    first = ingested(stores, "sql", rows, {})
    parts = part_of(stores, first.version, "mark")
    index = first.version.envelopes[0].index
    opened, _ = open_envelope(stores.ledger, stores.objects, first.version.digest, index, run="r", purpose="p")
    seen = {mark for mark, part in parts.items() if part != "test"} | set(opened["mark"].tolist())
    again = ingested(stores, "sql", rows, {"born": "drop"}, split=SplitSettings(seed=5))
    assert not seen & {mark for mark, part in part_of(stores, again.version, "mark").items() if part == "test"}
