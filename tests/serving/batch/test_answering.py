"""Batches are answered side by side and come in order; memory does not grow with the file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from penstock.bundle.runtime import Bundle
from penstock.errors import BadParameter, SchemaMismatch
from penstock.serving.batch import answering
from penstock.serving.batch.answering import Answering, in_order
from penstock.serving.batch.job import predict_files

Write = Callable[..., Path]


def test_the_number_of_threads_changes_no_bit(
    toy: Bundle, tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no order."""
    monkeypatch.setattr(answering, "ENOUGH_ROWS", 500)
    source = write(tmp_path / "in.csv", 20_000)
    for threads in (1, 5):
        predict_files(toy, source, tmp_path / f"{threads}.csv", threads=threads)
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "5.csv").read_bytes()


def test_the_first_failure_is_told_and_no_more_is_read() -> None:
    """Of those that are under way the earliest counts."""
    asked: list[int] = []

    def items() -> Iterator[int]:
        for i in range(1000):
            asked.append(i)
            yield i

    def work(item: int) -> int:
        if item in (3, 4):
            raise ValueError(str(item))
        return item

    answers = in_order(work, items(), 3)
    assert [next(answers) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="3"):
        next(answers)
    assert len(asked) < 12


def test_columns_are_kept_as_they_are_written(toy: Bundle, tmp_path: Path) -> None:
    """In front of the answers, as text, in the order asked for."""
    (tmp_path / "in.csv").write_text("id,age,town\n007,41,Zürich\n,42,\n")
    result = predict_files(toy, tmp_path / "in.csv", tmp_path / "out.parquet", keep=("town", "id", "age"))
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.schema.names[:5] == ["row", "town", "id", "age", "prediction"]
    assert table.select(["town", "id", "age"]).to_pylist() == [
        {"town": "Zürich", "id": "007", "age": "41"}, {"town": None, "id": None, "age": "42"}
    ]  # fmt: skip
    assert not any("unknown" in warning for warning in result.warnings)


def test_a_column_that_is_not_there_or_has_the_name_of_an_answer_is_not_kept(toy: Bundle, tmp_path: Path) -> None:
    """Refused before anything is written."""
    (tmp_path / "in.csv").write_text("age,row\n41,1\n")
    with pytest.raises(SchemaMismatch, match="'town', which is to be kept"):
        predict_files(toy, tmp_path / "in.csv", tmp_path / "out.csv", keep=("town",))
    with pytest.raises(BadParameter, match="a column 'row' of their own"):
        Answering(toy, keep=("row",))
    assert not (tmp_path / "out.csv").exists()


_PEAK = """
import sys
from pathlib import Path
from penstock.bundle.runtime import Bundle
from penstock.objects import duck
from penstock.serving.batch.job import predict_files
duck.MAX_VALUE_BYTES, duck.BUFFER_BYTES = 1 << 20, 2 << 20  # so that both files are many buffers
predict_files(Bundle.load(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), threads=2)
print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])  # of this program alone
"""


def test_memory_does_not_grow_with_the_file(toys: Callable[..., Path], tmp_path: Path) -> None:
    """Four times the rows in the same memory, when both are many batches; Arrow reads their first half, DuckDB the other."""
    head, line = "age,job,note\n", "41.25,nurse,some longer text that nobody reads\n"
    quoted = '41.25,"nurse",some longer text that nobody reads\n'
    peaks = []
    for rows in (120_000, 480_000):
        source = tmp_path / f"{rows}.csv"
        with source.open("w") as file:
            file.write(head)
            for half in (line, quoted):
                for _ in range(rows // 2000):
                    file.write(half * 1000)
        done = subprocess.run(
            [sys.executable, "-c", _PEAK, toys(1), source, tmp_path / "out.csv"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] < peaks[0] + 40, f"peaks in MB: {peaks}"
