"""How often the monitor alarms when it should not, and names a shifted column when it should.

    python benchmarks/monitoring/alarms.py --data DIR [--windows 100] [--only bank,synthetic]

Of each data set three fifths are training rows, one fifth gives the reference answers, and windows are drawn from the last
fifth. A LightGBM model gives the answers and an isolation forest stands in for the novelty score. Everything is seeded.

- false alarms: windows of 500 unshifted rows in which any check alarms, out of `--windows` (to reach: at most 5 in 100)
- named: windows of 1,000 rows in which the one numeric column that was moved by half of its standard deviation is among the
  columns that alarmed; each column in turn (to reach: at least 95 in 100)
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from penstock.bundle.frame import Frame
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.packing import Layout
from penstock.bundle.signature import Signature
from penstock.bundle.specs import ColumnSpec, TargetSpec
from penstock.evaluation.slices import factorise
from penstock.monitoring.answered import Answered
from penstock.monitoring.monitor import monitor
from penstock.monitoring.reference import build_reference
from penstock.monitoring.window import Window

FALSE_ALARM_ROWS, SHIFTED_ROWS = 500, 1000


@dataclass(frozen=True)
class Scenario:
    """A table with its target; the scenario's id is permanent."""

    id: str
    frame: Frame
    y: np.ndarray
    task: Task


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder of the real data sets; without it, synthetic rows only")
    parser.add_argument("--windows", type=int, default=100)
    parser.add_argument("--only", help="ids of scenarios, with commas")
    options = parser.parse_args()
    wanted = set(options.only.split(",")) if options.only else None
    print(
        "| data set | columns | false alarms of",
        options.windows,
        "| named of",
        options.windows,
        "| ms per window | by check |",
    )
    print("|---|---|---|---|---|---|")
    for name, make in scenarios(options.data):
        if wanted is None or name in wanted:
            print(run(make(), options.windows), flush=True)


def scenarios(data: Path | None) -> Iterator[tuple[str, Callable[[], Scenario]]]:
    yield "synthetic", synthetic
    if data is None:
        return
    yield "bank", lambda: table(data / "bank_marketing", "bank", "y", Task.BINARY, drop=("duration",))
    yield "adult", lambda: table(data / "adult", "adult", "income", Task.BINARY)
    yield "covertype", lambda: table(data / "covertype_sample", "covertype", "Cover_Type", Task.MULTICLASS)
    yield "california", lambda: table(data / "california_housing", "california", "median_house_value", Task.REGRESSION)


def run(scenario: Scenario, windows: int) -> str:
    """One line of the table."""
    rng = np.random.default_rng(20261120)
    order = rng.permutation(len(scenario.y))
    train, held, fresh = np.split(order, [int(0.6 * len(order)), int(0.8 * len(order))])
    answers, limit = fitted(scenario, train)
    frame = scenario.frame
    reference = build_reference(
        frame.take(train), [ColumnSpec(n, k) for n, k in frame.kinds.items()], answers.take(held), frame.take(held),
        novelty_limit=limit,
    )  # fmt: skip
    signature = signature_of(scenario)

    false, by_check, started = 0, Counter[str](), time.perf_counter()
    for _ in range(windows):
        rows = rng.choice(fresh, min(FALSE_ALARM_ROWS, len(fresh)), replace=False)
        report = monitor(Window.of(frame.take(rows), answers.take(rows)), reference, signature)
        false += report.alarm
        by_check.update(f"{check.id} {check.column or ''}".strip() for check in report.alarms)
    each_ms = (time.perf_counter() - started) / windows * 1000

    numeric = [n for n, k in frame.kinds.items() if k is Kind.NUMERIC and np.nanstd(frame[n]) > 0]
    named = 0
    for i in range(windows):
        rows = rng.choice(fresh, min(SHIFTED_ROWS, len(fresh)), replace=False)
        column = numeric[i % len(numeric)]
        moved = frame.take(rows)
        moved.columns[column] = moved[column] + 0.5 * np.nanstd(frame[column][train])
        named += column in monitor(Window.of(moved, answers.take(rows)), reference, signature).drifted
    checks = ", ".join(f"{name} {count}" for name, count in by_check.most_common(4))
    return f"| {scenario.id} | {len(frame.kinds)} | {false} | {named} | {each_ms:.0f} | {checks} |"


