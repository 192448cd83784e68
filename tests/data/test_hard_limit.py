"""A Parquet data set that does not fit into the memory that its ingest may take at all: the system refuses more."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

INGEST = """
import json, resource, sys
from pathlib import Path
import duckdb, pyarrow.compute, pyarrow.parquet
from penstock.data import chunks, sample, source
from penstock.data.ingest import ingest
from penstock.data.sources.kind import Around, SourceSettings
from penstock.data.sources.opening import open_source
from penstock.ledger.ledger import Ledger
from penstock.objects import parquet
from penstock.objects.local import LocalStore
from penstock.objects.tabular import ReadOptions
place, limit, part = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
sample.KEEP_BYTES, sample.DRAWN_BYTES, source.BATCH_BYTES = (bound // part for bound in (sample.KEEP_BYTES, sample.DRAWN_BYTES, source.BATCH_BYTES))
chunks.CHUNK_BYTES, chunks.SEALED_BYTES = chunks.CHUNK_BYTES // part, chunks.SEALED_BYTES // part
parquet.PIECE_BYTES //= part
objects = LocalStore(place / "objects")
with Ledger.open(place / "ledger.db", objects) as ledger:
    rows = open_source(SourceSettings("in", ReadOptions()), Around(root=place))
    now = int(Path("/proc/self/status").read_text().partition("VmData:")[2].split()[0]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (now + limit, now + limit))
    print(json.dumps(ingest(ledger, objects, source=rows, target="y").rows))
"""
FILES, ROWS, TEXT_BYTES = 5, 10_000, 10_000
LIMIT = 320 * 2**20


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit holds for all memory there only")
def test_a_data_set_larger_than_all_memory_is_ingested(tmp_path: Path) -> None:
    """500 MB of texts in five files; no more than 320 MB may be had. The bounds are a sixteenth of the usual ones."""
    random = np.random.default_rng(0)
    long = random.integers(97, 123, 4_000_000, dtype=np.uint8)
    long[random.integers(0, len(long), len(long) // 6)] = 32
    base, size = long.tobytes().decode(), 0
    (tmp_path / "in").mkdir()
    for file in range(FILES):
        begins = random.integers(0, len(base) - TEXT_BYTES, ROWS).tolist()
        columns = {
            "text": [base[begin : begin + TEXT_BYTES] for begin in begins],
            "x": random.normal(size=ROWS),
            "y": random.choice(["no", "yes"], ROWS),
        }
        size += (table := pa.table(columns)).nbytes
        pq.write_table(table, tmp_path / "in" / f"part-{file}.parquet", compression="snappy", row_group_size=ROWS // 2)
        del table, columns
    assert size > 1.45 * LIMIT
    done = subprocess.run(
        [sys.executable, "-c", INGEST, str(tmp_path), str(LIMIT), "16"],
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert sum(json.loads(done.stdout.splitlines()[-1]).values()) == FILES * ROWS


DIFF = """
import json, resource, sys
from pathlib import Path
import duckdb, pyarrow.compute, pyarrow.parquet, scipy.stats
from penstock.data import sample, source
from penstock.data.items.tables import changed_rows
from penstock.objects import parquet
before, now, limit = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
sample.KEEP_BYTES, sample.DRAWN_BYTES, source.BATCH_BYTES = 2**24, 2**22, 2**21
parquet.PIECE_BYTES //= 16
used = int(Path("/proc/self/status").read_text().partition("VmData:")[2].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + limit, used + limit))
print(json.dumps({name: changed_rows(before, now, key=key)["rows"] for name, key in (("content", None), ("key", "id"))}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit holds for all memory there only")
def test_two_tables_larger_than_all_memory_are_compared_row_by_row(tmp_path: Path) -> None:
    """Twice 240 MB of long texts; no more than 320 MB may be had. The bounds are a sixteenth of the usual ones."""
    random, rows, long = np.random.default_rng(0), 40_000, 6000
    base = random.integers(97, 123, 1_000_000, dtype=np.uint8).tobytes().decode()
    begins = random.integers(0, len(base) - long, rows).tolist()
    for name, first in (("before", 0), ("now", 100)):
        columns = {
            "id": list(range(first, rows)),
            "text": [base[begin : begin + long] for begin in begins[first:]],
            "y": [str(i % 7) if i % 100 else name for i in range(first, rows)],
        }
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet", compression="snappy", row_group_size=rows // 4)
        del columns
    done = subprocess.run(
        [sys.executable, "-c", DIFF, str(tmp_path / "before.parquet"), str(tmp_path / "now.parquet"), str(LIMIT)],
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["key"] == {"added": 0, "removed": 100, "changed": 399, "unchanged": 39_501}
    assert found["content"] == {"added": 399, "removed": 499, "changed": 0, "unchanged": 39_501}


@pytest.mark.parametrize(
    "said", ["Out of Memory Error: ArrowBuffer: failed to allocate 65536 bytes", "malloc of size 9 failed"]
)
def test_no_memory_is_not_said_to_be_a_malformed_file(said: str) -> None:
    """As DuckDB and Arrow say it."""
    from penstock.objects.duck import read_error

    assert "no memory left" in str(read_error(Path("a.parquet"), None, OSError(said)))
