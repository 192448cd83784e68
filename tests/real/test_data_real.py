"""Public data sets come out as a person who knows them would describe them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from penstock.bundle.decoder import Kind
from penstock.bundle.kinds import Task
from penstock.data.ingest import ingest
from penstock.data.privacy.applying import Decisions
from penstock.data.profile import profile
from penstock.data.result import IngestResult
from penstock.data.sources.file import FileSource
from penstock.data.versions import load_part
from penstock.errors import SourceError
from penstock.ledger.ledger import Ledger
from penstock.objects.local import LocalStore
from penstock.objects.tabular import DEFAULTS, ReadOptions, detect

DATA = Path(os.environ.get("PENSTOCK_DATA", Path(__file__).parents[3] / "shared" / "data"))

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not here: set PENSTOCK_DATA to their folder"),
]


@dataclass(frozen=True)
class Known:
    """What is known of a data set. `kinds`: of the columns named; `others`: the kind of all that are not."""

    file: str
    target: str
    rows: int
    task: Task
    classes: int = 0
    how: dict[str, Any] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)
    others: Kind | None = None
    missing: dict[str, str] = field(default_factory=dict)
    warned: tuple[str, ...] = ()


def kinds(**names: str) -> dict[str, Kind]:
    return {name: Kind(kind) for kind, listed in names.items() for name in listed.split()}


NO_HEADER = {"options": ReadOptions(header=False)}
SETS = {
    "bank": Known(
        "bank_marketing/bank-additional-full.csv.gz", "y", 41_188, Task.BINARY, 2,
        kinds=kinds(
            categorical="job marital education month day_of_week poutcome",
            binary="default housing loan contact",
            numeric="age duration campaign pdays previous emp.var.rate cons.price.idx cons.conf.idx euribor3m nr.employed",
        ),
        missing=dict.fromkeys(["job", "marital", "education", "default", "housing", "loan"], "unknown"),
        warned=("pdays",),
    ),
    "adult": Known(
        "adult/adult.csv.gz", "income", 48_842, Task.BINARY, 2,
        kinds=kinds(
            numeric="age fnlwgt educational-num capital-gain capital-loss hours-per-week", binary="gender",
            categorical="workclass education marital-status occupation relationship race native-country",
        ),
        missing=dict.fromkeys(["workclass", "occupation", "native-country"], "?"),
        warned=("capital-gain",),
    ),
    "housing": Known(
        "california_housing/housing.csv.gz", "median_house_value", 20_640, Task.REGRESSION,
        kinds={"ocean_proximity": Kind.CATEGORICAL}, others=Kind.NUMERIC,
    ),
    "titanic": Known(
        "titanic/titanic.csv", "Survived", 891, Task.BINARY, 2,
        kinds=kinds(
            identifier="PassengerId", text="Name", binary="Sex", numeric="Pclass Age SibSp Parch Fare",
            categorical="Ticket Cabin Embarked",
        ),
    ),
    "german": Known(
        "german_credit/german.csv", "c21", 1000, Task.BINARY, 2, how=NO_HEADER,
        kinds=kinds(numeric="c2 c5 c8 c11 c13 c16", binary="c18 c19 c20"), others=Kind.CATEGORICAL,
    ),
    "elec2": Known("elec2/elec.csv.gz", "class", 45_312, Task.BINARY, 2, others=Kind.NUMERIC),
    "sms": Known("sms_spam/SMSSpamCollection.tsv", "c1", 5574, Task.BINARY, 2, how=NO_HEADER, others=Kind.TEXT),
    "imdb": Known(
        "imdb_reviews/imdb_25k.csv.gz", "label", 25_000, Task.BINARY, 2,
        kinds=kinds(binary="split", identifier="id", numeric="rating", text="text"),
    ),
}  # fmt: skip


@pytest.fixture
def read(tmp_path: Path) -> Any:
    objects = LocalStore(tmp_path / "objects")

    def run(file: str, target: str, **how: Any) -> tuple[LocalStore, IngestResult]:
        with Ledger.open(tmp_path / "ledger.db", objects) as ledger:
            source = FileSource(DATA / file, how.pop("options", DEFAULTS))
            kept = Decisions(
                {}, kept=tuple(source.names)
            )  # texts of these sets hold addresses; here they are read as they are
            return objects, ingest(ledger, objects, source=source, target=target, privacy=kept, **how)

    return run


@pytest.mark.parametrize("name", SETS)
def test_a_public_data_set_is_read_as_it_is_known(read: Any, name: str) -> None:
    """Rows, task, classes, kinds, missing markers and the warnings that it deserves."""
    known = SETS[name]
    objects, result = read(known.file, known.target, **known.how)
    assert sum(result.version.rows.values()) == known.rows
    assert abs(result.rows["test"] / known.rows - 0.2) < 0.01
    assert (result.task, len(result.version.target.classes)) == (known.task, known.classes)
    for finding in result.columns:
        assert finding.kind == known.kinds.get(finding.name, known.others), (finding.name, finding.why)
        marker = known.missing.get(finding.name)
        assert result.version.decoder.spec(finding.name).missing == ((marker,) if marker else ())
    assert {finding.name for finding in result.columns if finding.warnings} >= set(known.warned)
    frame, y = load_part(objects, result.version, "train")
    assert profile(frame, y, result.version.target).rows == result.rows["train"]


def test_covertype_has_seven_classes_and_flags(read: Any) -> None:
    """44 columns of 0 and 1, of which rare ones may be constant among the training rows."""
    _, result = read("covertype_sample/covtype.csv.gz", "Cover_Type")
    assert (result.task, result.version.target.classes) == (Task.MULTICLASS, (1, 2, 3, 4, 5, 6, 7))
    numeric = [finding.name for finding in result.columns if finding.kind is Kind.NUMERIC]
    assert len(numeric) == 10
    assert all("Type" in f.name or "Wilderness" in f.name for f in result.columns if f.kind is not Kind.NUMERIC)


def test_kddcup99_is_read_in_full(read: Any) -> None:
    """Half a million rows, most of them repeated, and classes of a handful."""
    _, result = read("kddcup99/kddcup.data_10_percent.gz", "c42", options=ReadOptions(header=False))
    assert sum(result.version.rows.values()) == 494_021
    assert result.task is Task.MULTICLASS
    found = {finding.name: finding.kind for finding in result.columns}
    assert [name for name, kind in found.items() if kind is Kind.CATEGORICAL] == ["c2", "c3", "c4"]
    assert [found[name] for name in ("c7", "c12", "c22")] == [Kind.BINARY] * 3
    assert all(rows > 50_000 for rows in result.rows.values())


def test_compas_names_two_columns_alike_and_says_how_to_go_on(read: Any) -> None:
    """The way out is a list of names to paste, and it works."""
    file = DATA / "compas" / "compas-scores-two-years.csv.gz"
    with pytest.raises(SourceError, match="'decile_score' is column 8 and 33") as caught:
        detect(file)
    names = tuple(caught.value.way_out.split("'")[1].split(","))
    _, result = read(str(file), "two_year_recid", options=ReadOptions(columns=names))
    found = {finding.name: finding.kind for finding in result.columns}
    assert found["id"] is Kind.IDENTIFIER
    assert found["c_jail_in"] is found["screening_date"] is Kind.DATETIME
    assert found["sex"] is found["is_recid"] is Kind.BINARY
    assert found["race"] is found["c_charge_desc"] is Kind.CATEGORICAL
    assert found["violent_recid"] is found["type_of_assessment"] is Kind.CONSTANT
    assert found["decile_score_2"] is found["priors_count"] is Kind.NUMERIC
