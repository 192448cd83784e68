"""The checks of the data find in public data sets what is known to be wrong with them, and little else."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DATA = Path(os.environ.get("PENSTOCK_DATA", Path(__file__).parents[3] / "shared" / "data"))

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not here: set PENSTOCK_DATA to their folder"),
]

NO_HEADER = ("--no-header", "--quote", "none")
KNOWN: dict[str, tuple[str, str, tuple[str, ...], set[tuple[str, str | None]]]] = {
    "bank": (
        "bank_marketing/bank-additional-full.csv.gz",
        "y",
        (),
        # rows are in the order of time; the economic figures stand for the month
        {
            ("identifier-leak", None),
            ("dominant-column", "duration"),  # known only after the call
            ("redundant-columns", "cons.conf.idx"),
            ("scale-jumps", "emp.var.rate"),
            ("scale-jumps", "euribor3m"),
        },
    ),
    "adult": ("adult/adult.csv.gz", "income", (), {("redundant-columns", "educational-num")}),
    "housing": (
        "california_housing/housing.csv.gz",
        "median_house_value",
        (),
        {("identifier-leak", None)},  # rows are in geographic order
    ),
    "titanic": ("titanic/titanic.csv", "Survived", (), set()),
    "elec2": (
        "elec2/elec.csv.gz",
        "class",
        (),
        {("standing-still", "vicprice"), ("standing-still", "vicdemand"), ("standing-still", "transfer")},
    ),
    "sms": (
        "sms_spam/SMSSpamCollection.tsv",
        "c1",
        NO_HEADER,
        {("duplicate-rows", None), ("near-duplicate-texts", "c2")},
    ),
    "imdb": (
        "imdb_reviews/imdb_25k.csv.gz",
        "label",
        (),
        {("too-good-column", "rating"), ("target-copy", "rating")},
    ),
}


def keep_and_read_again(project: Path) -> None:
    """Decide to keep what was found to be personal; the data set is made anew, and nothing is learned from it."""
    from penstock.lifecycle.ingest import current_dataset
    from penstock.lifecycle.stages import Context, Stages
    from penstock.project.project import Project

    declaration = project / "penstock.toml"
    declaration.write_text(
        re.sub(r'"undecided:[^"]*"', '"keep: public texts"', declaration.read_text("utf-8")), "utf-8"
    )
    with Stages(Context(Project(project)), "run") as stages:
        current_dataset(stages)


@pytest.mark.slow
@pytest.mark.parametrize("name", KNOWN)
def test_what_is_known_to_be_wrong_is_found(penstock: Callable[..., Any], tmp_path: Path, name: str) -> None:
    """All of it; beside it, at most that more rows would help."""
    file, target, options, expected = KNOWN[name]
    made = penstock(tmp_path, "new", "shop", "--data", str(DATA / file), "--target", target, *options)
    assert made.code == 0, made
    if made.body["personal"]:  # telephone numbers in messages: these texts are public
        keep_and_read_again(tmp_path / "shop")
    done = penstock(tmp_path / "shop", "data", "quality")
    found = {(f["id"], f["about"]) for f in done.body["findings"] if f["failed"]}
    assert expected <= found
    assert {check for check, _ in found - expected} <= {"enough-rows"}
    profiled = penstock(tmp_path / "shop", "data", "profile")
    assert profiled.code == 0, profiled
    assert (tmp_path / "shop" / profiled.body["page"]).stat().st_size > 10_000
