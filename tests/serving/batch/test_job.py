"""The batch job: the same answers as online, in order, whatever the format, whole or not at all."""

from __future__ import annotations

import csv
import gzip
import json
import random
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.bundle.runtime import Bundle
from penstock.errors import BadParameter, SchemaMismatch, SourceError, StoreError, StoreFull
from penstock.serving.batch import answering, inputs
from penstock.serving.batch.job import predict_files

NAMES = ["age", "income", "job", "member", "joined", "note", "id"]


def rows(n: int, seed: int = 0) -> list[dict[str, str]]:
    """Rows as text, with missing and unknown values, and values outside."""
    pick = random.Random(seed)
    return [
        {
            "age": pick.choice(["", str(pick.randint(10, 100)), f"{pick.uniform(18, 90):.7f}"]),
            "income": pick.choice(["", "?", f"{pick.uniform(-1e4, 3e5)!r}"]),
            "job": pick.choice(["nurse", "pilot", " admin. ", "astronaut", "unknown", ""]),
            "member": pick.choice(["true", "FALSE", ""]),
            "joined": pick.choice(["2019-03-01", "2020-02-29T10:00:00Z", ""]),
            "note": pick.choice(["Call back!", "Rückruf später", 'a "quoted", note', ""]),
            "id": str(n),
        }
        for n in range(n)
    ]


def write_csv(path: Path, data: list[dict[str, str]], delimiter: str = ",") -> Path:
    opener: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, NAMES, delimiter=delimiter)
        writer.writeheader()
        writer.writerows(data)
    return path


def write_jsonl(path: Path, data: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps({k: v or None for k, v in row.items()}) + "\n" for row in data))
    return path


def write_parquet(path: Path, data: list[dict[str, str]]) -> Path:
    pq.write_table(pa.table({name: [row[name] or None for row in data] for name in NAMES}), path)
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as file:
        return list(csv.DictReader(file))


def online(bundle: Bundle, data: list[dict[str, str]]) -> list[dict[str, Any]]:
    """What a server answers to the same rows, in the columns of the batch job."""
    flat = []
    for n, answer in enumerate(bundle.predict(data)):
        row: dict[str, Any] = {
            "row": n, "prediction": answer["prediction"], "decision": answer["decision"], "novelty": answer["novelty"]
        }  # fmt: skip
        target = bundle.signature.target
        if target.classes:
            shares = answer["probabilities"] or dict.fromkeys(map(str, target.classes))
            row |= {f"p_{name}": p for name, p in shares.items()}
        else:
            row["low"], row["high"] = answer["interval"] or (None, None)
        flat.append(row)
    return flat


@pytest.fixture
def toy(toys: Callable[..., Path]) -> Bundle:
    return Bundle.load(toys(1))


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_answers_are_bit_for_bit_those_of_online(toys: Callable[..., Path], tmp_path: Path, task: str) -> None:
    """Parquet holds the very doubles; CSV holds them in digits that read back as such."""
    bundle = Bundle.load(toys(1, task))
    data = rows(500)
    source = write_csv(tmp_path / "in.csv", data)
    result = predict_files(bundle, source, tmp_path / "out.parquet")
    expected = online(bundle, data)
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == expected
    assert result.rows == 500
    assert result.abstained == sum(row["decision"] == "abstain" for row in expected) > 0
    predict_files(bundle, source, tmp_path / "out.csv")
    read = read_csv(tmp_path / "out.csv")
    assert list(read[0]) == list(expected[0])
    for got, row in zip(read, expected, strict=True):
        for name, value in row.items():
            same = got[name] == "" if value is None else type(value)(got[name]) == value
            assert same, (name, got[name], value)


