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
COMPAS = (
    "id compas_screening_date sex age age_cat race juv_fel_count decile_score juv_misd_count juv_other_count priors_count "
    "days_b_screening_arrest c_jail_in c_jail_out c_offense_date c_arrest_date c_days_from_compas c_charge_degree c_charge_desc is_recid "
    "r_charge_degree r_days_from_arrest r_offense_date r_charge_desc r_jail_in r_jail_out violent_recid is_violent_recid vr_charge_degree "
    "vr_offense_date vr_charge_desc type_of_assessment decile_score_2 score_text screening_date v_type_of_assessment v_decile_score "
    "v_score_text v_screening_date in_custody out_custody priors_count_2 start end event two_year_recid"
)  # two names come twice in the file
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
            # of calls of an earlier campaign nothing is known before the autumn of 2008; all clients were called by telephone at first
            ("standing-still", "pdays"),
            ("standing-still", "previous"),
            ("standing-still", "poutcome"),
            ("standing-still", "contact"),
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
        {("too-good-column", "rating"), ("target-copy", "rating"), ("dominant-column", "rating")},
    ),
    "compas": (
        "compas/compas-scores-two-years.csv.gz",
        "two_year_recid",
        ("--columns", COMPAS.replace(" ", ",")),
        {
            # what was written down because a person was charged again: `r_*`, `is_recid`; and when the watch over them ended: `event`, `end`
            ("too-good-column", "r_offense_date"),
            *(
                ("dominant-column", name)
                for name in ("r_offense_date", "r_charge_degree", "r_charge_desc", "is_recid", "event", "end")
            ),
            *(
                ("filled-by-outcome", f"r_{name}")
                for name in ("charge_degree", "offense_date", "charge_desc", "days_from_arrest")
            ),
            *(("filled-by-outcome", f"r_{name}") for name in ("jail_in", "jail_out")),
            *(("constant-columns", name) for name in ("violent_recid", "type_of_assessment", "v_type_of_assessment")),
            *(
                ("redundant-columns", name)
                for name in ("decile_score_2", "priors_count_2", "screening_date", "v_screening_date")
            ),
            # of those screened last, only people who were charged again are in the file, and their watch ended with that
            ("standing-still", "is_recid"),
            ("scale-jumps", "end"),
        },
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
    assert {one for one in found - expected if one[0] != "enough-rows"} == set()
    profiled = penstock(tmp_path / "shop", "data", "profile")
    assert profiled.code == 0, profiled
    assert (tmp_path / "shop" / profiled.body["page"]).stat().st_size > 10_000
