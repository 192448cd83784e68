"""What 16, 8 and 4 bits do to real models: ``python benchmarks/packaging/quantise.py --data DIR [--only NAME] [--few ROWS]``.

Whole projects, from the file to `penstock quantise`: words of `sms_spam` and pixels of `fashion_mnist` under a linear model, and, where
its package is installed, the sentence model all-MiniLM-L6-v2 under one. Prints a Markdown table for each.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from penstock.features.embedding import PACKAGE


def messages(data: Path, few: int) -> Iterator[list[str]]:
    """Short messages, and whether they are spam."""
    yield ["label", "text"]
    for line in (data / "sms_spam" / "SMSSpamCollection.tsv").read_text("utf-8").splitlines()[:few]:
        yield line.split("\t", 1)


def pictures(data: Path, few: int) -> Iterator[list[Any]]:
    """784 pixels as numbers, and one of ten kinds of clothes."""
    folder = data / "fashion_mnist"
    pixels = np.frombuffer(gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16)
    labels = np.frombuffer(gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    yield ["label", *(f"p{i}" for i in range(784))]
    for label, row in zip(labels[:few], pixels.reshape(-1, 784), strict=False):
        yield [f"kind {label}", *row.tolist()]


SETS = {
    "words": (messages, 5_574, 'outputs = ["tfidf(text)"]'),
    "pixels": (pictures, 6_000, None),
    "sentences": (messages, 600, 'outputs = ["embed(text)"]'),
}


def main() -> None:
    """One table for each model."""
    options = argparse.ArgumentParser()
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--only", choices=SETS)
    options.add_argument("--few", type=int, help="rows; default: as many as the table in README.md says")
    asked = options.parse_args()
    for name, (rows, few, recipe) in SETS.items():
        if asked.only not in (None, name):
            continue
        if name == "sentences" and find_spec(PACKAGE) is None:
            print(f"\n{name}: left out, {PACKAGE} is not installed")
            continue
        with TemporaryDirectory() as scratch:
            source = Path(scratch) / "rows.csv"
            with source.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(rows(asked.data, asked.few or few))
            print(f"\n**{name}**\n", flush=True)
            tell(quantised(source, Path(scratch) / "project", recipe))


def quantised(source: Path, project: Path, recipe: str | None) -> dict[str, Any]:
    """A project with a linear model, and what `penstock quantise` says of it."""
    penstock(source.parent, "new", project.name, "--data", str(source), "--target", "label")
    declared = project / "penstock.toml"
    text = declared.read_text("utf-8").replace('"undecided:', '"').replace('budget = "5m"', 'budget = "1 trials"')
    declared.write_text(text.replace("[search]\n", '[search]\nlearners = ["linear"]\nworkers = 1\n', 1), "utf-8")
    if recipe is not None:
        (project / "recipe.toml").write_text(recipe + "\n", "utf-8")
    penstock(project, "run")
    return penstock(project, "quantise")


def penstock(where: Path, *arguments: str) -> dict[str, Any]:
    program = [sys.executable, "-m", "penstock", *arguments, "--json"]
    done = subprocess.run(program, cwd=where, capture_output=True, text=True, check=False)
    if done.returncode > 1:
        raise SystemExit(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def tell(found: dict[str, Any]) -> None:
    metric = found["metric"]
    print(
        f"| form | graph MB | row, ratio | batch, ratio | memory MB | {metric} | 99 % of rows moved by | most | changed | gates |"
    )
    print("|---|--:|--:|--:|--:|---|--:|--:|--:|---|")
    for row in found["forms"]:
        if not row["applies"]:
            print(f"| {row['form']} | does not apply: {row['why']} |")
            continue
        value = row["value"]
        score = f"{value['value']:.4f} ({value['low']:.4f} to {value['high']:.4f})"
        moved, verdict = row.get("moved"), ""
        if moved is not None:
            failed = [gate["id"] for gate in row["gates"] if not gate["passed"]]
            verdict = "passed" if row["passed"] else ", ".join(failed)
        cells = (
            ["", "", ""]
            if moved is None
            else [f"{moved['p99']:.2g}", f"{moved['largest']:.2g}", f"{moved['changed']:.2%}"]
        )
        chosen = "**" if row["form"] == found["chosen"] else ""
        print(
            f"| {chosen}{row['form']}{chosen} | {row['graph_mb']:.3f} | {row['row_ratio']:.2f} | {row['batch_ratio']:.2f} | "
            f"{row['memory_mb']:.0f} | {score} | {' | '.join(cells)} | {verdict} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
