"""Fit and apply of the suggested recipe on kddcup99 (494,021 x 42), beside scikit-learn's ColumnTransformer doing the same.

Run it with `python benchmarks/features/recipe.py [ROUNDS]`; `PENSTOCK_DATA` names the folder of the data sets. To reach: 3 x as
fast, and no more memory above the decoded table than twice its bytes.

Each side runs in a process of its own, in turns, on the same decoded table: Penstock on the Frame that ingest makes, scikit-learn
on a pandas frame of the same columns. Numbers are float64 and strings are objects for both, both give one dense float32 matrix,
and both are held to the same features, name by name, before a figure is printed. Memory is the peak of the process above what it
holds when the table is loaded.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(os.environ.get("PENSTOCK_DATA", Path(__file__).parents[3] / "shared" / "data"))
FILE = "kddcup99/kddcup.data_10_percent.gz"
TARGET = "c42"
TAILS = ("linear", "trees")


def prepare(folder: Path) -> None:
    """Decode the table once, suggest a recipe, and leave both for the children."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from penstock.bundle.kinds import Kind
    from penstock.data.infer import infer
    from penstock.data.sources.file import read
    from penstock.features.suggest import suggest
    from penstock.objects.tabular import ReadOptions

    source = read(DATA / FILE, ReadOptions(header=False))
    found = infer(source.columns, TARGET, np.arange(len(source)))
    specs = found.decoder.columns
    frame, _ = found.decoder.decode_columns({spec.name: source.columns[spec.name] for spec in specs})
    y, _ = found.decoder.decode_target_columns(source.columns[TARGET])
    arrays = {
        name: pa.array(column) if frame.kinds[name] is Kind.NUMERIC else pa.array(column).dictionary_encode()
        for name, column in frame.columns.items()
    }
    pq.write_table(pa.table(arrays), folder / "table.parquet")
    np.save(folder / "y.npy", y)
    (folder / "kinds.json").write_text(json.dumps({spec.name: spec.kind for spec in specs}))
    (folder / "recipe.toml").write_text(suggest(specs, frame, y, found.task, TARGET).text)


def _columns(folder: Path) -> dict[str, np.ndarray]:
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "table.parquet")
    columns = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        if hasattr(column.type, "value_type"):
            values = np.array([*column.dictionary.to_pylist(), None], dtype=object)
            columns[name] = values[column.indices.fill_null(-1).to_numpy()]
        else:
            columns[name] = column.to_numpy(zero_copy_only=False).copy()
    return columns


