"""From a file to a version: what it decides, what it keeps, and what no one can see of the test rows."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from penstock.bundle.decoder import Kind
from penstock.bundle.kinds import Task
from penstock.data.ingest import ingest
from penstock.data.privacy.applying import Decisions
from penstock.data.seal import envelopes, open_envelope, read_sealed, read_spent
from penstock.data.source import Batch
from penstock.data.sources.file import FileSource
from penstock.data.split import SplitSettings
from penstock.data.versions import load_part, load_version
from penstock.errors import SchemaMismatch, SealError, SourceError, TargetError
from penstock.ledger.ledger import Ledger
from penstock.objects.local import LocalStore
from penstock.objects.tabular import ReadOptions

if TYPE_CHECKING:
    from tests.data.conftest import Stores

Customers = Callable[..., str]


def part_of_each_row(stores: Stores, digest: str, column: str = "note") -> dict[str, str]:
    """Value of a unique column -> part; test rows are looked at as only the sealing step may."""
    version = load_version(stores.objects, digest)
    found = {}
    for part in ("train", "valid"):
        found |= dict.fromkeys(load_part(stores.objects, version, part)[0][column].tolist(), part)
    for envelope in version.envelopes:
        frame, _ = read_sealed(stores.ledger, stores.objects, version, envelope.index)
        found |= dict.fromkeys(frame[column].tolist(), f"test {envelope.index}")
    return found


def test_a_table_is_inferred_dealt_and_stored(stores: Stores, customers: Customers) -> None:
    """Kinds, task, parts, envelopes, and rows that come back typed."""
    result = stores.ingest(customers(1000))
    kinds = {finding.name: finding.kind for finding in result.columns}
    assert kinds == {
        "id": Kind.IDENTIFIER,
        "age": Kind.NUMERIC,
        "job": Kind.CATEGORICAL,
        "note": Kind.TEXT,
        "since": Kind.DATETIME,
    }
    assert result.task is Task.BINARY
    assert result.version.target.classes == ("no", "yes")
    assert sum(result.rows.values()) == 1000
    assert abs(result.rows["test"] - 200) <= 2
    frame, y = load_part(stores.objects, result.version, "train")
    assert frame.n_rows == len(y) == result.rows["train"]
    assert y.dtype == np.int64
    assert set(frame["job"].tolist()) == {"admin.", "blue-collar", "retired", None}
    assert [envelope.rows for envelope in result.version.envelopes] == [result.rows["test"]]


def test_the_same_bytes_and_options_give_the_same_version(stores: Stores, customers: Customers) -> None:
    """Known the second time, also under another name; and worked out again it is the same."""
    first = stores.ingest(customers(300))
    second = stores.ingest(stores.write(customers(300), "copy.csv"))
    assert (second.version.digest, second.known) == (first.version.digest, True)
    assert second.columns == first.columns
    again = stores.ingest(customers(300), again=True)
    assert (again.version.digest, again.known) == (first.version.digest, False)


def test_a_version_worked_out_again_is_the_same_though_its_envelope_was_opened_since(
    stores: Stores, customers: Customers
) -> None:
    """What was spent then decides, not what is spent now."""
    stores.ingest(customers(300))
    second = stores.ingest(customers(400))
    open_envelope(stores.ledger, stores.objects, second.version.digest, 0, run="r", purpose="p")
    assert stores.ingest(customers(400), again=True).version.digest == second.version.digest


def test_other_options_give_another_version_of_the_same_lineage(stores: Stores, customers: Customers) -> None:
    """The rows keep their parts and envelopes, so what is spent stays spent."""
    first = stores.ingest(customers(500))
    second = stores.ingest(customers(500), kinds={"job": Kind.TEXT}, drop=("since",))
    assert second.version.digest != first.version.digest
    assert second.version.lineage == first.version.lineage
    assert second.version.parent == first.version.digest
    assert part_of_each_row(stores, first.version.digest) == part_of_each_row(stores, second.version.digest)
    assert second.diff is not None
    assert second.diff["columns"] == {"added": [], "removed": ["since"], "kinds": {"job": ["categorical", "text"]}}
    assert second.diff["rows"]["unchanged"] == 500


def test_rows_keep_their_parts_when_rows_are_appended_and_shuffled(stores: Stores, customers: Customers) -> None:
    """Whatever the order of the file."""
    first = stores.ingest(customers(1000))
    lines = customers(1500).splitlines()
    body = lines[1:]
    random.Random(1).shuffle(body)
    second = stores.ingest("\n".join([lines[0], *body]))
    before, after = (part_of_each_row(stores, r.version.digest) for r in (first, second))
    assert {note: after[note] for note in before} == before
    assert second.diff is not None
    assert second.diff["rows"]["added"] == 500
    assert second.diff["rows"]["removed"] == 0
    assert sum(second.diff["rows"]["added_to"].values()) == 500
    assert abs(second.diff["rows"]["added_to"]["train"] - 300) < 60
    assert second.version.decoder.columns == first.version.decoder.columns


def test_new_test_rows_join_a_small_sealed_envelope_or_fill_new_ones(stores: Stores, customers: Customers) -> None:
    """An envelope of 120 rows grows while it is sealed; a spent one is left as it is."""
    first = stores.ingest(customers(600))
    assert [e.index for e in first.version.envelopes] == [0]
    second = stores.ingest(customers(800))
    assert [e.index for e in second.version.envelopes] == [0]
    assert second.version.envelopes[0].rows > first.version.envelopes[0].rows
    open_envelope(stores.ledger, stores.objects, second.version.digest, 0, run="r", purpose="test")
    third = stores.ingest(customers(1100))
    assert [e.index for e in third.version.envelopes] == [0, 1]
    assert third.version.envelopes[0].rows == second.version.envelopes[0].rows


def test_a_test_row_that_comes_back_in_another_file_stays_a_test_row(stores: Stores, customers: Customers) -> None:
    """With another number, in other columns' order, with other spellings of its numbers."""
    first = stores.ingest(customers(500))
    lines = [line.split(",") for line in customers(500).splitlines()[1:]]
    rows = [f"{note},{job},{since},{9000 + i},{f'{float(age):.6f}' if age else ' '},{y}"
            for i, (_, age, job, note, since, y) in enumerate(lines)]  # fmt: skip
    second = stores.ingest("\n".join(["note,job,since,id,age,y", *rows]))
    assert part_of_each_row(stores, first.version.digest) == part_of_each_row(stores, second.version.digest)


