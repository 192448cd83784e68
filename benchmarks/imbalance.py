"""Classes of unequal size: what weights, resampling, made-up rows and moved thresholds do on bank and german credit.

Random halves of the rows (stratified) are fitted and measured in turns; thresholds are chosen on one half of the measured rows and
judged on the other. `python benchmarks/imbalance.py --data DIR` prints a Markdown table.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, f1_score, log_loss, roc_auc_score

from penstock.bundle.decoder import Decoder
from penstock.bundle.kinds import Task
from penstock.data.evidence import Evidence
from penstock.data.infer import infer
from penstock.data.sources.file import FileSource
from penstock.features.fit import fit_recipe
from penstock.features.recipe import Recipe
from penstock.learning import imbalance
from penstock.learning.decide import choose_threshold, cost_threshold, mean_cost
from penstock.learning.learner import Shape
from penstock.learning.learners.lightgbm import LightGBM
from penstock.learning.learners.linear import Linear
from penstock.objects.tabular import ReadOptions

SETS = {
    "bank": ("bank_marketing/bank-additional-full.csv.gz", "y", ("duration",), True, "yes", (1.0, 5.0), 2),
    "german": ("german_credit/german.csv", "c21", (), False, 2, (1.0, 5.0), 10),
}


def main() -> None:
    """One line for each data set, learner and way."""
    options = argparse.ArgumentParser()
    options.add_argument("--data", type=Path, required=True)
    data = options.parse_args().data
    print(
        "| data | learner | way | ROC-AUC | average precision | log loss | F1 at 0.5 | F1, threshold moved | cost at 0.5 | cost, threshold moved |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, (file, target, drop, header, positive, costs, repeats) in SETS.items():
        source = FileSource(data / file, ReadOptions(header=header))
        (batch,) = list(source.batches(10**7))
        everything = np.arange(len(batch))
        found = infer(batch.columns, target, everything, drop=drop, positive=positive,
                      outcomes=Evidence.of(batch.columns[target], everything), total_rows=len(batch))  # fmt: skip
        decoder: Decoder = found.decoder
        frame, _ = decoder.decode_columns(batch.columns)
        y, _ = decoder.decode_target_columns(batch.columns[target])
        for learner in (Linear(), LightGBM()):
            for way in imbalance.METHODS:
                figures = []
                for seed in range(repeats):
                    half = np.random.default_rng(seed).permutation(len(y))
                    half = half[np.argsort(y[half], kind="stable")]
                    fitted_on, measured = half[::2], half[1::2]
                    recipe = fit_recipe(Recipe.default(), learner.tail(Task.BINARY), frame.take(fitted_on),
                                        decoder.columns, y[fitted_on], Task.BINARY, seed)  # fmt: skip
                    X = recipe.transform_training(frame.take(fitted_on))
                    shape = Shape(len(fitted_on), X.shape[1], Task.BINARY, 2)
                    nominal = imbalance.nominal_of(recipe.names, recipe.layout.strings, X)
                    model = imbalance.fit(learner, X, y[fitted_on], shape=shape, params={"imbalance": way},
                                          nominal=nominal, seed=seed, threads=1)  # fmt: skip
                    p = model.predict(recipe.transform(frame.take(measured)))[:, 1]
                    figures.append(measure(p, y[measured], costs))
                told = " | ".join(f"{v:.3f}" for v in np.mean(figures, axis=0))
                print(f"| {name} | {learner.name} | {way} | {told} |", flush=True)


def measure(p: np.ndarray, y: np.ndarray, costs: tuple[float, float]) -> list[float]:
    """The figures of one line."""
    one, other = np.arange(len(y)) % 2 == 0, np.arange(len(y)) % 2 == 1
    moved = choose_threshold(p[one], y[one], "f1")
    return [
        roc_auc_score(y, p),
        average_precision_score(y, p),
        log_loss(y, np.clip(p, 1e-9, 1 - 1e-9)),
        f1_score(y[other], p[other] >= 0.5),
        f1_score(y[other], p[other] >= moved),
        mean_cost(p, y, 0.5, costs),
        mean_cost(p, y, cost_threshold(*costs), costs),
    ]


if __name__ == "__main__":
    main()
