"""What an append, columns that look back and a profile take of memory grows with the rows by a few bytes for each, as the docs say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = """
import gc, json, sys
from pathlib import Path
import duckdb, numpy as np, pyarrow as pa, pyarrow.compute, pyarrow.parquet
from penstock.bundle.frame import Frame
from penstock.bundle.history import History, Past
from penstock.bundle.kinds import Kind
from penstock.bundle.specs import ColumnSpec
from penstock.data.append import append_rows
from penstock.data.doors import read_part
from penstock.data.ingest import ingest
from penstock.data.memory import RowMemory
from penstock.data.profiling.survey import survey
from penstock.data.sources.file import FileSource
from penstock.data.store import finish, store_memory
from penstock.data.versions import DatasetVersion
from penstock.ledger.ledger import Ledger
from penstock.objects.local import LocalStore
from penstock.objects.tabular import ReadOptions

place = Path(sys.argv[1])

def resident(field):
    return int(Path("/proc/self/status").read_text().partition(field + ":")[2].split()[0]) * 1024

def bytes_a_row(work, few, many):
    peaks = []
    for rows in (few // 4, few, many):  # the first loads what is loaded once
        given = work(rows)
        gc.collect()
        pa.default_memory_pool().release_unused()
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = resident("VmRSS")
        next(given, None)
        peaks.append(resident("VmHWM") - before)
    return (peaks[2] - peaks[1]) / (many - few)

def table(rows, seed):
    dice = np.random.default_rng(seed)
    return {"a": dice.normal(size=rows), "b": dice.integers(0, 50, rows), "y": dice.choice(["no", "yes"], rows)}

def kept(version):
    version.save(objects)
    finish(ledger, objects, version, source={}, details=details, project=None, run=None)
    return version

def appending(rows):
    dice = np.random.default_rng(rows)
    lanes = lambda *shape: dice.integers(1, 2**63, shape).astype(np.uint64)
    part = dice.choice(np.array([0, 0, 0, 1, 2], np.int8), rows)
    remembered = RowMemory(
        row=lanes(rows, 2), content=lanes(rows, 2), target=dice.choice(lanes(2), rows), group=np.zeros(rows, np.uint64), part=part,
        envelope=np.where(part == 2, 0, -1).astype(np.int16), count=np.ones(rows, np.int64),
    )
    large = kept(DatasetVersion({**version.manifest, "fingerprints": store_memory(objects, remembered, None, None)}))
    del remembered, part
    new = table(400, 1)
    frame, _ = version.decoder.decode_rows([{"a": a, "b": b} for a, b in zip(new["a"].tolist(), new["b"].tolist())])
    y, _ = version.decoder.decode_target_values(new["y"].tolist())
    yield append_rows(ledger, objects, large.digest, frame, y, source={"rows": rows})

def looking_back(by, take, over):
    def work(rows):
        dice, names = np.random.default_rng(0), np.array([f"key {i}" for i in range(1000)], dtype=object)
        columns = {"at": np.sort(dice.integers(0, rows * 10_000_000, rows)), "who": names[dice.integers(0, 1000, rows)], "x": dice.normal(size=rows)}
        frame = Frame(columns, {spec.name: spec.kind for spec in specs}, rows)
        yield History((Past("p", take, "at", by, "x", **over),), specs).values(frame, dice.choice([0, 0, 0, 1, 2], rows))
    return work

def profiling(rows):
    times = rows // version.rows["train"]
    parts = {name: stored * times for name, stored in version.manifest["parts"].items()}  # the same chunk again and again
    large = kept(DatasetVersion({**version.manifest, "parts": parts, "rows": {**version.rows, "train": times * version.rows["train"]}}))
    frame, y = read_part(ledger, objects, large, "train", limit=5_000)
    assert len(y) == 5_000
    yield survey(frame, y, large.target)

specs = (ColumnSpec("at", Kind.DATETIME), ColumnSpec("who", Kind.CATEGORICAL), ColumnSpec("x", Kind.NUMERIC))
objects = LocalStore(place / "objects")
with Ledger.open(place / "ledger.db", objects) as ledger:
    pyarrow.parquet.write_table(pa.table(table(20_000, 0)), place / "table.parquet")
    version = ingest(ledger, objects, source=FileSource(place / "table.parquet", ReadOptions()), target="y").version
    details = ledger.datasets.get(version.digest).details
    day = 86_400_000_000
    print(json.dumps({
        "append": bytes_a_row(appending, 100_000, 400_000),
        "profile": bytes_a_row(profiling, 200_000, 2_000_000),
        "lag": bytes_a_row(looking_back(("who",), "lag", {"rows": 1}), 60_000, 240_000),
        "mean of a day": bytes_a_row(looking_back((), "mean", {"window": day}), 60_000, 240_000),
        "sum of 50 rows": bytes_a_row(looking_back((), "sum", {"rows": 50}), 60_000, 240_000),
    }))
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """By how much the peak grows, in bytes a row, each measured at two sizes in one process."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the peak of a part of a process is told by Linux alone")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path_factory.mktemp("growth"))],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_an_append_takes_of_a_large_version_what_is_remembered_of_its_rows(measured: dict[str, float]) -> None:
    """59 bytes a row before and after, as much again to store and compare them; before, 390 were taken."""
    assert 100 < measured["append"] < 330


@pytest.mark.parametrize("column", ["lag", "mean of a day", "sum of 50 rows"])
def test_columns_that_look_back_take_a_hundred_bytes_a_row(measured: dict[str, float], column: str) -> None:
    """The column itself has 8, what it reads some 24, once more for the rows that are seen; before, means took 220."""
    assert 0 < measured[column] < 150


def test_a_profile_takes_no_more_for_rows_that_are_not_drawn(measured: dict[str, float]) -> None:
    """But for the hash by which they are drawn."""
    assert measured["profile"] < 50
