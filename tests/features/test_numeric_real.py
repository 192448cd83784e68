"""Numeric steps on the numbers of every real table, against scikit-learn."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    PolynomialFeatures,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)

from penstock import parts
from penstock.bundle.packing import to_float32
from penstock.features.step import GROUP, Columns, Form
from penstock.testing.step import apply

DATA = Path(os.environ.get("PENSTOCK_DATA", Path(__file__).parents[3] / "shared" / "data"))
TABLES: dict[str, dict[str, Any]] = {
    "bank_marketing/bank-additional-full.csv.gz": {"sep": ";"},
    "adult/adult.csv.gz": {},
    "california_housing/housing.csv.gz": {},
    "titanic/titanic.csv": {},
    "covertype_sample/covtype.csv.gz": {},
    "german_credit/german.csv": {"header": None},
    "elec2/elec.csv.gz": {},
    "compas/compas-scores-two-years.csv.gz": {},
    "kddcup99/kddcup.data_10_percent.gz": {"header": None},
}
ROWS = 2_000
SCALED = "scaled"
"""Steps that are tried on standardised columns."""
STEPS: dict[str, tuple[dict[str, Any], Callable[[], Any], str]] = {
    "standardise": ({}, StandardScaler, ""),
    "robust_scale": ({}, RobustScaler, ""),
    "min_max": ({}, MinMaxScaler, ""),
    "power": ({}, lambda: PowerTransformer(standardize=True), SCALED),
    "uniform_bin": ({}, lambda: KBinsDiscretizer(10, encode="ordinal", strategy="uniform", subsample=None), "complete"),
    "pca": ({"components": 3}, lambda: make_pipeline(SimpleImputer(), PCA(3, svd_solver="full")), SCALED),
    "truncated_svd": (
        {"components": 2},
        lambda: TruncatedSVD(2, algorithm="arpack", random_state=0),
        SCALED + " complete",
    ),
    "polynomial": ({}, lambda: PolynomialFeatures(2, include_bias=False), SCALED + " complete"),
    "impute": ({"strategy": "mean"}, SimpleImputer, SCALED),
    "impute_nearest": ({"rows": ROWS, "neighbours": 3}, lambda: KNNImputer(n_neighbors=3), SCALED),
}


def _numbers(file: str) -> np.ndarray:
    """float32 of at most 2,000 rows; columns in which they differ."""
    if not (DATA / file).exists():
        pytest.skip(f"the real data sets are not here: {DATA}")
    table = pd.read_csv(DATA / file, **TABLES[file]).select_dtypes("number")
    values = table.sample(min(ROWS, len(table)), random_state=0).to_numpy(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # columns without any value
        return to_float32(values[:, np.nanmax(values, axis=0) > np.nanmin(values, axis=0)])


@pytest.mark.real
@pytest.mark.parametrize("file", TABLES)
def test_real_numbers_become_what_scikit_learn_makes_of_them(file: str) -> None:
    """Within 1e-5 of the size of each output; powers, which two optimisers find, within 1e-3."""
    raw = _numbers(file)
    for name, (params, reference, how) in STEPS.items():
        values = StandardScaler().fit_transform(raw.astype(np.float64)).astype(np.float32) if SCALED in how else raw
        if "complete" in how:
            values = SimpleImputer().fit_transform(values)
        if name == "power":  # one power for a number that occurs in almost all rows is as likely as another
            values = values[:, [len(np.unique(v)) > 50 and _usual_share(v) < 0.2 for v in values.T]]
        if not values.shape[1]:
            continue
        columns = Columns(values, tuple(f"c{j}" for j in range(values.shape[1])), Form.NUMBERS)
        output = apply(parts.load(GROUP, name)(**params).fit([columns], None, seed=0), columns)
        expected = reference().fit_transform(values.astype(np.float64))
        size = np.maximum(np.nanmax(np.abs(expected), axis=0), 1)
        near = 1e-3 if name == "power" else 1e-5
        assert np.array_equal(np.isnan(output), np.isnan(expected)), name
        assert np.nanmax(np.abs(output - expected) / size) < near, name


def _usual_share(values: np.ndarray) -> float:
    """The share of the most frequent value."""
    return float(np.unique(values, return_counts=True)[1].max() / len(values))
