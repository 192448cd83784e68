"""Random tables of odd values: every check says something, the page is drawn, and nothing overflows or warns."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest

from penstock.bundle.decoder import MISSING_TIME, Kind
from penstock.data.profiling.survey import survey
from penstock.data.quality.report import judge
from penstock.data.split import SplitSettings
from penstock.evaluation.profile_page import to_html
from penstock.project.quality import LIMITS

NUMBERS = np.array([0, 1, -5.5, 1e300, -1e300, np.inf, -np.inf, np.nan, 1e-300])
TEXTS = np.array(
    [None, "", "a", "b c", "日本 語 テキスト", "😀 x y z", "مرحبا بالعالم كله", "a b c d e f g h"], dtype=object
)
TIMES = np.array([MISSING_TIME, 0, 1, -(2**55), 2**55, 86_400_000_000 * 365 * 50])
WORDY = {"category": Kind.CATEGORICAL, "text": Kind.TEXT, "constant": Kind.CONSTANT}


def table(dice: np.random.Generator, rows: int) -> tuple[dict[str, np.ndarray], dict[str, Kind]]:
    """Up to five columns of any kind, at least one."""
    columns: dict[str, np.ndarray] = {}
    kinds: dict[str, Kind] = {}
    for i in range(dice.integers(1, 6)):
        sort = str(dice.choice(["number", "smooth", "category", "text", "time", "id", "constant"]))
        name = f"{sort}{i}"
        if sort == "number":
            columns[name], kinds[name] = dice.choice(NUMBERS, rows), Kind.NUMERIC
        elif sort == "smooth":
            columns[name], kinds[name] = dice.normal(size=rows), Kind.NUMERIC
        elif sort == "time":
            columns[name], kinds[name] = dice.choice(TIMES, rows), Kind.DATETIME
        elif sort == "id":
            columns[name], kinds[name] = np.array([f"{i}" for i in range(rows)], dtype=object), Kind.IDENTIFIER
        else:
            columns[name], kinds[name] = dice.choice(TEXTS, rows), WORDY[sort]
    return columns, kinds


@pytest.mark.parametrize("seed", range(24))
def test_a_random_table_is_judged_and_drawn(view: Any, seed: int) -> None:
    """With one row or hundreds, two classes, three, or numbers up to 1e300; findings are strict JSON."""
    dice = np.random.default_rng(seed)
    rows = (1, 2, 5, 21, 60, 230)[seed % 6]
    columns, kinds = table(dice, rows)
    y = (dice.integers(0, 2, rows), dice.integers(0, 3, rows), dice.choice([1e300, -1e300, 0.0], rows))[seed % 3]
    times = [name for name, kind in kinds.items() if kind is Kind.DATETIME]
    split = SplitSettings(by=f"time:{times[0]}") if times else SplitSettings()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = view(columns, y, kinds=kinds, split=split)
        found = judge(made)
        page = to_html(survey(made.train, made.y, made.target), name="random", target="y")
    assert {one.id for one in found} == set(LIMITS)
    json.dumps([one.to_json() for one in found], allow_nan=False)
    assert "</html>" in page