def synthetic() -> Scenario:
    """Twelve columns of all shapes: normal, heavy-tailed, mostly zero, few values, rare categories, missing values, texts."""
    rng = np.random.default_rng(7)
    n = 20_000
    columns: dict[str, np.ndarray] = {
        "normal": rng.normal(50, 10, n),
        "skewed": rng.lognormal(0, 1.5, n),
        "mostly_zero": np.where(rng.random(n) < 0.92, 0.0, rng.exponential(5000, n)),
        "two_humps": np.where(rng.random(n) < 0.5, rng.normal(-3, 1, n), rng.normal(3, 1, n)),
        "count": rng.poisson(2, n).astype(float),
        "flag": (rng.random(n) < 0.03).astype(float),
        "rounded": np.round(rng.normal(30, 8, n)),
        "holes": np.where(rng.random(n) < 0.3, np.nan, rng.uniform(0, 1, n)),
    }
    kinds = dict.fromkeys(columns, Kind.NUMERIC)
    zipf = np.minimum(rng.zipf(1.6, n), 3000)
    words = np.array([f"word{i}" for i in range(4000)])
    texts = [" ".join(words[np.minimum(rng.zipf(1.4, rng.poisson(9) + 1), 3999)]) for _ in range(n)]
    columns["colour"] = np.array(["red", "green", "blue", None], dtype=object)[
        rng.choice(4, n, p=[0.6, 0.25, 0.13, 0.02])
    ]
    columns["city"] = np.array([f"city {z}" for z in zipf], dtype=object)
    columns["yes_no"] = np.array(["no", "yes"], dtype=object)[(rng.random(n) < 0.004).astype(int)]
    columns["note"] = np.array(texts, dtype=object)
    kinds |= {"colour": Kind.CATEGORICAL, "city": Kind.CATEGORICAL, "yes_no": Kind.BINARY, "note": Kind.TEXT}
    score = columns["normal"] / 10 + columns["two_humps"] + (columns["colour"] == "red") + rng.normal(0, 2, n)
    return Scenario("synthetic", Frame(columns, kinds), (score > np.median(score)).astype(np.int64), Task.BINARY)


def table(folder: Path, name: str, target: str, task: Task, *, drop: tuple[str, ...] = ()) -> Scenario:
    """A CSV file, its types as DuckDB finds them."""
    import duckdb

    path = next(p for p in sorted(folder.iterdir()) if ".csv" in p.name)
    found = duckdb.sql(f"select * from read_csv('{path}', nullstr=['?', 'unknown', ''])").fetchnumpy()
    columns, kinds = {}, {}
    for column, values in found.items():
        if column == target or column in drop:
            continue
        missing, plain = np.ma.getmaskarray(values), np.ma.getdata(values)
        if plain.dtype.kind in "ifb":
            columns[column], kinds[column] = np.where(missing, np.nan, plain.astype(np.float64)), Kind.NUMERIC
        else:
            texts = [None if gone or value is None else str(value) for value, gone in zip(plain, missing, strict=True)]
            columns[column], kinds[column] = np.array(texts, dtype=object), Kind.CATEGORICAL
    y = np.ma.getdata(found[target])
    if task.is_classification:
        y = np.unique(y.astype(str), return_inverse=True)[1].astype(np.int64)
    return Scenario(name, Frame(columns, kinds), y, task)


def fitted(scenario: Scenario, train: np.ndarray) -> tuple[Answered, float]:
    """Answers to all rows, and the novelty limit."""
    import lightgbm
    from sklearn.ensemble import IsolationForest

    frame = scenario.frame
    numbers = [
        frame[n] if k is Kind.NUMERIC else factorise(frame[n])[0] for n, k in frame.kinds.items() if k is not Kind.TEXT
    ]
    X = np.stack(numbers, axis=1).astype(np.float64)
    forest = IsolationForest(n_estimators=100, random_state=0).fit(np.nan_to_num(X[train], nan=-1.0))
    novelty = -forest.score_samples(np.nan_to_num(X, nan=-1.0))
    limit = float(np.quantile(novelty[train], 0.99))
    options = {"n_estimators": 60, "verbose": -1, "n_jobs": 1, "random_state": 0}
    if scenario.task is Task.REGRESSION:
        return Answered(
            novelty, value=lightgbm.LGBMRegressor(**options).fit(X[train], scenario.y[train]).predict(X)
        ), limit
    p = lightgbm.LGBMClassifier(**options).fit(X[train], scenario.y[train]).predict_proba(X)
    return Answered(novelty, p.argmax(axis=1), p), limit


def signature_of(scenario: Scenario) -> Signature:
    classes = tuple(int(c) for c in np.unique(scenario.y)) if scenario.task.is_classification else ()
    target = TargetSpec("target", scenario.task, classes)
    return Signature(scenario.id, scenario.task, target, Layout.of([]), ())


if __name__ == "__main__":
    main()
