"""Which columns are personal, and how that is told."""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.bundle.specs import EncodedColumn
from penstock.data.privacy.applying import masks
from penstock.data.privacy.detect import detect, detect_column
from penstock.data.privacy.judging import nats, shuffled
from penstock.objects.tabular import ReadOptions


def luhn(digits: str) -> str:
    total = sum(sum(divmod(int(d) * (2 - i % 2), 10)) for i, d in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def cards(n: int, seed: int = 0) -> list[str]:
    dice = random.Random(seed)
    return [luhn("4" + "".join(dice.choices("0123456789", k=14))) for _ in range(n)]


def test_a_column_of_cards_is_told_from_one_of_ids_of_the_same_form() -> None:
    """The check digits make the difference, and chance is measured on the column's own form."""
    found = detect_column("x", cards(100))
    assert found is not None
    assert (found.kind, found.confidence, found.action) == ("card", "high", "drop")
    assert 0.05 < found.evidence[0].chance < 0.2
    dice = random.Random(1)
    ids = ["4" + "".join(dice.choices("0123456789", k=15)) for _ in range(500)]
    assert detect_column("x", ids) is None


def test_numbers_in_groups_are_values_and_no_texts() -> None:
    """Cards, accounts and telephone numbers are mostly written with spaces; notes of few words in which such stand are texts still."""
    grouped = [" ".join(card[i : i + 4] for i in range(0, 16, 4)) for card in cards(100)]
    found = detect_column("x", grouped)
    assert found is not None
    assert (found.kind, found.confidence, found.action) == ("card", "high", "drop")
    accounts = [f"DE{98 - int(f'{n:018d}131400') % 97:02d} {n // 10**14:04d} {n // 10**10 % 10**4:04d} {n // 10**6 % 10**4:04d} {n // 100 % 10**4:04d} {n % 100:02d}" for n in range(10**17, 10**17 + 90 * 7919, 7919)]  # fmt: skip
    found = detect_column("x", accounts)
    assert found is not None
    assert (found.kind, found.confidence, found.action) == ("iban", "high", "hash")
    found = detect_column("x", [f"+49 30 9{i:07d}" for i in range(100)])
    assert found is not None
    assert (found.kind, found.confidence, found.action) == ("phone", "high", "hash")
    found = detect_column("x", [*grouped[:40], *(f"see {i} of {i + 1}" for i in range(60))])
    assert found is not None
    assert (found.kind, found.action) == ("card", "mask:hits")


@given(seed=st.integers(0, 10**6), length=st.integers(5, 18), step=st.sampled_from([0, 1, 7, 10, 11, 97, 1000]))
@settings(max_examples=60, deadline=None)
def test_columns_of_whole_numbers_are_no_personal_data(seed: int, length: int, step: int) -> None:
    """Random ids, and ids that count in any step."""
    dice = random.Random(seed)
    low = 10 ** (length - 1)
    start = dice.randrange(low, 5 * low)
    values = [str(start + i * step) if step else str(dice.randrange(low, 10 * low)) for i in range(80)]
    assert detect_column("id", values) is None


def test_a_name_alone_is_a_hint_that_proves_nothing() -> None:
    """Low confidence; what is named otherwise is not even that."""
    names = ["Ada Lovelace", "Grace Hopper", "Alan Turing", "Kurt Gödel"]
    found = detect_column("customer_name", names)
    assert found is not None
    assert (found.kind, found.confidence, found.is_sure) == ("person_name", "low", False)
    assert detect_column("product_name", names) is None
    assert detect_column("email", ["yes", "no"]) is None


def test_hits_inside_texts_are_found_and_masked() -> None:
    """However few, where the form leaves no doubt."""
    texts = [f"please look at order {i} once more, thank you" for i in range(2000)]
    for i in (10, 500, 1500):
        texts[i] += f", or write to person{i}@example.org"
    found = detect_column("note", texts)
    assert found is not None
    assert (found.kind, found.action, found.evidence[0].inside) == ("email", "mask:hits", True)
    assert found.evidence[0].share == pytest.approx(3 / 2000)


def test_a_column_of_mixed_contacts_is_found() -> None:
    """Some are e-mail addresses, the others are not."""
    values = [f"user{i}@example.org" for i in range(20)] + [f"door {i}" for i in range(80)]
    found = detect_column("contact", values)
    assert found is not None
    assert (found.kind, found.confidence, found.action) == ("email", "medium", "mask:hits")


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("released_at", [f"{1950 + i % 50}-0{1 + i % 9}-1{i % 9}" for i in range(60)], None),
        ("d", [f"{1950 + i % 50}-0{1 + i % 9}-1{i % 9}" for i in range(60)], "date_of_birth"),
        ("d", [f"2024-0{1 + i % 9}-1{i % 9}" for i in range(60)], None),
        ("date_of_birth", ["1984-07-21", "1990-01-02"], "date_of_birth"),
        ("patientDOB", ["07/21/1984", "01/02/1990"], "date_of_birth"),
        ("version", ["1.2.3.4", "10.0.19041.1"], None),
        ("client_ip", ["10.0.0.4", "10.0.0.5"], "ip"),
        ("lat", [f"52.51{i:03}" for i in range(50)], "geo"),
        ("how_long", [f"{i}" for i in range(50)], "geo"),
        ("time", [f"12:{i:02}:30" for i in range(50)], None),
    ],
)
def test_names_and_forms_are_weighed_together(name: str, values: list[str], kind: str | None) -> None:
    """A date is one of birth by its column's name or by the ages; four numbers are a version or an address."""
    found = detect_column(name, values)
    if name == "how_long":
        assert found is None or not found.is_sure
        return
    assert (found.kind if found else None) == kind