def test_alike_rows_share_a_part_though_their_numbers_differ(stores: Stores, customers: Customers) -> None:
    """A row counter does not tell two rows apart."""
    lines = customers(300).splitlines()
    doubled = [lines[0], *lines[1:], *[f"{i + 301},{line.partition(',')[2]}" for i, line in enumerate(lines[1:])]]
    result = stores.ingest("\n".join(doubled))
    assert result.version.fingerprint_columns == ("age", "job", "note", "since")
    parts: dict[str, set[str]] = {}
    for part in ("train", "valid"):
        for note in load_part(stores.objects, result.version, part)[0]["note"].tolist():
            parts.setdefault(note, set()).add(part)
    assert all(len(found) == 1 for found in parts.values())


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".jsonl", ".parquet"])
def test_no_stored_byte_shows_a_test_row(stores: Stores, customers: Customers, suffix: str) -> None:
    """Planted words of every row: those of training rows are found in the stores, those of test rows are not."""
    import io

    import pyarrow.parquet as pq

    secrets = [f"zq{i:04}xj" for i in range(400)]
    lines = customers(400).splitlines()
    text = "\n".join(
        [
            lines[0],
            *[line.replace(f" {i},", f" {w},") for i, (line, w) in enumerate(zip(lines[1:], secrets, strict=True))],
        ]
    )
    path = stores.write(text)
    if suffix == ".csv.gz":
        path = stores.folder / "t.csv.gz"
        path.write_bytes(gzip.compress(text.encode()))
    elif suffix in (".jsonl", ".parquet"):
        from penstock.objects.text_rows import read_text

        table = read_text(path)
        path = stores.folder / f"t{suffix}"
        if suffix == ".parquet":
            pq.write_table(table, path)
        else:
            path.write_text("\n".join(json.dumps(row) for row in table.to_pylist()))
    result = stores.ingest(path)
    seen = b""
    for file in (stores.folder / "state").rglob("*"):
        if not file.is_file():
            continue
        data = file.read_bytes()
        seen += data
        if data[:4] == b"PAR1":
            seen += repr(pq.read_table(io.BytesIO(data)).to_pydict()).encode()
        with contextlib.suppress(zlib.error):
            seen += zlib.decompress(data)
    shown = {word for word in secrets if word.encode() in seen}
    parts = part_of_each_row(stores, result.version.digest)
    for note, part in parts.items():
        assert (note.split()[-1] in shown) == (part in ("train", "valid"))


