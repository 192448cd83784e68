"""How often the checks of the data cry wolf, and how often they miss a fault that was planted.

Run it with `python benchmarks/data/quality.py [SEEDS]`. Sound tables are drawn anew for each seed, in four forms: numbers and
categories, with texts, over time, and with a numeric target. Into each a fault is planted for the check that is to find it. What is
printed is, for each check, in how many of the sound tables it failed, and in how many of the planted ones. More rows really help all four
forms of sound tables: what `enough-rows` says is held against the truth, apart.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from penstock.bundle.decoder import Kind
from penstock.data.quality.report import QUALITY_CHECKS, judge
from penstock.data.quality.view import View

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "data" / "quality"))
from conftest import make_view

HOUR = 3_600_000_000
DAY = 24 * HOUR
Columns = dict[str, np.ndarray]
ROWS = 1500


def sound(seed: int, rows: int = ROWS) -> tuple[Columns, np.ndarray]:
    """Numbers of several shapes, categories with rare values, a column with gaps, instants; classes that depend on them."""
    dice = np.random.default_rng(seed)
    columns: Columns = {
        "age": dice.normal(40, 12, rows),
        "income": dice.lognormal(10, 0.8, rows),
        "visits": dice.poisson(2.0, rows).astype(np.float64),
        "share": dice.beta(2, 5, rows),
        "job": dice.choice(
            np.array(["nurse", "pilot", "cook", "clerk", "smith"], dtype=object), rows, p=[0.4, 0.3, 0.2, 0.07, 0.03]
        ),
        "member": dice.choice(np.array(["yes", "no"], dtype=object), rows),
        "since": dice.integers(1_500_000_000, 1_700_000_000, rows) * 1_000_000,
    }
    columns["age"][dice.random(rows) < 0.08] = np.nan
    score = (
        (np.nan_to_num(columns["age"], nan=40.0) - 40) / 12 + (columns["job"] == "pilot") + dice.normal(0, 0.8, rows)
    )
    return columns, (score > 0.4).astype(np.int64)


def with_texts(seed: int) -> tuple[Columns, np.ndarray]:
    columns, y = sound(seed)
    dice = np.random.default_rng(seed + 10_000)
    words = np.array([f"w{k}" for k in range(3000)])
    columns["note"] = np.array([" ".join(dice.choice(words, dice.integers(5, 30))) for _ in y], dtype=object)
    return columns, y


def view_of(columns: Columns, y: np.ndarray, **more: object) -> View:
    kinds = {"note": Kind.TEXT, "id": Kind.IDENTIFIER, "same": Kind.CONSTANT, "member": Kind.BINARY}
    made: View = make_view(columns, y, kinds={k: v for k, v in kinds.items() if k in columns}, **more)
    return made


def repeated(seed: int) -> View:
    """3 % of the rows come twice."""
    columns, y = sound(seed)
    again = np.random.default_rng(seed).choice(int(0.8 * ROWS), 45, replace=False)
    at = np.r_[again, np.arange(ROWS)]
    return view_of({k: v[at] for k, v in columns.items()}, y[at])


def held_out_too(seed: int) -> View:
    """5 % of the validation rows were trained on."""
    columns, y = sound(seed)
    valid = np.arange(int(0.8 * ROWS), ROWS)
    twice = np.random.default_rng(seed).choice(valid, 15, replace=False)
    at = np.r_[twice, np.arange(ROWS)]
    return view_of({k: v[at] for k, v in columns.items()}, y[at])


def near_texts(seed: int) -> View:
    """5 % of the texts are another one with two words changed."""
    columns, y = with_texts(seed)
    dice = np.random.default_rng(seed)
    for row in range(60):
        words = [
            *str(columns["note"][row + 100]).split(),
            "and",
            "some",
            "more",
            "of",
            "it",
            "here",
            "so",
            "that",
            "it",
            "lasts",
        ]
        columns["note"][row + 100] = " ".join(words)
        words[int(dice.integers(len(words)))] = "x"
        columns["note"][row] = " ".join(words)
    return view_of(columns, y)


def conflicts(seed: int) -> View:
    """3 % of the rows come again with the other class."""
    columns, y = sound(seed)
    at = np.r_[np.arange(40), np.arange(ROWS)]
    outcome = y[at]
    outcome[:40] = 1 - outcome[:40]
    return view_of({k: v[at] for k, v in columns.items()}, outcome)


def wrong_labels(seed: int) -> View:
    """8 % of the labels are exchanged, where the columns say clearly which is right."""
    columns, _ = sound(seed)
    dice = np.random.default_rng(seed)
    y = (columns["income"] > np.median(columns["income"])).astype(np.int64)
    wrong = dice.choice(ROWS, int(0.08 * ROWS), replace=False)
    y[wrong] = 1 - y[wrong]
    return view_of(columns, y)


def leak(seed: int) -> View:
    """A column that was written after the outcome, with a little noise."""
    columns, y = sound(seed)
    columns["called_back"] = y * 30.0 + np.random.default_rng(seed).normal(0, 3, ROWS)
    return view_of(columns, y)


def copy(seed: int) -> View:
    """The target of a regression is the sum of two columns."""
    columns, _ = sound(seed)
    return view_of(columns, columns["income"] + 100 * columns["visits"])


def filled(seed: int) -> View:
    """A field that is only filled where the outcome was yes."""
    columns, y = sound(seed)
    reason = np.random.default_rng(seed).choice(np.array(["price", "advice", "gift"], dtype=object), ROWS)
    columns["reason"] = np.where(y == 1, reason, None).astype(object)
    return view_of(columns, y)


def later(seed: int) -> View:
    """In 10 % of the rows something was noted after the time at which the row is dealt."""
    from penstock.data.split import SplitSettings

    columns, y = sound(seed)
    dice = np.random.default_rng(seed)
    delay = np.where(dice.random(ROWS) < 0.1, 1, -1) * dice.integers(1, 30, ROWS) * DAY
    columns["noted"] = columns["since"] + delay
    return view_of(columns, y, split=SplitSettings(by="time:since"))


def ordered(seed: int) -> View:
    """Identifiers that were given out after sorting by the outcome."""
    columns, y = sound(seed)
    order = np.argsort(np.argsort(y + np.random.default_rng(seed).normal(0, 0.2, ROWS)))
    columns["id"] = np.array([f"{100_000 + k}" for k in order], dtype=object)
    return view_of(columns, y)


def constant(seed: int) -> View:
    """A column that says one thing in all rows."""
    columns, y = sound(seed)
    columns["same"] = np.full(ROWS, "EUR", dtype=object)
    return view_of(columns, y)


def redundant(seed: int) -> View:
    """The same number in another unit, rounded."""
    columns, y = sound(seed)
    columns["income_in_thousands"] = np.round(columns["income"] / 1000, 2)
    return view_of(columns, y)


def unbalanced(seed: int) -> View:
    """One row in 30 is of the rarer class."""
    columns, y = sound(seed)
    keep = (y == 0) | (np.random.default_rng(seed).random(ROWS) < 0.03)
    return view_of({k: v[keep] for k, v in columns.items()}, y[keep])


def rare(seed: int) -> View:
    """A third class with 12 rows."""
    columns, y = sound(seed)
    y = y.copy()
    y[:12] = 2
    return view_of(columns, y)


def jump(seed: int) -> View:
    """From two thirds of the rows on, a number is in cents."""
    columns, y = sound(seed)
    columns["income"][900:] *= 100
    return view_of(columns, y)


def shifted(seed: int) -> View:
    """Validation rows are half a standard deviation older and of other jobs."""
    columns, y = sound(seed)
    valid = np.arange(ROWS) >= 0.8 * ROWS
    columns["age"][valid] += 12
    columns["job"][valid & (np.random.default_rng(seed).random(ROWS) < 0.4)] = "cook"
    return view_of(columns, y)


def product(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """A rule of products, which needs many rows to be learned."""
    dice = np.random.default_rng(seed)
    x = dice.normal(size=(rows, 8))
    return x, (x[:, 0] * x[:, 1] + x[:, 2] * x[:, 3] + 0.3 * dice.normal(size=rows) > 0).astype(np.int64)


def hungry(seed: int) -> View:
    """800 rows of a rule that is half learned by then."""
    x, y = product(seed, 1000)
    return view_of({f"x{i}": x[:, i] for i in range(8)}, y)


def still(seed: int) -> View:
    """A sensor that says one number in the first fifth of the rows."""
    columns, y = sound(seed)
    columns["income"][:300] = columns["income"][0]
    return view_of(columns, y)


def during(seed: int) -> View:
    """Six honest columns that make a fair model, and one that was written down during what is to be foretold."""
    dice = np.random.default_rng(seed)
    x = dice.normal(size=(ROWS, 6))
    y = (x.sum(axis=1) / 3 + dice.normal(size=ROWS) > 0.5).astype(np.int64)
    columns: Columns = {f"x{i}": x[:, i] for i in range(6)}
    columns["duration"] = dice.gamma(2.0, np.where(y == 1, 8.0, 1.0))
    return view_of(columns, y)


PLANTED: dict[str, Callable[[int], View]] = {
    "duplicate-rows": repeated, "split-duplicates": held_out_too, "near-duplicate-texts": near_texts,
    "label-conflicts": conflicts, "label-errors": wrong_labels, "too-good-column": leak, "dominant-column": during, "target-copy": copy,
    "filled-by-outcome": filled, "time-travel": later, "identifier-leak": ordered, "constant-columns": constant,
    "redundant-columns": redundant, "class-imbalance": unbalanced, "rare-classes": rare, "scale-jumps": jump, "standing-still": still,
    "part-shift": shifted, "enough-rows": hungry,
}  # fmt: skip


def sound_views(seed: int) -> list[View]:
    """Four tables without a fault."""
    columns, y = sound(seed)
    texts, y_texts = with_texts(seed + 1)
    named, y_named = sound(seed + 2)
    named["id"] = np.array([f"{k}" for k in range(ROWS)], dtype=object)
    numbers, _ = sound(seed + 3)
    noise = np.random.default_rng(seed).normal(0, 20, ROWS)
    target = np.nan_to_num(numbers["age"], nan=40.0) * 2 + 5 * numbers["visits"] + noise
    return [view_of(columns, y), view_of(texts, y_texts), view_of(named, y_named), view_of(numbers, target)]


def strong(seed: int) -> View:
    """A very good model of many columns, the strongest with a third of the weight."""
    dice = np.random.default_rng(seed)
    x = dice.normal(size=(ROWS, 6))
    y = (x @ np.array([1.5, 1, 1, 1, 1, 1]) + 0.5 * dice.normal(size=ROWS) > 0).astype(np.int64)
    return view_of({f"x{i}": x[:, i] for i in range(6)}, y)


def truths() -> dict[str, tuple[Callable[[int, int], tuple[Columns, np.ndarray]], int]]:
    """Tables of any length by seed and rows, and the number of training rows of which `enough-rows` is asked."""

    def texts(seed: int, rows: int) -> tuple[Columns, np.ndarray]:
        columns, y = sound(seed, rows)
        dice = np.random.default_rng(seed + 10_000)
        words = np.array([f"w{k}" for k in range(3000)])
        columns["note"] = np.array([" ".join(dice.choice(words, dice.integers(5, 30))) for _ in y], dtype=object)
        return columns, y

    def number(seed: int, rows: int) -> tuple[Columns, np.ndarray]:
        columns, _ = sound(seed, rows)
        noise = np.random.default_rng(seed + 77_777).normal(0, 20, rows)
        return columns, np.nan_to_num(columns["age"], nan=40.0) * 2 + 5 * columns["visits"] + noise

    def products(seed: int, rows: int) -> tuple[Columns, np.ndarray]:
        x, y = product(seed, rows)
        return {f"x{i}": x[:, i] for i in range(8)}, y

    def noisy(seed: int, rows: int) -> tuple[Columns, np.ndarray]:
        dice = np.random.default_rng(seed)
        x = dice.normal(size=(rows, 3))
        return {f"x{i}": x[:, i] for i in range(3)}, (x[:, 0] + 1.5 * dice.normal(size=rows) > 0).astype(np.int64)

    def clear(seed: int, rows: int) -> tuple[Columns, np.ndarray]:
        dice = np.random.default_rng(seed)
        x = dice.normal(size=(rows, 4))
        return {f"x{i}": x[:, i] for i in range(4)}, ((x[:, 0] > 0) ^ (dice.random(rows) < 0.05)).astype(np.int64)

    return {
        "sound": (sound, 1200), "sound, with texts": (texts, 1200), "sound, a number": (number, 1200),
        "products of columns": (products, 800), "one column and much noise": (noisy, 1200),
        "the same, 12,000 rows": (noisy, 12_000), "one column, 5 % wrong": (clear, 800), "the same, 4,000 rows": (clear, 4000),
    }  # fmt: skip


def true_gain(
    make: Callable[[int, int], tuple[Columns, np.ndarray]], rows: int, draws: int = 10
) -> tuple[float, float]:
    """What twice as many rows bring to the model of the check, on 10,000 other rows: mean over tables, and its standard error."""
    from penstock.data.quality.encoding import Encoder
    from penstock.data.quality.models import answers, boosted, strength

    tested, y_test = make(999, 10_000)
    frame, k = view_of(tested, y_test).train, 0 if y_test.dtype == np.float64 else 2
    y_test, gains = y_test[: frame.n_rows], []
    for draw in range(draws):
        columns, y = make(50_000 + draw, 2 * rows)
        reached = []
        for n in (rows, 2 * rows):
            view = view_of({name: c[:n] for name, c in columns.items()}, y[:n], part=np.zeros(n))
            encoder = Encoder.fit(view.train, view.inputs, seed=0)
            model = boosted(classification=bool(k), seed=0).fit(encoder.matrix(view.train), y[:n])
            reached.append(strength(y_test, answers(model, encoder.matrix(frame), k), k))
        gains.append(reached[1] - reached[0])
    return float(np.mean(gains)), float(np.std(gains) / np.sqrt(draws))


CONFIDENCE = (0.8, 0.9, 0.95)


def forecasts(seeds: int) -> list[dict[str, object]]:
    """`enough-rows` beside the truth: how often its interval holds what twice as many rows really bring, and how often it would say
    "more would help" and "enough" with intervals of several confidences; the check itself uses the last."""
    from penstock.data.quality.learning_curve import measured
    from penstock.project.quality import LIMITS

    limit, told = LIMITS["enough-rows"], []
    for name, (make, rows) in truths().items():
        gain, error = true_gain(make, rows)
        drawn = [measured(view_of(*make(1000 * seed, rows * 5 // 4))).gains(rows) for seed in range(seeds)]
        said: dict[str, object] = {}
        for confidence in CONFIDENCE:
            tail = (1 - confidence) / 2
            ends = [np.quantile(gains, [tail, 1 - tail]) for gains in drawn]
            said[f"{confidence:.0%}"] = {
                "holds it": sum(bool(low <= gain <= high) for low, high in ends),
                "more": sum(bool(low > limit) for low, _ in ends),
                "enough": sum(bool(high < limit) for _, high in ends),
            }
        middle = [float(np.median(gains)) for gains in drawn]
        told.append({
            "table": name, "rows": rows, "true gain": f"{gain:.3f} +- {error:.3f}",
            "forecast": [round(min(middle), 3), round(max(middle), 3)], **said, "of": seeds,
        })  # fmt: skip
        print(name, file=sys.stderr, flush=True)
    return told


def main(seeds: int) -> None:
    """Print both figures of every check."""
    false, tables, found, dominant = Counter[str](), 0, Counter[str](), 0
    for seed in range(seeds):
        for view in sound_views(1000 * seed):
            tables += 1
            said = judge(view)
            false.update({one.id for one in said if one.failed})
        for check, plant in PLANTED.items():
            found[check] += any(one.failed for one in judge(plant(seed), only=(check,)))
        dominant += any(one.failed for one in judge(strong(seed), only=("dominant-column",)))
        print(f"{seed + 1} of {seeds}", file=sys.stderr, flush=True)
    rows = [
        {"check": one.id, "false_alarms": false[one.id], "of": tables, "found": found[one.id], "planted": seeds}
        for one in QUALITY_CHECKS
    ]
    print(json.dumps(rows, indent=1))
    strongest = {"dominant-column of a strong, sound model": f"{dominant} of {seeds}"}
    print(json.dumps({"enough-rows": forecasts(seeds), **strongest}, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 25)