def test_a_recogniser_can_be_turned_off() -> None:
    """By its name."""
    values = [f"user{i}@example.org" for i in range(9)]
    assert detect_column("x", values, off=("email",)) is None


def test_evidence_never_quotes_a_value() -> None:
    """It is printed, stored and shown."""
    values = [f"user{i}@example.org" for i in range(9)]
    (found,) = detect({"x": EncodedColumn.of(values), "n": EncodedColumn.of(["1", "2", None])})
    assert not any(value in str(found.to_json()) for value in values)


@given(share=st.floats(0, 1), chance=st.floats(0, 1), n=st.integers(0, 1000))
def test_evidence_is_never_below_nothing(share: float, chance: float, n: int) -> None:
    """And more rows of the same share are more evidence."""
    assert 0 <= nats(share, chance, n) <= nats(share, chance, 2 * n)


@given(st.lists(st.text(max_size=20), max_size=20))
def test_shuffled_values_have_the_same_form(values: list[str]) -> None:
    """The same digits, each at a digit's place."""
    for before, after in zip(values, shuffled(values), strict=True):
        assert sorted(before) == sorted(after)
        assert [c.isascii() and c.isdigit() for c in before] == [c.isascii() and c.isdigit() for c in after]


@given(name=st.text(max_size=20), values=st.lists(st.text(max_size=60), max_size=30))
@settings(max_examples=50, deadline=None)
def test_whatever_stands_in_a_column_is_judged(name: str, values: list[str]) -> None:
    """No value is too odd."""
    found = detect_column(name, values)
    assert found is None or found.evidence


DATA = Path(os.environ.get("PENSTOCK_DATA", Path(__file__).parents[4] / "shared" / "data"))
ABSENT = pytest.mark.skipif(
    not DATA.is_dir(), reason="the real data sets are not here: set PENSTOCK_DATA to their folder"
)

REAL = {  # what is found in each set that is there, and that is so
    "adult/adult.csv.gz": [],
    "bank_marketing/bank-additional-full.csv.gz": [],
    "covertype_sample/covtype.csv.gz": [],
    "elec2/elec.csv.gz": [],
    "titanic/titanic.csv": [("Name", "person_name", "low")],
    "california_housing/housing.csv.gz": [("longitude", "geo", "low"), ("latitude", "geo", "low")],
}


@pytest.mark.real
@ABSENT
@pytest.mark.parametrize("name", REAL)
def test_nothing_is_found_where_nothing_is(name: str) -> None:
    """Real columns of ids, amounts, codes and measures stop no run."""
    from penstock.data.sources.file import read

    table = read(DATA / name, ReadOptions())
    assert [(c.name, c.kind, c.confidence) for c in detect(table.columns)] == REAL[name]


