"""Tables as they come: what `penstock new` says of each column, what is stored, and that a request is read like the table."""

from __future__ import annotations

import csv
import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.bundle.decoder import Decoder
from penstock.data.sources.file import read
from penstock.data.versions import load_version
from penstock.project.project import Project

Cli = Callable[..., Any]

FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%d %b %Y", "%Y/%m/%d", "%b %d, %Y")
TONGUES = ("مرحبا بالعالم", "你好，世界", "🙂👍🏽", "naïve café", "Ĉu ne?")
NOTES = ('he said "no"', "line\nbreak", "a,b;c\td", "it's '''quoted'''", "x\r\ny", '""')
ROWS = 500


def made_rows() -> list[dict[str, str]]:
    draw = random.Random(0)
    rows = []
    for i in range(ROWS):
        day = dt.datetime(2026, 1, 1) + dt.timedelta(minutes=draw.randrange(400_000))
        amount = f"{draw.uniform(1e3, 1e6):,.2f}"
        rows.append(
            {
                "mixed": draw.choice(["1", "2.5", "7", "8", "red", "true", "2026-01-02"]),
                "mostly": str(draw.randrange(1000)) if i % 40 else f"n.v. {i % 7}",
                "dates": day.strftime(FORMATS[i % 5]),
                "zones": day.isoformat() + ("Z" if i % 2 else "+02:00"),
                "half": day.isoformat() + ("Z" if i % 2 else ""),
                "euro": amount.translate(str.maketrans(",.", ".,")),
                "french": amount.replace(",", "\u202f").replace(".", ","),
                "note": f"{draw.choice(NOTES)} and {i} more words",
                "tongue": draw.choice(TONGUES),
                "long": str(2**53 + 1 + 2 * draw.randrange(40)),
                "endless": draw.choice(["inf", "-Infinity", "INF"]) if i % 9 == 0 else f"{draw.uniform(0, 5):.3f}",
                "y": draw.choice(["no", "yes"]),
            }
        )
    return rows


@dataclass(frozen=True)
class Made:
    rows: list[dict[str, str]]
    body: dict[str, Any]
    decoder: Decoder
    path: Path

    def found(self, name: str) -> tuple[str, str]:
        [column] = [column for column in self.body["columns"] if column["name"] == name]
        return column["kind"], column["why"]

    def told(self, name: str) -> str:
        return " ".join(warning for warning in self.body["warnings"] if warning.startswith(f"{name}: "))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    from tests.conftest import run_penstock

    folder = tmp_path_factory.mktemp("bad")
    path, rows = folder / "bad.csv", made_rows()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    outcome = run_penstock(folder, "new", "shop", "--data", str(path), "--target", "y")
    assert outcome.code == 0, outcome
    project = Project(folder / "shop")
    digest = project.ledger.datasets.head("shop")
    assert digest is not None
    return Made(rows, outcome.body, load_version(project.objects, digest).decoder, path)


def test_types_that_mix_are_text_and_that_is_told(made: Made) -> None:
    """With the line that reads the numbers."""
    assert made.found("mixed")[0] == made.found("mostly")[0] == "categorical"
    assert "of the values are numbers" in made.told("mixed")
    assert 'kinds.mostly = "numeric"' in made.told("mostly")
    frame, _ = made.decoder.decode_rows([{"mixed": 7}, {"mixed": "7"}, {"mixed": True}, {"mixed": "true"}])
    assert frame["mixed"].tolist() == ["7", "7", "true", "true"]


def test_dates_in_five_formats_are_all_read(made: Made) -> None:
    kind, why = made.found("dates")
    assert kind == "datetime"
    assert "ISO dates" in why
    assert all(pattern in why for pattern in FORMATS[1:])
    day = dt.datetime(2026, 3, 14, tzinfo=dt.UTC)
    frame, problems = made.decoder.decode_rows([{"dates": day.strftime(pattern)} for pattern in FORMATS])
    assert not problems
    assert frame["dates"].tolist() == [int(day.timestamp() * 1e6)] * 5


def test_two_time_zones_are_one_time(made: Made) -> None:
    """An instant without a zone beside those that have one is told."""
    assert made.found("zones")[0] == made.found("half")[0] == "datetime"
    assert made.told("zones") == ""
    assert "instants name no time zone, others do: those without are read as UTC" in made.told("half")
    frame, _ = made.decoder.decode_rows([{"zones": "2026-03-14T12:00:00Z"}, {"zones": "2026-03-14T14:00:00+02:00"}])
    assert frame["zones"][0] == frame["zones"][1]


