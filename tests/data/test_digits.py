"""Numbers that are one for the model are told."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.bundle.decoder import EncodedColumn, Kind
from penstock.data.digits import told_of_lost
from penstock.data.evidence import Evidence
from penstock.data.kinds import infer_column

SECONDS = 1_700_000_000.0 + np.arange(3600.0)


def warnings_of(values: np.ndarray, kind: Kind | None = None) -> tuple[str, ...]:
    column = EncodedColumn.of([str(int(value)) if value == int(value) else repr(value) for value in values.tolist()])
    evidence = Evidence.of(column, np.arange(len(values)))
    spec, found = infer_column("ts", evidence, total_rows=10 * len(values), kind=kind)
    assert spec.kind is Kind.NUMERIC
    return found.warnings


@pytest.mark.parametrize("kind", [None, Kind.NUMERIC])
def test_seconds_of_an_hour_are_told_to_be_few_numbers(kind: Kind | None) -> None:
    """Whether the kind is found or told; with the way out."""
    values = np.repeat(SECONDS[:1200], 4)
    (told,) = warnings_of(values, kind)
    assert told.startswith("the model sees numbers as float32")
    assert "of 1200 different ones 10 are left" in told
    assert 'kinds.ts = "categorical"' in told


@pytest.mark.parametrize(
    "values",
    [
        np.arange(100_000.0),
        np.random.default_rng(0).normal(0, 1, 500_000),
        np.random.default_rng(0).lognormal(10, 2, 50_000),
        np.round(np.random.default_rng(0).uniform(0, 1e5, 50_000), 2),
        1_700_000_000 + np.random.default_rng(0).integers(0, 3 * 31_000_000, 50_000).astype(np.float64),
        np.array([1e9, 1e9 + 1, np.nan]),
        np.array([]),
    ],
    ids=["counts", "normal", "log-normal", "prices", "seconds of three years", "three", "none"],
)
def test_columns_that_keep_their_differences_are_not_told(values: np.ndarray) -> None:
    """That a few of many numbers share a float32 by chance is no loss."""
    assert told_of_lost("x", values) == ()
