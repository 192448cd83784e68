"""A contract that is inferred reads, is kept by the rows that it was made of and by others like them, and not by broken ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from penstock.bundle.decoder import Decoder
from penstock.bundle.frame import Frame, typed_array
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.privacy.protection import Protection
from penstock.bundle.specs import ColumnSpec, EncodedColumn, TargetSpec
from penstock.data.contract.check import Checked, Checker
from penstock.data.contract.infer import infer_contract
from penstock.data.contract.parse import parse_contract
from penstock.data.contract.unsealed import everything
from penstock.data.source import Batch

SPECS = (
    ColumnSpec("age", Kind.NUMERIC, missing=("?",)),
    ColumnSpec("amount", Kind.NUMERIC),
    ColumnSpec("visits", Kind.NUMERIC),
    ColumnSpec("share", Kind.NUMERIC),
    ColumnSpec("job", Kind.CATEGORICAL),
    ColumnSpec("agreed", Kind.BINARY, boolean_text=True),
    ColumnSpec("code", Kind.IDENTIFIER),
    ColumnSpec("note", Kind.TEXT),
    ColumnSpec("start", Kind.DATETIME),
    ColumnSpec("end", Kind.DATETIME),
    ColumnSpec("price_min", Kind.NUMERIC),
    ColumnSpec("price_max", Kind.NUMERIC),
)
TARGET = TargetSpec("y", Task.BINARY, ("no", "yes"))


def table(rows: int, seed: int) -> dict[str, list[str | None]]:
    """Text of all kinds: symmetric, skewed and heavy-tailed numbers, rare categories, dates in order."""
    dice = np.random.default_rng(seed)
    age, low = dice.normal(40, 12, rows), dice.lognormal(2, 0.5, rows)
    start = np.datetime64("2024-01-01") + dice.integers(0, 700, rows)
    jobs = np.array([f"job {k}" for k in range(30)])
    weights = 1 / np.arange(1, 31) ** 1.5
    return {
        "age": ["?" if i % 13 == 2 else f"{x:.1f}" for i, x in enumerate(age)],
        "amount": [f"{x:.2f}" for x in dice.lognormal(6, 1, rows)],
        "visits": [str(x) for x in dice.poisson(1.5, rows)],
        "share": [f"{x:.3f}" for x in np.clip(dice.normal(0.5, 0.4, rows), 0, 1)],
        "job": list(dice.choice(jobs, rows, p=weights / weights.sum())),
        "agreed": list(dice.choice(["True", "false"], rows)),
        "code": [f"R{i:06d}" for i in dice.permutation(900_000)[:rows]],
        "note": [" ".join(dice.choice(jobs, int(dice.integers(2, 9)))) for _ in range(rows)],
        "start": [str(x) for x in start],
        "end": [str(x) for x in start + dice.integers(0, 30, rows)],
        "price_min": [f"{x:.2f}" for x in low],
        "price_max": [f"{x:.2f}" for x in low + dice.lognormal(1, 0.5, rows)],
        "y": list(dice.choice(["no", "yes"], rows)),
    }


def inferred(columns: dict[str, list[str | None]], **how: Any) -> str:
    encoded = {name: EncodedColumn.of(values) for name, values in columns.items()}
    decoder = Decoder(SPECS, TARGET)
    frame, _ = decoder.decode_columns(encoded)
    y, _ = decoder.decode_target_columns(encoded["y"])
    return infer_contract(SPECS, TARGET, frame, y, rows=len(y), **how)


def held(text: str, columns: dict[str, list[str | None]]) -> Checked:
    checker = Checker(parse_contract(text), list(columns), everything)
    checker.add(Batch.of({name: EncodedColumn.of(values) for name, values in columns.items()}))
    return checker.result()


def test_other_rows_of_the_same_source_keep_it() -> None:
    """Over forty draws of 1,000 rows and 1,000 others: at most two of 520 columns are refused."""
    refused = [b for seed in range(40) for b in held(inferred(table(1000, seed)), table(1000, seed + 500)).breaches]
    assert len(refused) <= 2, [(b.id, b.about, b.why) for b in refused]


def test_numbers_near_the_end_of_all_numbers_get_no_bound_that_is_none() -> None:
    """Ten times as far as 1e308 is no number: nothing is asked there, and no warning of NumPy is seen."""
    frame = Frame({"a": np.array([10.0 ** (300 + i % 9) for i in range(400)])}, {"a": Kind.NUMERIC})
    with np.errstate(over="raise", invalid="raise"):
        text = infer_contract((ColumnSpec("a", Kind.NUMERIC),), TARGET, frame, np.zeros(400, dtype=np.int64))
    rules = parse_contract(text).columns["a"]
    assert (rules.at_least, rules.at_most) == (0, None)


def test_every_kind_gets_its_rules() -> None:
    """With the reason behind each line, and what cannot be inferred as a comment."""
    text = inferred(table(1000, 1), dropped=("gone",))
    contract = parse_contract(text)
    c = contract.columns
    assert c["age"].missing == ("?",)
    assert (c["share"].at_least, c["share"].at_most) == (0, 1)
    assert (c["visits"].whole, c["visits"].at_least) == (True, 0)
    assert c["agreed"].values is not None
    assert set(c["agreed"].values) == {True, False}
    assert (c["code"].unique, c["code"].pattern) == (True, "R[0-9]+")
    assert 0 < c["job"].exceptions < 0.05
    assert c["gone"].optional
    assert {str(rule) for rule in contract.comparisons} == {"start <= end", "price_min <= price_max"}
    dropped = (ColumnSpec("card", Kind.CONSTANT, privacy=Protection("drop")),)
    frame = Frame({"card": typed_array([None] * 100, Kind.CONSTANT)}, {"card": Kind.CONSTANT})
    personal = parse_contract(infer_contract(dropped, TARGET, frame, np.zeros(100, dtype=np.int64))).columns["card"]
    assert (personal.kind, personal.optional) == (None, True)  # nothing is known of what it holds
    assert "# newest_within" in text
    assert "# rows_at_least = 500" in text
    assert sum("#" in line for line in text.splitlines()) > 30


BREAKS: dict[str, Any] = {
    "another unit": ("amount", lambda i, x: f"{float(x) * 100:.2f}", "contract-range"),
    "decimal commas": ("amount", lambda i, x: x.replace(".", ","), "contract-kind"),
    "a marker": ("visits", lambda i, x: "9999" if i % 20 == 0 else x, "contract-range"),
    "no values": ("job", lambda i, x: None if i % 10 == 0 else x, "contract-missing"),
    "another spelling": ("job", lambda i, x: x.upper(), "contract-values"),
    "another class": ("y", lambda i, x: "maybe" if i % 30 == 0 else x, "contract-values"),
    "repeated": ("code", lambda i, x: "R000001" if i % 50 == 0 else x, "contract-unique"),
    "another form": ("code", lambda i, x: x.replace("R", "R-"), "contract-pattern"),
    "texts run together": ("note", lambda i, x: x * 40 if i == 7 else x, "contract-length"),
    "exchanged": ("end", lambda i, x: "2023-12-30" if i % 40 == 0 else x, "contract-rule"),
    "fractions": ("visits", lambda i, x: "1.5" if i == 3 else x, "contract-whole"),
    "month first": ("start", lambda i, x: f"{x[5:7]}/{x[8:]}/{x[:4]}", "contract-kind"),
}


@pytest.mark.parametrize("fault", BREAKS)
def test_rows_that_are_broken_do_not(fault: str) -> None:
    """Each fault is found in its column, by its rule."""
    column, change, rule = BREAKS[fault]
    rows = table(1000, 99)
    rows[column] = [None if x is None else change(i, x) for i, x in enumerate(rows[column])]
    found = {(b.id, b.about) for b in held(inferred(table(1000, 1)), rows).breaches}
    assert any(b == rule and (about == column or rule == "contract-rule") for b, about in found), found


def test_few_rows_say_nothing_of_what_is_usual() -> None:
    """Kinds only, and why."""
    text = inferred(table(12, 3))
    assert "too few to say" in text
    contract = parse_contract(text)
    assert contract.columns["amount"].at_most is None


def test_a_column_that_is_kept_less_an_origin_is_held_to_its_own_numbers() -> None:
    """Also where it is compared with another one."""
    columns = (ColumnSpec("n_min", Kind.NUMERIC, origin=2**60), ColumnSpec("n_max", Kind.NUMERIC, origin=2**60 + 2**48))
    values = {"n_min": np.arange(400.0), "n_max": np.arange(400.0) - 100}
    y = np.arange(400) % 2
    text = infer_contract(columns, TargetSpec("y", Task.BINARY, ("a", "b")), values, y, rows=400)
    assert 'that = "n_min <= n_max"' in text
    assert "training rows reach from 1.15292e+18 to 1.15292e+18" in text