@pytest.mark.real
@ABSENT
def test_nothing_is_found_in_a_court_s_file_without_names() -> None:
    """COMPAS, in the copy without names and dates of birth, holds dozens of dates, scores and ids of cases."""
    with gzip.open(DATA / "compas" / "compas-scores-two-years.csv.gz", "rt", encoding="utf-8") as file:
        names, *rows = list(csv.reader(file))
    assert [n for i, n in enumerate(names) if detect_column(n, {row[i] for row in rows})] == []


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Tel.0301234567", "Tel.[phone]"),
        ("0301234567,0307654321", "[phone],[phone]"),
        ("+49\u00a030\u00a0901820", "[phone]"),
        ("0049\u201330\u2013901820 or 030\u2212901820", "[phone] or [phone]"),
        ("0301234567x2", "[phone]x2"),
        ("DE89-3704-0044-0532-0130-00", "[iban]"),
        ("DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000", "[iban]"),
        ("4111\u20131111\u20131111\u20131111", "[card]"),
        ("54362315K", "[es_dni]"),
        ("030 - 901820, (030) - 90 18 20 or 030 -- 901820", "[phone], [phone] or [phone]"),
        ("+49 (0)171 / 1234567", "[phone]"),
        ("\uff10\uff13\uff10 \uff19\uff10\uff11\uff18\uff12\uff10", "[phone]"),
        ("\u0660\u0663\u0660 \u0669\u0660\u0661\u0668\u0662\u0660", "[phone]"),
        ("4111.1111.1111.1111", "[card]"),
        ("DE89.3704.0044.0532.0130.00", "[iban]"),
        ("born on 21.07.1984, opened on 21.07.1984", "[birth_in_text], opened on 21.07.1984"),
        (
            "from 12.03.2024 - 14.03.2024, 2024-03-12 - 2024-03-14",
            "from 12.03.2024 - 14.03.2024, 2024-03-12 - 2024-03-14",
        ),
        ("12.5,13.25 and 1,234,567.89 on 2024-03-12", "12.5,13.25 and 1,234,567.89 on 2024-03-12"),
    ],
)
def test_numbers_are_masked_however_they_are_set(text: str, masked: str) -> None:
    """Beside letters, dots and commas, with the spaces and dashes of word processors; amounts and dates are no telephone numbers."""
    for mask in masks():
        if re.search(mask.needs, text):
            text = re.sub(mask.pattern, f"[{mask.tag}]", text)
    assert text == masked


IBANS = [f"DE{98 - int(f'37040044{i:010d}131400') % 97:02d}37040044{i:010d}" for i in range(300)]


@pytest.mark.parametrize(
    ("values", "kind", "action"),
    [
        ([f"ada{i}@mail.example.org;bob{i}@mail.example.org" for i in range(200)], "email", "mask:hits"),
        ([json.dumps({"email": f"ada{i}@mail.example.org"}) for i in range(200)], "email", "mask:hits"),
        ([f"mailto:ada{i}@mail.example.org" for i in range(200)], "email", "mask:hits"),
        ([f"tel:+44 20 7946 {i:04d}" for i in range(200)], "phone", "mask:hits"),
        ([f"203.0.{i % 200}.{i}:443" for i in range(200)], "ip", "network"),
        ([*IBANS, *(f"order {i}" for i in range(1200))], "iban", "mask:hits"),
        ([f"Patient {i}, born on {1 + i % 28:02d}.07.{1930 + i % 70}, seen again" for i in range(200)], "birth_in_text", "mask:hits"),
    ],
    ids=["a list", "JSON", "a link", "a link to call", "a port", "some of many", "a sentence"],
)  # fmt: skip
def test_what_stands_inside_short_values_is_found(values: list[str], kind: str, action: str) -> None:
    """Structured values are no texts of several words, and hold as much."""
    found = detect_column("x", values)
    assert found is not None
    assert (found.kind, found.action, found.is_sure) == (kind, action, True)


@pytest.mark.parametrize(
    "values",
    [
        [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d} {i % 24:02d}:{i % 60:02d}:07" for i in range(500)],
        [f"AB/{100 + i}:{2000 + i}-{i:03d}" for i in range(500)],
        [f"1.{i % 30}.{i}:amd64" for i in range(500)],
        [f"({i / 7:.2f}, {i / 3:.2f})" for i in range(500)],
        [str(4_111_000_000_000_000 + 9_973 * i) for i in range(1000)],
        [f"$ {1000 + 37 * i:,}.00" for i in range(500)],
        [f"https://shop.example.org/item/{10_000_000 + 7 * i}?page={i}" for i in range(500)],
    ],
    ids=["instants", "codes", "versions", "points", "numbers of cards' length", "prices", "links"],
)
def test_ordinary_structured_values_are_left_alone(values: list[str]) -> None:
    """Punctuation alone makes nothing personal."""
    assert detect_column("x", values) is None