def _memory(field: str) -> int:
    """Bytes of this process now ("VmRSS") or at most so far ("VmHWM")."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"this system does not tell {field}")


def _measured(fit: Any, apply: Any) -> tuple[dict[str, float], Any, np.ndarray]:
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before, at, cpu = _memory("VmRSS"), time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    fitted = fit()
    middle = time.perf_counter()
    features = apply(fitted)
    end, done = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    used = done.ru_utime + done.ru_stime - cpu.ru_utime - cpu.ru_stime
    peak = _memory("VmHWM") - before
    return {"fit_s": middle - at, "apply_s": end - middle, "cpu_s": used, "peak": peak}, fitted, features


def penstock(folder: Path, tail_name: str) -> tuple[dict[str, float], list[str], np.ndarray]:
    from penstock.bundle.frame import Frame
    from penstock.bundle.kinds import Kind, Task
    from penstock.bundle.specs import ColumnSpec
    from penstock.features import tail as tails
    from penstock.features.fit import fit_recipe
    from penstock.features.recipe import Recipe

    columns = _columns(folder)
    kinds = {name: Kind(kind) for name, kind in json.loads((folder / "kinds.json").read_text()).items()}
    frame, specs = Frame(columns, kinds), [ColumnSpec(name, kind) for name, kind in kinds.items()]
    y, recipe = np.load(folder / "y.npy"), Recipe.parse((folder / "recipe.toml").read_text())
    tail = getattr(tails, tail_name.upper())
    fit_recipe(recipe, tail, frame.take(slice(0, 500)), specs, y[:500], Task.MULTICLASS, 0).transform(
        frame.take(slice(0, 500))
    )
    figures, fitted, features = _measured(
        lambda: fit_recipe(recipe, tail, frame, specs, y, Task.MULTICLASS, 0), lambda f: f.transform(frame)
    )
    figures["table"] = sum(column.nbytes for column in columns.values())
    return figures, list(fitted.names), np.asarray(features)


def sklearn(folder: Path, tail_name: str) -> tuple[dict[str, float], list[str], np.ndarray]:
    """The steps that the recipe and the tail come to on this table: it has no missing value."""
    import pandas as pd
    from sklearn.base import BaseEstimator, TransformerMixin, clone
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import (
        FunctionTransformer,
        OneHotEncoder,
        OrdinalEncoder,
        PowerTransformer,
        StandardScaler,
    )

    from penstock.bundle.kinds import Kind
    from penstock.bundle.specs import ColumnSpec
    from penstock.features.plan import Source
    from penstock.features.recipe import Recipe
    from penstock.features.resolve import resolve

    class Clipped(TransformerMixin, BaseEstimator):
        """Held between two quantiles of the rows of the fit, which scikit-learn has no transformer for."""

        def __init__(self, low: float, high: float) -> None:
            self.low, self.high = low, high

        def fit(self, X: Any, y: Any = None) -> Clipped:
            self.limits_ = np.quantile(np.asarray(X), [self.low, self.high], axis=0)
            return self

        def transform(self, X: Any) -> np.ndarray:
            return np.clip(np.asarray(X), *self.limits_)

    kinds = {name: Kind(kind) for name, kind in json.loads((folder / "kinds.json").read_text()).items()}
    recipe = Recipe.parse((folder / "recipe.toml").read_text())
    plan = resolve(recipe, [ColumnSpec(name, kind) for name, kind in kinds.items()])
    used = [source.name for source in plan.sources]
    nodes = [(node.step, dict(node.params), [source.name for source in node.inputs[0]]) for node in plan.nodes.values()]
    columns = _columns(folder)
    frame = pd.DataFrame({name: columns.pop(name) for name in used}, copy=False)
    alone = [piece.name for piece in plan.outputs if isinstance(piece, Source)]
    numbers = [name for name in alone if kinds[name] is Kind.NUMERIC]
    few = [name for name in alone if kinds[name] is not Kind.NUMERIC]

    def one_hot(min_frequency: int, most: int) -> OneHotEncoder:
        return OneHotEncoder(
            min_frequency=min_frequency, max_categories=most, handle_unknown="infrequent_if_exist",
            sparse_output=False, dtype=np.float32,
        )  # fmt: skip

    parts: list[Any] = []
    if tail_name == "linear":
        numeric = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
        parts += [("numbers", numeric, numbers), ("few", one_hot(10, 200), few)]
    else:
        codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32)
        numeric = None
        parts += [("numbers", "passthrough", numbers), ("few", codes, few)]
    for number, (step, params, names) in enumerate(nodes):
        if step == "one_hot":
            made: Any = one_hot(int(params["min_frequency"]), int(params["max_categories"]))
        else:
            made = {
                "log": lambda p: FunctionTransformer(np.log1p),
                "power": lambda p: PowerTransformer(),
                "clamp": lambda p: FunctionTransformer(
                    np.clip, kw_args={"a_min": p["low"], "a_max": p["high"]}
                ) if p["by"] == "value" else Clipped(p["low"], p["high"]),
            }[step](params)  # fmt: skip
            made = made if numeric is None else make_pipeline(made, clone(numeric))
        parts.append((f"{step} {number}", made, names))
    figures, _, features = _measured(
        lambda: ColumnTransformer(parts).fit(frame), lambda fitted: fitted.transform(frame).astype(np.float32)
    )
    return figures, [], np.asarray(features)


def child(side: str, tail_name: str, folder: Path) -> None:
    """One measurement, as one line of JSON, with what tells whether both sides made the same."""
    figures, names, features = {"penstock": penstock, "sklearn": sklearn}[side](folder, tail_name)
    sums = np.sort(features.astype(np.float64).sum(axis=0)) if tail_name == "linear" else np.zeros(0)
    print(json.dumps({**figures, "shape": list(features.shape), "sums": sums.tolist(), "names": len(names)}))


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        prepare(folder)
        print("| finished for | side | fit, s | apply, s | both, s | ratio | CPU, s | peak over the table |")
        print("|---|---|--:|--:|--:|--:|--:|--:|")
        for tail_name in TAILS:
            found: dict[str, list[dict[str, Any]]] = {"penstock": [], "sklearn": []}
            for _ in range(rounds):
                for side, results in found.items():
                    command = [sys.executable, __file__, "--child", side, tail_name, str(folder)]
                    results.append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
            ours, theirs = found["penstock"][0], found["sklearn"][0]
            if ours["shape"] != theirs["shape"]:
                raise SystemExit(f"not the same features: {ours['shape']} and {theirs['shape']}")
            if not np.allclose(ours["sums"], theirs["sums"], rtol=1e-3, atol=500):
                raise SystemExit("not the same features: their sums differ")
            table = ours["table"]
            best = {side: min(results, key=lambda r: r["fit_s"] + r["apply_s"]) for side, results in found.items()}
            ratios = [
                (t["fit_s"] + t["apply_s"]) / (o["fit_s"] + o["apply_s"])
                for o, t in zip(found["penstock"], found["sklearn"], strict=True)
            ]
            for side, r in best.items():
                ratio = f"{statistics.median(ratios):.1f} x" if side == "penstock" else "1.0 x"
                peak = max(one["peak"] for one in found[side]) / table
                both = r["fit_s"] + r["apply_s"]
                print(
                    f"| {tail_name} | {side} | {r['fit_s']:.2f} | {r['apply_s']:.2f} | {both:.2f} | {ratio} "
                    f"| {r['cpu_s']:.2f} | {peak:.2f} x |"
                )


if __name__ == "__main__":
    if "--child" in sys.argv:
        child(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