def test_statistics_come_from_training_rows(stores: Stores) -> None:
    """A value that only rows outside of it have is in no finding: the missing marker of one test row is not declared."""
    rows = [f"2020-01-{i % 28 + 1:02},{i % 50},{'ab'[i % 2]}" for i in range(300)]
    late = [f"2026-01-01,{'?' if i == 0 else 999},{'ab'[i % 2]}" for i in range(90)]
    result = stores.ingest("\n".join(["when,x,y", *rows, *late]), split=SplitSettings(by="time:when"))
    x = next(finding for finding in result.columns if finding.name == "x")
    assert "from 0 to 49" in x.why
    assert result.version.decoder.spec("x").missing == ()
    assert any("column 'x': 1 value cannot be read" in warning for warning in result.warnings)


def test_by_time_and_by_group(stores: Stores, customers: Customers) -> None:
    """Oldest train, newest test; no group on two sides, also later."""
    timed = stores.ingest(customers(400), split=SplitSettings(by="time:since"))
    train, valid = (load_part(stores.objects, timed.version, p)[0]["since"] for p in ("train", "valid"))
    assert train.max() < valid.min()
    text = "who,x,y\n" + "\n".join(f"c{i % 40},{i},{'ab'[i // 40 % 2]}" for i in range(400))
    grouped = stores.ingest(text, split=SplitSettings(by="group:who"))
    more = text + "\n" + "\n".join(f"c{i % 60},{i},a" for i in range(400, 500))
    later = stores.ingest(more, split=SplitSettings(by="group:who"))
    for result in (grouped, later):
        version, sides = result.version, {}
        for part in ("train", "valid"):
            sides |= {(who, part): 1 for who in load_part(stores.objects, version, part)[0]["who"].tolist()}
        for envelope in version.envelopes:
            sealed = read_sealed(stores.ledger, stores.objects, version, envelope.index)[0]
            sides |= {(who, "test"): 1 for who in sealed["who"].tolist()}
        assert len(sides) == len({who for who, _ in sides})


def test_other_split_settings_deal_anew_and_say_so(stores: Stores, customers: Customers) -> None:
    """Another seed is another lineage, with envelopes of its own."""
    first = stores.ingest(customers(500))
    second = stores.ingest(customers(500), split=SplitSettings(seed=1))
    assert second.version.lineage != first.version.lineage
    assert any("dealt anew" in warning for warning in second.warnings)
    assert part_of_each_row(stores, first.version.digest) != part_of_each_row(stores, second.version.digest)
    assert second.version.manifest["redealt"] is True
    assert "redealt" not in first.version.manifest


def sealed_of(stores: Stores, digest: str) -> set[str]:
    """Notes of the test rows."""
    return {note for note, part in part_of_each_row(stores, digest).items() if part.startswith("test")}