def test_commas_and_thousands_marks_are_read_and_said(made: Made) -> None:
    for name, text in (("euro", "1.234.567,5"), ("french", "1\u202f234\u202f567,5")):
        kind, why = made.found(name)
        assert (kind, "decimal mark ','" in why, "thousands mark" in why) == ("numeric", True, True)
        frame, problems = made.decoder.decode_rows([{name: text}, {name: 1234567.5}])
        assert not problems
        assert frame[name].tolist() == [1234567.5] * 2
        _, [problem] = made.decoder.decode_rows([{name: "1.5.5"}])
        assert "is not a number" in problem.why


def test_whole_numbers_beyond_float64_keep_their_digits(made: Made) -> None:
    """They are kept less an origin, which is said."""
    kind, why = made.found("long")
    assert kind == "numeric"
    assert f"kept less {2**53}" in why
    frame, _ = made.decoder.decode_rows([{"long": 2**53 + 1}, {"long": str(2**53 + 3)}])
    assert frame["long"].tolist() == [1.0, 3.0]


def test_infinities_are_missing_and_that_is_told(made: Made) -> None:
    kind, why = made.found("endless")
    assert kind == "numeric"
    assert all(f"{text!r}" in why for text in ("inf", "-Infinity", "INF"))
    assert "are no numbers and taken for missing" in why
    frame, problems = made.decoder.decode_rows([{"endless": "inf"}, {"endless": float("inf")}])
    assert np.isnan(frame["endless"]).all()
    assert [problem.why for problem in problems] == ["inf is not a finite number"]


def test_newlines_quotes_and_all_scripts_come_through_whole(made: Made) -> None:
    assert (made.found("note")[0], made.found("tongue")[0]) == ("text", "categorical")
    batch = read(made.path)
    assert len(batch) == ROWS
    for name in ("note", "tongue"):
        column = batch.columns[name]
        assert [column.values[code] for code in column.codes] == [row[name] for row in made.rows]


def test_a_request_is_read_like_the_table(made: Made) -> None:
    """Every value of every row, bit for bit."""
    bulk, of_bulk = made.decoder.decode_columns(read(made.path).columns)
    single, of_single = made.decoder.decode_rows(made.rows)
    assert not of_bulk
    assert not of_single
    for spec in made.decoder.columns:
        assert np.array_equal(bulk[spec.name], single[spec.name], equal_nan=bulk[spec.name].dtype == np.float64)


def test_what_names_things_keeps_all_its_digits(penstock: Cli, made: Made) -> None:
    outcome = penstock(made.path.parent, "new", "kept", "--data", str(made.path), "--target", "y", "--kind", "long=categorical")  # fmt: skip
    assert outcome.code == 0, outcome
    project = Project(made.path.parent / "kept")
    decoder = load_version(project.objects, project.ledger.datasets.head("kept") or "").decoder
    frame, _ = decoder.decode_rows([{"long": 2**53 + 1}, {"long": str(2**53 + 1)}, {"long": str(2**53)}])
    assert frame["long"].tolist() == [str(2**53 + 1), str(2**53 + 1), str(2**53)]


@pytest.mark.slow
def test_a_million_categories_are_no_matter(penstock: Cli, tmp_path: Path) -> None:
    """One that nobody saw is no error in a request."""
    numbers = np.random.default_rng(0).permutation(np.append(np.arange(1_000_000), np.arange(20_000)))
    lines = [f"n{number},{'ab'[number % 2]},{i % 7}" for i, number in enumerate(numbers.tolist())]
    (tmp_path / "many.csv").write_text("\n".join(["shop,y,x", *lines]), encoding="utf-8")
    outcome = penstock(tmp_path, "new", "many", "--data", "many.csv", "--target", "y", "--kind", "shop=categorical")
    assert outcome.code == 0, outcome
    project = Project(tmp_path / "many")
    decoder = load_version(project.objects, project.ledger.datasets.head("many") or "").decoder
    frame, problems = decoder.decode_rows([{"shop": "nobody", "x": 1}])
    assert (frame["shop"].tolist(), problems) == (["nobody"], [])
