"""How long `penstock data profile` takes: 1,000,000 training rows x 50 columns, figures and page. To reach: under 20 s on 2 cores.

Run it with `python benchmarks/data/profile.py [ROWS]`. The table is made in memory: 36 numbers (some with gaps, some skewed), 10
categories (2 to 5,000 values), 2 columns of instants and 2 of texts.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np

from penstock.bundle.decoder import Frame, Kind, TargetSpec
from penstock.bundle.kinds import Task
from penstock.data.profiling.survey import survey
from penstock.evaluation.profile_page import to_html


def table(rows: int, seed: int = 0) -> tuple[Frame, np.ndarray]:
    """The table and its classes."""
    dice = np.random.default_rng(seed)
    columns: dict[str, np.ndarray] = {}
    kinds: dict[str, Kind] = {}
    for i in range(36):
        values = dice.normal(size=rows) if i % 3 else dice.lognormal(size=rows)
        if i % 4 == 0:
            values[dice.random(rows) < 0.05] = np.nan
        columns[f"number{i}"], kinds[f"number{i}"] = values, Kind.NUMERIC
    for i, size in enumerate((2, 3, 5, 8, 12, 20, 50, 200, 1000, 5000)):
        values = np.array([f"value {k}" for k in range(size)], dtype=object)
        columns[f"category{i}"] = values[dice.integers(0, size, rows)]
        kinds[f"category{i}"] = Kind.BINARY if size == 2 else Kind.CATEGORICAL
    for i in range(2):
        columns[f"at{i}"] = dice.integers(1_500_000_000_000_000, 1_700_000_000_000_000, rows)
        kinds[f"at{i}"] = Kind.DATETIME
    words = np.array([f"word{k}" for k in range(2000)])
    for i in range(2):
        texts = [" ".join(row) for row in words[dice.integers(0, 2000, (2000, 12))]]
        column = np.empty(rows, dtype=object)
        column[:] = [f"{texts[k % 2000]} {k}" for k in range(rows)]
        columns[f"text{i}"], kinds[f"text{i}"] = column, Kind.TEXT
    y = (columns["number1"] + dice.normal(size=rows) > 0).astype(np.int64)
    return Frame(columns, kinds, rows), y


def main(rows: int) -> None:
    """One JSON object."""
    frame, y = table(rows)
    target = TargetSpec("y", Task.BINARY, ("no", "yes"))
    start, cpu = time.perf_counter(), time.process_time()
    found = survey(frame, y, target)
    middle = time.perf_counter()
    page = to_html(found, name="benchmark", target="y")
    end = time.perf_counter()
    print(
        json.dumps(
            {
                "rows": rows,
                "columns": len(frame.columns),
                "survey_s": round(middle - start, 2),
                "page_s": round(end - middle, 2),
                "total_s": round(end - start, 2),
                "cpu_s": round(time.process_time() - cpu, 2),
                "page_bytes": len(page.encode()),
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
