"""The batch job against the bare graph on the same rows: rows a second, CPU, and memory at two lengths of a file.

``python benchmarks/serving/batch.py`` prints a Markdown table. One LightGBM of 200 trees on 20 numbers, with the novelty forest and the
decision in its graph. The yardstick is onnxruntime in this process on float32 arrays that lie ready in memory: no file, no decoding, no
checks, no output; with one thread, as the job uses for each batch, and as onnxruntime is by default. The job reads a file,
decodes, answers, writes. They take turns, and the fastest of the rounds counts for each. The ratio is what is promised.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from run import COLUMNS, write_benchmark_bundle

from penstock.bundle.graph import open_session
from penstock.bundle.runtime import Bundle
from penstock.serving.batch.job import predict_files

CHUNK = 8_192
OUTPUTS = ["label", "probabilities", "novelty", "decision", "outside"]
_PEAK = """
import sys
from pathlib import Path
from penstock.bundle.runtime import Bundle
from penstock.serving.batch.job import predict_files
predict_files(Bundle.load(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])  # of this program alone
"""


class Contender:
    """Something that answers all rows; the least time and CPU of its rounds."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self.name, self._work = name, work
        self.wall_s = self.cpu_s = float("inf")

    def round(self) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        self._work()
        self.wall_s = min(self.wall_s, time.perf_counter() - wall)
        self.cpu_s = min(self.cpu_s, time.process_time() - cpu)


def write_rows(folder: Path, rows: int) -> np.ndarray:
    """The same rows as an array, as CSV and as Parquet."""
    X = np.random.default_rng(1).normal(size=(rows, COLUMNS)).astype(np.float32)
    table = pa.table({f"number_{i}": X[:, i] for i in range(COLUMNS)})
    pq.write_table(table, folder / f"{rows}.parquet")
    pacsv.write_csv(table, folder / f"{rows}.csv")
    return X


def bare(session: onnxruntime.InferenceSession, X: np.ndarray) -> None:
    """The graph on rows that lie ready."""
    for start in range(0, len(X), CHUNK):
        session.run(OUTPUTS, {"numbers": X[start : start + CHUNK]})


def peak_mb(bundle: Path, source: Path, output: Path) -> float:
    """Resident memory of a process that answers a file, at most."""
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, bundle, source, output], check=True, capture_output=True, text=True
    )
    return int(done.stdout) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        bundle = Bundle.load(write_benchmark_bundle(folder / "bundle", trees=200))
        X = write_rows(folder, options.rows)
        graph = (bundle.folder / "graph.onnx").read_bytes()
        one, default = open_session(graph), onnxruntime.InferenceSession(graph)
        forms = ("parquet", "csv")
        contenders = [
            Contender("onnxruntime, one thread", lambda: bare(one, X)),
            Contender("onnxruntime, its default threads", lambda: bare(default, X)),
            *(
                Contender(
                    f"`penstock predict`, {form}{', one thread' if threads == 1 else ''}",
                    partial(
                        predict_files,
                        bundle,
                        folder / f"{options.rows}.{form}",
                        folder / f"out.{form}",
                        threads=threads,
                    ),
                )
                for threads in (1, None)
                for form in forms
            ),
        ]  # fmt: skip
        bare(one, X[:CHUNK])
        for _ in range(options.rounds):
            for contender in contenders:
                contender.round()
        yardstick, threads = contenders[0], contenders[1]
        print(f"{options.rows:,} rows, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}\n")
        print("| | rows/s over one thread | over its default threads | rows per CPU second over one thread |")
        print("|---|--:|--:|--:|")
        for c in contenders:
            print(
                f"| {c.name} | {yardstick.wall_s / c.wall_s:.2f} | {threads.wall_s / c.wall_s:.2f} "
                f"| {yardstick.cpu_s / c.cpu_s:.2f} |"
            )
        long = options.rows * 4
        write_rows(folder, long)
        print("\n| peak resident memory | rows | MB |\n|---|--:|--:|")
        for form in forms:
            for rows in (options.rows, long):
                mb = peak_mb(bundle.folder, folder / f"{rows}.{form}", folder / f"peak.{form}")
                print(f"| {form} | {rows:,} | {mb:.0f} |")


if __name__ == "__main__":
    main()