@pytest.mark.parametrize(
    "split",
    [
        SplitSettings(seed=1),
        SplitSettings(test=0.1),
        SplitSettings(test=0.4),
        SplitSettings(by="time:since"),
        SplitSettings(by="group:job"),
        SplitSettings(envelopes=2),
    ],
)
def test_no_row_that_was_seen_is_sealed_when_rows_are_dealt_anew(
    stores: Stores, customers: Customers, split: SplitSettings
) -> None:
    """Whatever changes of the split; rows that were sealed and stay so may test, and it is told where they are too few."""
    first = stores.ingest(customers(1000))
    second = stores.ingest(customers(1200), split=split)
    assert sum(second.rows.values()) == 1200
    seen = {n for n, part in part_of_each_row(stores, first.version.digest).items() if not part.startswith("test")}
    sealed = sealed_of(stores, second.version.digest)
    assert len(sealed) == second.rows["test"]
    assert not seen & sealed
    asked = split.test * 1200
    assert any("[split] test asks for" in w for w in second.warnings) == (len(sealed) < asked / 2)
    if not split.column:
        assert abs(len(sealed) - min(asked, 400)) <= 2
        assert abs(second.rows["valid"] / (1200 - len(sealed)) - split.valid / (1 - split.test)) < 0.01


def test_an_opened_envelope_is_seen_and_the_others_are_retired_when_rows_are_dealt_anew(
    stores: Stores, customers: Customers
) -> None:
    """Neither going back to the split before nor an older version makes a seen row a sealed one."""
    first = stores.ingest(customers(2500))
    digest = first.version.digest
    opened = set(open_envelope(stores.ledger, stores.objects, digest, 0, run="r", purpose="p")[0]["note"].tolist())
    second = stores.ingest(customers(2500), split=SplitSettings(seed=1))
    assert not opened & sealed_of(stores, second.version.digest)
    assert [(e.index, e.is_spent) for e in envelopes(stores.ledger, stores.objects, digest)] == [(0, True)]
    with pytest.raises(SealError):
        open_envelope(stores.ledger, stores.objects, digest, 1, run="r", purpose="p")
    with pytest.raises(SealError, match="not opened"):
        read_spent(stores.ledger, stores.objects, digest, 1)
    frame, _ = open_envelope(stores.ledger, stores.objects, second.version.digest, 0, run="r", purpose="p")
    opened |= set(frame["note"].tolist())
    back = stores.ingest(customers(2500))
    assert back.version.digest != digest
    assert back.rows["test"] == first.rows["test"] - len(opened)
    assert not opened & sealed_of(stores, back.version.digest)
    assert stores.ingest(customers(2500)).known
    again = stores.ingest(customers(2500), again=True, redeals=second.version.digest)
    assert again.version.digest == back.version.digest


def test_a_row_that_was_seen_under_another_split_is_not_sealed_when_it_comes_back(
    stores: Stores, customers: Customers
) -> None:
    """Though it was not in the source when the rows were dealt anew."""
    first = stores.ingest(customers(1000))
    stores.ingest(customers(500), split=SplitSettings(seed=1))
    third = stores.ingest(customers(1000), split=SplitSettings(seed=1))
    seen = {n for n, part in part_of_each_row(stores, first.version.digest).items() if not part.startswith("test")}
    assert not seen & sealed_of(stores, third.version.digest)
    assert third.version.manifest["redealt"] is True


def test_the_same_rows_and_seed_are_dealt_alike_in_every_ledger(
    stores: Stores, customers: Customers, tmp_path: Path
) -> None:
    """The seed reproduces a split; what is stored of the rows is another thing under each ledger's key."""
    here = stores.ingest(customers(2500), split=SplitSettings(seed=3)).version
    objects = LocalStore(tmp_path / "elsewhere")
    with Ledger.open(tmp_path / "elsewhere.db", objects) as ledger:
        path = stores.write(customers(2500))
        there = ingest(ledger, objects, source=FileSource(path), target="y", split=SplitSettings(seed=3)).version
        assert there.manifest["parts"] == here.manifest["parts"]
        for one, other in zip(here.envelopes, there.envelopes, strict=True):
            frame, _ = read_sealed(stores.ledger, stores.objects, here, one.index)
            same, _ = read_sealed(ledger, objects, there, other.index)
            assert frame["note"].tolist() == same["note"].tolist()
            assert one.object != other.object
        assert there.manifest["fingerprints"] != here.manifest["fingerprints"]


