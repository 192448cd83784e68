"""What the suggested recipe is worth, beside naming every column: ``python benchmarks/features/suggestion.py --data DIR``.

Both recipes see the same rows of the same random splits and the same learners at their defaults: linear and LightGBM. At most 12,000
rows are learned from and 3,000 validated, and no row is scored that a recipe or a learner has seen.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from penstock import parts
from penstock.bundle.frame import Frame
from penstock.bundle.kinds import INPUT_KINDS, Kind, Task
from penstock.bundle.specs import ColumnSpec
from penstock.data.infer import infer
from penstock.data.sources.file import read
from penstock.features.fit import fit_recipe
from penstock.features.language import quote
from penstock.features.recipe import Recipe
from penstock.features.rules import least_rows
from penstock.features.suggest import suggest
from penstock.learning.learner import Shape
from penstock.objects.tabular import ReadOptions

ROWS = 15_000
LEARNED = 0.8
MANY_VALUES = 50


@dataclass(frozen=True)
class Table:
    """drop : columns that leak or are no inputs. options : of the reader."""

    file: str
    target: str
    drop: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


TABLES = {
    "adult": Table("adult/adult.csv.gz", "income"),
    "bank_marketing": Table("bank_marketing/bank-additional-full.csv.gz", "y", ("duration",)),
    "titanic": Table("titanic/titanic.csv", "Survived"),
    "kddcup99": Table("kddcup99/kddcup.data_10_percent.gz", "c42", options={"header": False}),
    "california_housing": Table("california_housing/housing.csv.gz", "median_house_value"),
    "german_credit": Table("german_credit/german.csv", "c21", options={"header": False}),
    "elec2": Table("elec2/elec.csv.gz", "class"),
    "covertype_sample": Table("covertype_sample/covtype.csv.gz", "Cover_Type"),
    "sms_spam": Table("sms_spam/SMSSpamCollection.tsv", "c1", options={"header": False, "quote": "none"}),
}


def plain(specs: list[ColumnSpec], frame: Frame) -> str:
    """The recipe that names every column and leaves the rest to the learner; rare values of many are put together."""
    outputs = []
    for spec in specs:
        name, values = quote(spec.name), frame[spec.name]
        if spec.kind not in INPUT_KINDS:
            continue
        if spec.kind is Kind.TEXT:
            outputs.append(f"tfidf({name}, n=2, min_df={least_rows(len(frame), 0.0)})")
        elif spec.kind is Kind.CATEGORICAL and len(set(values.tolist()) - {None}) > MANY_VALUES:
            outputs.append(f"one_hot({name}, min_frequency={least_rows(len(frame), 0.002)}, max_categories=100)")
        else:
            outputs.append(name)
    return f"outputs = {json.dumps(outputs)}"


def splits(
    table: Table, folder: Path, seeds: int
) -> Iterator[tuple[list[ColumnSpec], Frame, np.ndarray, Frame, np.ndarray, Task]]:
    source = read(folder / table.file, ReadOptions(**table.options))
    columns = {name: column for name, column in source.columns.items() if name not in table.drop}
    found = infer(columns, table.target, np.arange(len(source)))
    specs = list(found.decoder.columns)
    frame, _ = found.decoder.decode_columns({spec.name: columns[spec.name] for spec in specs})
    y, _ = found.decoder.decode_target_columns(columns[table.target])
    for seed in range(seeds):
        rows = np.random.default_rng(seed).permutation(len(y))[:ROWS]
        learned, held = np.sort(rows[: int(LEARNED * len(rows))]), np.sort(rows[int(LEARNED * len(rows)) :])
        told, asked = y[learned], y[held]
        if found.task.is_classification:  # a class that no row of the fit has cannot be answered
            classes, told = np.unique(told, return_inverse=True)
            held = held[np.isin(asked, classes)]
            asked = np.searchsorted(classes, y[held])
        yield specs, frame.take(learned), told, frame.take(held), asked, found.task


def scored(text: str, learner_name: str, split: Any) -> tuple[float, float, int]:
    """Loss and score of one recipe with one learner, and its number of features."""
    from scipy.sparse import issparse
    from sklearn.metrics import roc_auc_score

    specs, frame, y, others, answers, task = split
    learner = parts.load("penstock.learners", learner_name)()
    recipe = fit_recipe(Recipe.parse(text), learner.tail(task), frame, specs, y, task, 0)
    X, new = recipe.transform_training(frame), recipe.transform(others)
    n_classes = int(y.max()) + 1 if task.is_classification else 0
    shape = Shape(len(y), recipe.width, task, n_classes, issparse(X))
    if not task.is_classification:
        mean, spread = y.mean(), y.std()
        told = learner.fit(X, (y - mean) / spread, shape=shape, params={}).predict(new).reshape(-1) * spread + mean
        lost = float(((answers - told) ** 2).sum() / ((answers - answers.mean()) ** 2).sum())
        return lost, 1 - lost, recipe.width
    chances = np.asarray(learner.fit(X, y, shape=shape, params={}).predict(new))
    if chances.ndim == 1:
        chances = np.column_stack([1 - chances, chances])
    loss = -np.log(np.clip(chances[np.arange(len(answers)), answers], 1e-9, 1)).mean()
    score = roc_auc_score(answers, chances[:, 1]) if task is Task.BINARY else (chances.argmax(axis=1) == answers).mean()
    return float(loss), float(score), recipe.width


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", default=",".join(TABLES))
    parser.add_argument("--seeds", type=int, default=4)
    asked = parser.parse_args()
    print(
        "| table | learner | loss, plain | suggested | difference | score, plain | suggested | features, plain | suggested |"
    )
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    for name in asked.only.split(","):
        found: dict[str, list[list[tuple[float, float, int]]]] = {"linear": [], "lightgbm": []}
        for split in splits(TABLES[name], asked.data, asked.seeds):
            specs, frame, y, _, _, task = split
            texts = (plain(specs, frame), suggest(specs, frame, y, task, TABLES[name].target).text)
            for learner, rows in found.items():
                rows.append([scored(text, learner, split) for text in texts])
        for learner, rows in found.items():
            was, now = np.array(rows).transpose(1, 0, 2)
            saved = (now - was)[:, 0]
            spread = saved.std(ddof=1) if len(saved) > 1 else 0.0
            print(
                f"| {name} | {learner} | {was[:, 0].mean():.4f} | {now[:, 0].mean():.4f} | {saved.mean():+.4f} ({spread:.4f}) "
                f"| {was[:, 1].mean():.3f} | {now[:, 1].mean():.3f} | {was[:, 2].mean():,.0f} | {now[:, 2].mean():,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
