"""What 16, 8 and 4 bits do to real models: ``python benchmarks/packaging/quantise.py --data DIR [--only NAME] [--few ROWS]``.

Whole projects, from the file to `penstock quantise`: words of `sms_spam` and pixels of `fashion_mnist` under a linear model; and, where
its package is installed, the sentence model all-MiniLM-L6-v2 alone, whose vectors are compared. Prints a Markdown table for each.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from penstock.bundle.frame import Frame, typed_array
from penstock.bundle.graph import open_session
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.packing import pack
from penstock.bundle.specs import ColumnSpec
from penstock.features.embedding import PACKAGE
from penstock.features.fit import fit_recipe
from penstock.features.graph import model_of, packed_arguments
from penstock.features.recipe import Recipe
from penstock.packaging.quantising.calibrate import input_ranges
from penstock.packaging.quantising.forms import FORMS
from penstock.packaging.quantising.weights import find_weights


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
    "pixels": (pictures, 3_000, None),
}


def main() -> None:
    """One table for each model."""
    options = argparse.ArgumentParser()
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--only", choices=[*SETS, "sentences"])
    options.add_argument("--few", type=int, help="rows; default: as many as the table in README.md says")
    asked = options.parse_args()
    for name, (rows, few, recipe) in SETS.items():
        if asked.only not in (None, name):
            continue
        with TemporaryDirectory() as scratch:
            source = Path(scratch) / "rows.csv"
            with source.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(rows(asked.data, asked.few or few))
            print(f"\n**{name}**\n", flush=True)
            tell(quantised(source, Path(scratch) / "project", recipe))
    if asked.only in (None, "sentences"):
        sentences(asked.data)


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


def sentences(data: Path) -> None:
    """The vectors of 60 messages, after calibration on 40 others."""
    if find_spec(PACKAGE) is None:
        print(f"\nsentences: left out, {PACKAGE} is not installed")
        return
    texts = [text for _, text in list(messages(data, 5_574))[1:]]
    calibrating, asked = texts[:40], texts[1000:1060]
    recipe = Recipe.parse('outputs = ["embed(text)"]')
    fitted = fit_recipe(recipe, None, frame(calibrating), [ColumnSpec("text", Kind.TEXT)], None, Task.REGRESSION, 0)
    inputs = packed_arguments(fitted.layout)
    graph = model_of(inputs, fitted.emit(inputs)).SerializeToString()
    ranges = input_ranges(find_weights(graph), pack(frame(calibrating), fitted.layout))
    feeds, one = (pack(frame(rows), fitted.layout) for rows in (asked, asked[:1]))
    exact = open_session(graph)
    vectors = exact.run(None, feeds)[0]
    print(
        "\n**sentences**\n\n| form | graph MB | text, ratio | cosine to the exact vector, mean | least |\n|---|--:|--:|--:|--:|"
    )
    print(f"| exact | {len(graph) / 1e6:.1f} | 1.00 | | |", flush=True)
    for name, form in FORMS.items():
        made = form.apply(find_weights(graph), ranges)
        session = open_session(made)
        found = session.run(None, feeds)[0]
        alone = np.concatenate([session.run(None, pack(frame([text]), fitted.layout))[0] for text in asked[:20]])
        assert (alone == found[:20]).all(), f"{name}: a text alone has another vector than in a batch"
        cosine = (found * vectors).sum(axis=1) / np.linalg.norm(found, axis=1) / np.linalg.norm(vectors, axis=1)
        ratio = seconds(session, one) / seconds(exact, one)
        print(
            f"| {name} | {len(made) / 1e6:.1f} | {ratio:.2f} | {cosine.mean():.4f} | {cosine.min():.4f} |", flush=True
        )


def frame(texts: list[str]) -> Frame:
    return Frame({"text": typed_array(texts, Kind.TEXT)}, {"text": Kind.TEXT}, len(texts))


def seconds(session: Any, feeds: dict[str, np.ndarray]) -> float:
    """Of processor time, the least of 20 calls."""
    taken = []
    for _ in range(20):
        start = time.thread_time()
        session.run(None, feeds)
        taken.append(time.thread_time() - start)
    return min(taken)


if __name__ == "__main__":
    main()
