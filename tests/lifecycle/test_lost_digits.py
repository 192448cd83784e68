"""Whoever brings numbers that are one for the model is told at once."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_new_and_recipe_apply_tell_of_numbers_that_are_one_for_the_model(
    tmp_path: Path, penstock: Callable[..., Any]
) -> None:
    """A column that explains everything taught nothing, and nobody said so."""
    dice = random.Random(0)
    rows = [f"{1_700_000_000 + n},{dice.gauss(0, 1):.3f},{'ab'[n > 30]}" for n in (i % 60 for i in range(600))]
    (tmp_path / "t.csv").write_text("ts,x,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    made = penstock(tmp_path, "new", "p", "--data", "t.csv", "--target", "y")
    assert made.code == 0
    assert "of 60 different ones 1 are left" in str(made.body)
    (tmp_path / "p" / "two.toml").write_text('outputs = ["ts", "x"]\n', encoding="utf-8")
    applied = penstock(
        tmp_path / "p", "recipe", "apply", "../t.csv", "--recipe", "two.toml", "--output", "features.csv"
    )
    assert applied.code == 0, applied.out
    (told,) = (warning for warning in applied.body["warnings"] if "float32" in warning)
    assert told.startswith("ts: ")
