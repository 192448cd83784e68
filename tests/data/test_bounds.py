"""A Parquet data set several times larger than the memory that its ingest takes, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.data import chunks
from penstock.data.waiting import Waiting, bytes_of_rows

INGEST = """
import json, sys
from pathlib import Path
import duckdb, pyarrow.compute, pyarrow.parquet
from penstock.data import chunks, sample, source
from penstock.data.ingest import ingest
from penstock.data.sources.file import FileSource
from penstock.data.store import RowWriter
from penstock.ledger.ledger import Ledger
from penstock.objects import parquet
from penstock.objects.local import LocalStore
MB = 1 << 20
sample.KEEP_BYTES, sample.DRAWN_BYTES, source.BATCH_BYTES = 16 * MB, 8 * MB, 4 * MB
chunks.CHUNK_BYTES, chunks.SEALED_BYTES, parquet.PIECE_BYTES = 8 * MB, 2 * MB, MB
place = Path(sys.argv[1])
peak = lambda: int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024  # not its parent's
objects = LocalStore(place / "objects")
with Ledger.open(place / "ledger.db", objects) as ledger:
    before = peak()
    found = ingest(ledger, objects, source=FileSource(place / "large.parquet"), target="y")
    grown = peak() - before
parts = found.version.manifest["parts"]
print(json.dumps({"grown": grown, "rows": found.rows, "chunks": {name: len(parts[name]) for name in parts},
                  "text": next((c.kind for c in found.columns if c.name == "text"), None),
                  "sealed": sum(len(e.objects) for e in found.version.envelopes)}))
"""
ROWS, TEXT_BYTES = 80_000, 10_000


BYTES_A_ROW = 160  # mostly under 130; 137 was measured once, as pages of the allocator happen to fall
"""What a row may take beside its batch: hashes, fingerprints, its target and part, and what sorting them needs for a moment."""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process alone is told there only")
def test_a_row_takes_some_tens_of_bytes(tmp_path: Path) -> None:
    """However many rows there are: nothing of them is kept as Python objects, and no table of hashes is built."""
    rows, peaks = (200_000, 900_000), []
    for n in rows:
        random = np.random.default_rng(0)
        table = pa.table(
            {"a": random.integers(0, 3000, n), "b": random.integers(0, 3000, n), "y": ["no", "yes"] * (n // 2)}
        )
        (tmp_path / str(n)).mkdir()
        pq.write_table(table, tmp_path / str(n) / "large.parquet", row_group_size=50_000)
        program = INGEST.replace("MB = 1 << 20", "MB = 1 << 20; sample.KEEP_ROWS = 50_000")
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / str(n))], capture_output=True, text=True, check=False
        )
        peaks.append(json.loads(done.stdout.splitlines()[-1])["grown"] if done.returncode == 0 else done.stderr)
    assert (peaks[1] - peaks[0]) / (rows[1] - rows[0]) < BYTES_A_ROW, peaks


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process alone is told there only")
def test_a_data_set_twice_its_memory_is_ingested(tmp_path: Path) -> None:
    """800 MB of texts in one row group; the bounds are an eighth of the usual ones, as the table is."""
    random = np.random.default_rng(0)
    long = random.integers(97, 123, 8_000_000, dtype=np.uint8)
    long[random.integers(0, len(long), len(long) // 6)] = 32
    base, begins = long.tobytes().decode(), random.integers(0, len(long) - TEXT_BYTES, ROWS).tolist()
    table = pa.table(
        {
            "text": pa.array([base[begin : begin + TEXT_BYTES] for begin in begins]),
            "x": random.normal(size=ROWS),
            "y": random.choice(["no", "yes"], ROWS),
        }
    )
    assert table.nbytes > 800_000_000
    pq.write_table(table, tmp_path / "large.parquet", compression="snappy", row_group_size=ROWS)
    del table
    done = subprocess.run(
        [sys.executable, "-c", INGEST, str(tmp_path)], capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert sum(found["rows"].values()) == ROWS
    assert found["text"] == "text"
    assert found["chunks"]["train"] > 20
    assert found["sealed"] > 10
    assert found["grown"] < 350 * 2**20, found


def test_what_a_chunk_is_does_not_depend_on_what_is_added_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 5)
    rows = pa.table({"c0": ["x" * n for n in (1, 90, 2, 500, 3, 4, 5, 6, 7, 8, 9)], "y": np.arange(11)})
    assert bytes_of_rows(rows).tolist() == [16 + n for n in (1, 90, 2, 500, 3, 4, 5, 6, 7, 8, 9)]
    found = []
    for step in (1, 2, 11):
        waiting, cut = Waiting(130), []
        for start in range(0, 11, step):
            waiting.add(rows.slice(start, step))
            while size := waiting.full():
                cut.append(size)
                waiting.drop(size)
        while len(waiting):
            cut.append(size := waiting.end_of_chunk(0))
            waiting.drop(size)
        found.append(cut)
    assert found[0] == found[1] == found[2] == [2, 1, 1, 5, 2]


def test_a_missing_text_counts_as_a_value() -> None:
    assert bytes_of_rows(pa.table({"c0": pa.array([None, "é"]), "y": [1, 2]})).tolist() == [16, 18]
