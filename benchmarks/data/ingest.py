"""Ingest of large tables: peak memory, rows a second, and time beside DuckDB reading the same file with every column as text.

    python benchmarks/data/ingest.py [--data DIR] [--gb 5] [--work DIR]

Each measurement is a process of its own; memory is the peak of its resident size (VmHWM: Linux only) above that after the imports. `--data` holds
kddcup99 (as `kddcup.data_10_percent.gz`, anywhere below). The generated tables are Parquet: long texts (2.9 KB each, of which
`--gb` say how much there is), and 1,000,000 rows of 20 columns of different floats with five of whole numbers and four of words; and a CSV of
as many short rows.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

TEXT_BYTES = 2900
INGEST = """
import json, sys, tempfile, time
from pathlib import Path
import duckdb, pyarrow.parquet
from penstock.data.ingest import ingest
from penstock.data.sources.file import FileSource
from penstock.ledger.ledger import Ledger
from penstock.objects.local import LocalStore
from penstock.objects.tabular import ReadOptions
path, target, header, work = sys.argv[1:5]
peak = lambda: int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
with tempfile.TemporaryDirectory(dir=work) as folder:
    objects = LocalStore(Path(folder) / "objects")
    with Ledger.open(Path(folder) / "ledger.db", objects) as ledger:
        before, wall, cpu = peak(), time.perf_counter(), time.process_time()
        found = ingest(ledger, objects, source=FileSource(Path(path), ReadOptions(header=header == "yes")), target=target)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps({"rows": sum(found.rows.values()), "wall_s": wall, "cpu_s": cpu, "peak_mb": peak() - before}))
"""
DUCKDB = """
import json, sys, time
from pathlib import Path
import duckdb, pyarrow
path, header = sys.argv[1], sys.argv[3]
peak = lambda: int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
before, wall, cpu, rows = peak(), time.perf_counter(), time.process_time(), 0
with duckdb.connect() as connection:
    connection.execute("set enable_progress_bar = false")
    if path.endswith(".parquet"):
        asked = connection.sql(f"select columns(*)::varchar from read_parquet('{path}')")
    else:
        asked = connection.sql(f"select * from read_csv('{path}', all_varchar = true, header = {header == 'yes'})")
    for batch in asked.to_arrow_reader(16384):
        rows += batch.num_rows
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps({"rows": rows, "wall_s": wall, "cpu_s": cpu, "peak_mb": peak() - before}))
"""


def texts(path: Path, gigabytes: float, *, seed: int = 0) -> None:
    """Rows of one long text, a number, a word and a target."""
    random, rows = np.random.default_rng(seed), int(gigabytes * 1e9 / TEXT_BYTES)
    words = np.array(
        ["".join(chr(97 + c) for c in random.integers(0, 26, random.integers(3, 10))) for _ in range(5000)]
    )
    writer: pq.ParquetWriter | None = None
    for start in range(0, rows, 20_000):
        n = min(20_000, rows - start)
        long = " ".join(words[random.integers(0, len(words), 400 * n)].tolist())
        begins = random.integers(0, len(long) - TEXT_BYTES, n).tolist()
        table = pa.table(
            {
                "text": [long[begin : begin + TEXT_BYTES] for begin in begins],
                "x": random.normal(size=n),
                "job": random.choice(["clerk", "nurse", "smith"], n),
                "y": random.choice(["no", "yes"], n),
            }
        )
        if writer is None:
            writer = pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is not None:
        writer.close()


def numbers(path: Path, rows: int, *, seed: int = 0) -> None:
    """Rows of 29 columns, twenty of them of different floats, and a target."""
    random = np.random.default_rng(seed)
    columns = {f"f{i}": random.normal(size=rows) for i in range(20)}
    columns |= {f"k{i}": random.integers(0, 50, rows) for i in range(5)}
    columns |= {f"c{i}": random.choice(["red", "green", "blue", "grey"], rows) for i in range(4)}
    columns["y"] = np.where(columns["f0"] + random.normal(size=rows) > 0, "yes", "no")
    pq.write_table(pa.table(columns), path, row_group_size=100_000)


def short(path: Path, rows: int, *, seed: int = 0) -> None:
    """A CSV of short rows: eight numbers with fractions, four whole ones, three words, a date and a target; 146 bytes each."""
    random = np.random.default_rng(seed)
    with path.open("wb") as file:
        for start in range(0, rows, 200_000):
            n = min(200_000, rows - start)
            columns = {f"f{i}": np.round(random.normal(size=n) * 10 ** (i % 4), 4 + i % 4) for i in range(8)}
            columns |= {f"k{i}": random.integers(0, 10 ** (i + 1), n) for i in range(4)}
            columns |= {f"w{i}": random.choice([f"word{j}" for j in range(5 * (i + 1) ** 3)], n) for i in range(3)}
            columns["at"] = (np.datetime64("2020-01-01", "s") + random.integers(0, 10**8, n)).astype(str)
            columns["y"] = np.where(columns["f0"] + random.normal(size=n) > 0, "yes", "no")
            csv.write_csv(pa.table(columns), file, csv.WriteOptions(include_header=not start))


def measured(code: str, path: Path, target: str, header: str, work: Path) -> dict[str, float]:
    command = [sys.executable, "-c", code, str(path), target, header, str(work)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--gb", type=float, default=5.0, help="of text in the generated table; 0: none")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the table of numbers; 0: none")
    parser.add_argument("--short-rows", type=int, default=1_000_000, help="of the CSV of short rows; 0: none")
    parser.add_argument("--work", type=Path, help="where the generated tables and the stores lie for the time")
    asked = parser.parse_args()
    print(
        "| table | file, MB | rows | peak, MB | CPU, s | wall, s | rows/s of CPU | DuckDB: CPU, s | wall, s | peak, MB | CPU ratio |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory(dir=asked.work) as folder:
        work = Path(folder)
        tables: list[tuple[str, Path, str, str]] = []
        if asked.data:
            tables.append(("kddcup99", next(asked.data.rglob("kddcup.data_10_percent.gz")), "c42", "no"))
        if asked.rows:
            numbers(work / "numbers.parquet", asked.rows)
            tables.append((f"{asked.rows:,} x 30, 20 of floats", work / "numbers.parquet", "y", "yes"))
        if asked.short_rows:
            short(work / "short.csv", asked.short_rows)
            tables.append((f"{asked.short_rows:,} x 17, short rows (CSV)", work / "short.csv", "y", "yes"))
        if asked.gb:
            texts(work / "texts.parquet", asked.gb)
            tables.append((f"texts, {asked.gb:g} GB", work / "texts.parquet", "y", "yes"))
        for name, path, target, header in tables:
            beside = measured(DUCKDB, path, target, header, work)
            own = measured(INGEST, path, target, header, work)
            row = [
                name,
                f"{path.stat().st_size / 1e6:,.0f}",
                f"{own['rows']:,.0f}",
                f"{own['peak_mb']:,.0f}",
                f"{own['cpu_s']:.1f}",
            ]
            row += [
                f"{own['wall_s']:.1f}",
                f"{own['rows'] / own['cpu_s']:,.0f}",
                f"{beside['cpu_s']:.1f}",
                f"{beside['wall_s']:.1f}",
            ]
            row += [f"{beside['peak_mb']:,.0f}", f"{own['cpu_s'] / beside['cpu_s']:.1f}"]
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
