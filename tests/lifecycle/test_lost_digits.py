"""Numbers that differ little for their size are learned from; whoever brings such as no offset keeps apart is told at once."""

from __future__ import annotations

import csv
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock.bundle.runtime import Bundle


def table(path: Path, first: Callable[[int], int], second: Callable[[int], float]) -> list[dict[str, Any]]:
    """600 rows whose target follows from their number alone, as CSV and as they are."""
    rows = [{"ts": first(i), "x": second(i), "y": "ab"[i % 60 > 30]} for i in range(600)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ("ts", "x", "y"))
        writer.writeheader()
        writer.writerows(rows)
    return rows


def test_new_and_recipe_apply_tell_of_numbers_that_are_one_for_the_model(
    tmp_path: Path, penstock: Callable[..., Any]
) -> None:
    """No offset helps where they are close together and far apart: pairs, a nanosecond apart, within a minute."""
    table(tmp_path / "t.csv", lambda i: 10**9 * (i % 30) + i % 60 // 30, lambda i: i * i % 997 / 10)
    made = penstock(tmp_path, "new", "p", "--data", "t.csv", "--target", "y")
    assert made.code == 0
    assert "of 60 different ones 36 are left" in str(made.body)
    (tmp_path / "p" / "two.toml").write_text('outputs = ["ts", "x"]\n', encoding="utf-8")
    applied = penstock(
        tmp_path / "p", "recipe", "apply", "../t.csv", "--recipe", "two.toml", "--output", "features.csv"
    )
    assert applied.code == 0, applied.out
    (told,) = (warning for warning in applied.body["warnings"] if "float32" in warning)
    assert told.startswith("ts: ")


def test_seconds_of_a_minute_and_numbers_beyond_2_53_are_learned_from_and_served(
    tmp_path: Path, penstock: Callable[..., Any]
) -> None:
    """They were one number in float32, and a column that explains everything taught nothing."""
    dice = random.Random(0)
    rows = table(tmp_path / "t.csv", lambda i: 1_700_000_000 + dice.randrange(60), lambda i: 2**60 + i % 60)
    made = penstock(tmp_path, "new", "p", "--data", "t.csv", "--target", "y")
    assert "float32" not in str(made.body)
    project = tmp_path / "p"
    declared = (project / "penstock.toml").read_text(encoding="utf-8")
    few = re.sub(r'budget = "[^"]*"', 'budget = "2 trials"\nlearners = ["lightgbm"]', declared)
    (project / "penstock.toml").write_text(few, encoding="utf-8")
    run = penstock(project, "run")
    assert run.code == 0, run.out
    assert run.body["validation"]["roc_auc"]["value"] > 0.99
    assert "float32" not in str(run.body)
    signature = json.loads((project / "models" / "v1" / "signature.json").read_bytes())
    assert signature["layout"]["offsets"] == {"ts": 1_700_000_000.0}
    decoder = json.loads((project / "models" / "v1" / "decoder.json").read_bytes())
    assert [column.get("origin") for column in decoder["columns"]] == [None, 2**60]
    bundle = Bundle.load(project / "models" / "v1")
    asked = [{"ts": row["ts"], "x": row["x"]} for row in rows]
    answers = bundle.predict(asked)
    assert sum(answer["prediction"] == row["y"] for answer, row in zip(answers, rows, strict=True)) > 590
    frame, _ = bundle.decoder.decode_rows(asked)
    assert [bundle.predict_frame(frame).row(i) for i in range(600)] == answers
    assert [bundle.predict([row])[0] for row in asked[:70]] == answers[:70]
    (beyond,) = bundle.predict([{"ts": 1_700_000_090, "x": 2**60 + 30}])
    assert beyond["novelty"] > 1  # it lies outside the range of its column
    fitted = penstock(project, "recipe", "fit")
    assert fitted.body["offsets"] == {"ts": 1_700_000_000.0}