@pytest.mark.parametrize("name", ["in.csv", "in.csv.gz", "in.tsv", "semicolon.csv", "in.jsonl", "in.parquet"])
def test_every_format_gets_the_same_answers(toy: Bundle, tmp_path: Path, name: str) -> None:
    """In and out."""
    data = rows(80, seed=1)
    path = tmp_path / name
    if name.endswith(".jsonl"):
        write_jsonl(path, data)
    elif name.endswith(".parquet"):
        write_parquet(path, data)
    else:
        write_csv(path, data, {"in.tsv": "\t", "semicolon.csv": ";"}.get(name, ","))
    predict_files(toy, path, tmp_path / "out.csv.gz")
    predict_files(toy, path, tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == online(toy, data)
    assert [row["novelty"] for row in read_csv(tmp_path / "out.csv.gz")] == [
        str(row["novelty"]) for row in online(toy, data)
    ]


def test_rows_keep_their_order_over_chunks(toy: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamed in small pieces, the output is the same file."""
    source = write_csv(tmp_path / "in.csv", rows(3000))
    predict_files(toy, source, tmp_path / "whole.csv")
    monkeypatch.setattr(inputs, "READ_ROWS", 64)
    monkeypatch.setattr(answering, "ENOUGH_ROWS", 100)
    predict_files(toy, source, tmp_path / "pieces.csv")
    assert (tmp_path / "pieces.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_several_files_become_one(toy: Bundle, tmp_path: Path) -> None:
    """In the order in which they are given; rows are counted on."""
    first, second = rows(20, seed=2), rows(30, seed=3)
    files = [write_csv(tmp_path / "a.csv", first), write_parquet(tmp_path / "b.parquet", second)]
    result = predict_files(toy, files, tmp_path / "all.parquet")
    assert (result.rows, result.files, len(result.outputs)) == (50, ["a.csv", "b.parquet"], 1)
    assert pq.read_table(tmp_path / "all.parquet").to_pylist() == online(toy, first + second)


def test_absent_and_extra_columns_are_told(toy: Bundle, tmp_path: Path) -> None:
    """An absent column is all missing, an extra one is ignored; the target may be there."""
    (tmp_path / "in.csv").write_text("age,colour,bought\n41,red,yes\n")
    result = predict_files(toy, tmp_path / "in.csv", tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == online(toy, [{"age": "41"}])
    absent, extra = result.warnings
    assert "'income', 'job', 'member', 'joined', 'note': all missing" in absent
    assert "'colour' is unknown" in extra


def test_a_file_without_any_column_of_the_model_is_refused(toy: Bundle, tmp_path: Path) -> None:
    """It is some other file, or one without a header."""
    (tmp_path / "in.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SchemaMismatch, match="no column of the model"):
        predict_files(toy, tmp_path / "in.csv", tmp_path / "out.csv")


def test_a_value_that_cannot_be_read_refuses_or_counts_as_missing(toy: Bundle, tmp_path: Path) -> None:
    """As asked; a refused job leaves no output."""
    data = rows(10)
    data[7]["age"] = "old"
    source = write_csv(tmp_path / "in.csv", data)
    with pytest.raises(SchemaMismatch, match="row 7, column 'age'"):
        predict_files(toy, source, tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]
    result = predict_files(toy, source, tmp_path / "out.parquet", on_unreadable="missing")
    assert result.unreadable == 1
    data[7]["age"] = ""
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == online(toy, data)


def test_no_rows_make_an_empty_table(toy: Bundle, tmp_path: Path) -> None:
    """A header only."""
    source = write_csv(tmp_path / "in.csv", [])
    assert predict_files(toy, source, tmp_path / "out.csv").rows == 0
    assert (tmp_path / "out.csv").read_text() == "row,prediction,decision,novelty,p_no,p_yes\n"


def test_an_unknown_ending_is_refused(toy: Bundle, tmp_path: Path) -> None:
    """Before anything is read."""
    with pytest.raises(BadParameter, match=r"out\.xlsx"):
        predict_files(toy, tmp_path / "in.csv", tmp_path / "out.xlsx")
    with pytest.raises(SourceError):
        predict_files(toy, tmp_path / "absent.csv", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_a_full_disk_leaves_what_was_there(toy: Bundle, tmp_path: Path, name: str) -> None:
    """The earlier output stays, nothing half-written."""
    source = write_csv(tmp_path / "in.csv", rows(2000))
    (tmp_path / name).write_text("earlier")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
    try:
        with pytest.raises(StoreFull):
            predict_files(toy, source, tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / name).read_text() == "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["in.csv", name])


def test_answers_never_take_the_place_of_their_rows(toy: Bundle, tmp_path: Path) -> None:
    """Under whatever name: the rows stay as they were."""
    source = write_csv(tmp_path / "in.csv", rows(3))
    before = source.read_bytes()
    (tmp_path / "also.csv").symlink_to(source)
    for given, output in [(source, source), (source, tmp_path / "also.csv"), ([source, source], source)]:
        with pytest.raises(BadParameter, match="is an input, too"):
            predict_files(toy, given, output)
    assert source.read_bytes() == before


def test_a_folder_that_is_not_there_is_not_made(toy: Bundle, tmp_path: Path) -> None:
    """Its name may be a slip."""
    (tmp_path / "in.csv").write_text("a\n1\n", encoding="utf-8")
    with pytest.raises(StoreError, match="there is no folder"):
        predict_files(toy, tmp_path / "in.csv", tmp_path / "gone" / "out.csv")
    assert not (tmp_path / "gone").exists()