def test_changed_removed_and_new_columns_are_told(stores: Stores) -> None:
    """The diff counts rows and names columns."""
    rows = [(i, i * 7 % 50 + i / 1000, "ab"[i % 2]) for i in range(300)]
    stores.ingest("a,b,y\n" + "\n".join(f"{a % 17},{b},{y}" for a, b, y in rows))
    flipped = [(a, b, "b" if a < 20 else y) for a, b, y in rows[:290]]
    second = stores.ingest("a,b,c,y\n" + "\n".join(f"{a % 17},{b},{a % 3},{y}" for a, b, y in flipped))
    assert second.diff is not None
    assert second.diff["columns"]["added"] == ["c"]
    assert second.diff["rows"] == {
        "added": 0, "removed": 10, "changed": 10, "unchanged": 280, "added_to": {"train": 0, "valid": 0, "test": 0}
    }  # fmt: skip


@pytest.mark.parametrize(("name", "written"), [("x", "0,5"), ("surname", "Ada")])
def test_a_column_of_which_nothing_can_be_read_any_more_is_refused(stores: Stores, name: str, written: str) -> None:
    """A version in which every number is missing is none that anybody asked for; one value that is read is enough. What may be personal is
    not quoted."""
    kept = Decisions({}, kept=(name,))  # else a hint would wait for a decision
    lines = [f"{i}.5,{i % 2}" for i in range(60)]
    stores.ingest(stores.write(f"{name},y\n" + "\n".join(lines) + "\n"), target="y", privacy=kept)
    euro = [f'"{written}",{i % 2}' for i in range(60)]
    with pytest.raises(SourceError) as refused:
        stores.ingest(stores.write(f"{name},y\n" + "\n".join(euro) + "\n"), target="y", privacy=kept)
    assert f"none of 60 values of column {name!r} can be read as numeric" in refused.value.what
    assert (written in refused.value.what) is (name == "x")
    assert f'decimal.{name} = ","' in refused.value.way_out
    some = stores.ingest(stores.write(f"{name},y\n" + "\n".join([*euro, "60,1"]) + "\n"), target="y", privacy=kept)
    assert any("60 values cannot be read" in warning for warning in some.warnings)


def test_a_column_that_left_the_source_is_told(stores: Stores, customers: Customers) -> None:
    """Rows cannot be known again without it; the work goes on."""
    stores.ingest(customers(300))
    lines = [line.split(",") for line in customers(300).splitlines()]
    second = stores.ingest("\n".join(",".join([*line[:2], *line[3:]]) for line in lines))
    assert any("no column 'job' any more" in warning for warning in second.warnings)
    assert second.diff is not None
    assert second.diff["columns"]["removed"] == ["job"]


def test_rows_without_a_target_are_left_out_and_counted(stores: Stores) -> None:
    """They are in no part."""
    text = "x,y\n" + "\n".join(f"{i},{['a', 'b', '', 'NA'][i % 4]}" for i in range(400))
    result = stores.ingest(text)
    assert result.version.rows["left_out"] == 200
    assert sum(result.rows.values()) == 200
    assert "200 of 400 rows have no target and are left out" in result.warnings
    assert not any("no test rows" in warning for warning in result.warnings)


def test_parts_without_a_row_are_told(stores: Stores) -> None:
    """Rows that are written alike share a part: of a table of few different rows nothing may be left to seal."""
    result = stores.ingest("x,y\n" + "1,a\n1,b\n" * 10)  # of more rows it is an error
    assert (result.rows["valid"], result.rows["test"]) == (0, 0)
    assert any("no validation and no test rows" in warning for warning in result.warnings)


def test_rows_that_left_and_come_back_are_where_they_were(stores: Stores, customers: Customers) -> None:
    """A data set remembers all rows that it ever had."""
    first = stores.ingest(customers(600))
    stores.ingest(customers(300))
    third = stores.ingest(customers(601))
    before, after = (part_of_each_row(stores, r.version.digest) for r in (first, third))
    assert {note: after[note] for note in before} == before
    assert third.diff is not None
    assert third.diff["rows"]["added"] == 301


