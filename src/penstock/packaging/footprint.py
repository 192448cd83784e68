"""What a bundle costs to run: measured in a process of its own that has numpy and onnxruntime only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from penstock.bundle.privacy.keys import VARIABLE
from penstock.errors import BundleError

_SCRIPT = """
import json, os, resource, sys, time
start = time.perf_counter()
from penstock.bundle.runtime import Bundle
bundle = Bundle.load(sys.argv[1])
load_s = time.perf_counter() - start
row = json.load(open(sys.argv[1] + "/examples.json", encoding="utf-8"))["rows"][:1]
times, cpu = [], time.process_time()
for _ in range(int(sys.argv[2])):
    t = time.perf_counter(); bundle.predict(row); times.append(time.perf_counter() - t)
cpu = (time.process_time() - cpu) / len(times)
times.sort()
heavy = [m for m in ("penstock.ledger", "sklearn", "lightgbm", "duckdb", "pyarrow", "scipy", "onnx") if m in sys.modules]
peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if os.path.exists("/proc/self/status"):  # there, the figure above begins with that of the process that started this one
    peak_kb = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"load_s": load_s, "latency_p50_ms": times[len(times) // 2] * 1e3,
    "latency_p99_ms": times[int(len(times) * 0.99)] * 1e3, "cpu_ms": cpu * 1e3,
    "memory_mb": peak_kb / 1024, "heavy": heavy}))
"""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Cost of one loaded bundle.

    load_s : seconds to import the runtime and load the bundle. latency_p50_ms, latency_p99_ms : one row, wall time.
    cpu_ms : one row, processor time. memory_mb : peak resident set. size_mb : bytes on disk.
    """

    load_s: float
    latency_p50_ms: float
    latency_p99_ms: float
    cpu_ms: float
    memory_mb: float
    size_mb: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def measure(folder: Path, *, rows: int = 300) -> Footprint:
    """Load the bundle in a fresh process and answer its first example `rows` times."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(folder), str(rows)],
        capture_output=True, text=True, check=False, timeout=300, env={n: v for n, v in os.environ.items() if n != VARIABLE} | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    if done.returncode != 0:
        raise BundleError(
            f"the bundle {folder.name} does not answer in a process of its own",
            why=done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit status {done.returncode}",
            way_out="see the log of the run; `penstock doctor` checks the installation",
        )
    seen = json.loads(done.stdout)
    if seen.pop("heavy"):
        raise BundleError(
            "the bundle's runtime loaded a training library",
            why="a server must load numpy and onnxruntime only",
            way_out="report this as a bug",
        )
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    return Footprint(size_mb=size / 2**20, **seen)