def test_a_class_seen_only_outside_of_training_is_told_and_left_out(stores: Stores) -> None:
    """The work goes on with the classes that can be learned."""
    rows = [f"{2000 + i // 10},{i},{'ab'[i % 2]}" for i in range(280)]
    text = "\n".join(["year,x,y", *rows, *[f"2035,{i},c" for i in range(20)]])
    result = stores.ingest(text, split=SplitSettings(by="time:year"))
    assert result.version.target.classes == ("a", "b")
    assert result.version.rows["left_out"] == 20
    assert any("20 rows have a target that no training row has" in warning for warning in result.warnings)


def test_a_class_of_one_row_trains_and_is_reported(stores: Stores) -> None:
    """It cannot be measured."""
    text = "x,y\n" + "\n".join(f"{i},{'ab'[i % 2]}" for i in range(400)) + "\n400.5,c"
    result = stores.ingest(text)
    assert result.version.target.classes == ("a", "b", "c")
    assert any("one training row only: 'c'" in warning for warning in result.warnings)


def test_two_thousand_columns_are_no_matter(stores: Stores) -> None:
    """Wide tables are everyday sizes."""
    dice = random.Random(0)
    head = ",".join([*[f"f{i}" for i in range(2000)], "y"])
    rows = [",".join([*[f"{dice.random():.3f}" for _ in range(2000)], "ab"[i % 2]]) for i in range(60)]
    result = stores.ingest("\n".join([head, *rows]))
    assert len(result.columns) == 2000
    assert load_part(stores.objects, result.version, "train")[0].n_rows == result.rows["train"]


@pytest.mark.parametrize(
    ("text", "how", "error", "what"),
    [
        ("", {}, SourceError, "is empty"),
        ("x,y\n", {}, SourceError, "has no rows"),
        ("x,z\n1,2\n", {}, TargetError, "no column 'y' to predict"),
        ("x,y\n1,a\n2,a\n", {}, TargetError, "is constant"),
        ("x,y\n1,\n2, \n", {}, TargetError, "has no value"),
        ("x,y,x\n1,a,2\n", {}, SourceError, "two columns of one name"),
        ("x,y\n1,a\n2,b\n", {"kinds": {"xx": Kind.TEXT}}, SchemaMismatch, "no column 'xx'"),
        ("x,y\n1,a\n2,b\n", {"drop": ("w",)}, SchemaMismatch, "no column 'w'"),
        ("x,y\nm,a\nn,b\n", {"split": SplitSettings(by="time:x")}, SchemaMismatch, "dealt by the time in 'x'"),
        ("x,y\n1,a\n2,b\n", {"split": SplitSettings(by="group:y")}, TargetError, "dealt by the target"),
        ("x,y\n1,a\n2,b\n", {"options": ReadOptions(header=False)}, TargetError, "no column 'y' to predict"),
    ],
)
def test_bad_input_is_refused_with_a_way_out_and_nothing_is_recorded(
    stores: Stores,
    text: str,
    how: dict,
    error: type[Exception],
    what: str,  # type: ignore[type-arg]
) -> None:
    """What, why, and what to do; the ledger and the stores stay as they were."""
    with pytest.raises(error, match=what) as caught:
        stores.ingest(text, **how)
    assert caught.value.way_out  # type: ignore[attr-defined]
    assert stores.ledger.datasets.log() == []
    assert list(stores.objects.digests()) == []


def test_a_file_that_changes_while_it_is_ingested_is_refused(
    stores: Stores, customers: Customers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of two states never make a version."""
    path = stores.write(customers(300))
    real = FileSource.batches

    def slow(source: FileSource, rows: int | None = None) -> Iterator[Batch]:
        yield from real(source, rows)
        path.write_text(path.read_text().replace("retired", "deceased"))

    monkeypatch.setattr(FileSource, "batches", slow)
    with pytest.raises(SourceError, match="changed while it was read"):
        stores.ingest(path)
    assert stores.ledger.datasets.log() == []
