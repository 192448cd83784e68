"""Sources joined by key, and by key as of a time."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.data.source import Source
from penstock.data.sources.joined import AsOf, Join, JoinedSource
from penstock.errors import DeclarationError, SchemaMismatch, SourceError
from penstock.testing.source import SourceContract, rows_of

if TYPE_CHECKING:
    from tests.data.sources.conftest import Place


def joined(place: Place, main: str, other: str, on: str = "k", **how: Any) -> JoinedSource:
    """Two CSV texts, joined."""
    place.write("main.csv", main)
    place.write("other.csv", other)
    return JoinedSource(place.open("main.csv"), [Join(place.open("other.csv"), "other.csv", (on,), (on,), **how)])


class TestJoined(SourceContract):
    """By key, as of a time."""

    @pytest.fixture
    def source(self, place: Place) -> Source:
        main = "k,day,y\n" + "".join(f"{i % 4},2024-01-{i + 1:02},{i}\n" for i in range(25))
        other = "k,at,v\n" + "".join(f"{i % 3},2024-01-{i * 2 + 1:02},v{i}\n" for i in range(12))
        return joined(place, main, other, as_of=AsOf("day", "at"))

    @pytest.fixture
    def other(self, place: Place, source: Source) -> Source:
        place.write("rows.csv", "k,y\n" + "1,2\n" * 25)
        place.write("more.csv", "k,v\n1,a\n")
        return JoinedSource(place.open("rows.csv"), [Join(place.open("more.csv"), "more.csv", ("k",), ("k",))])


def test_values_stand_beside_their_key_and_nothing_moves(place: Place) -> None:
    """In the order of the rows; unknown and missing keys have none, which is told; numbers are known in any spelling."""
    source = joined(place, "k,y\nb,1\n,2\n1.0,3\nb,4\nz,5\n", "k,v,w\n1,one,x\nb,bee,\n,none,x\n", prefix="o_")
    assert source.names == ("k", "y", "o_v", "o_w")
    assert rows_of(source.batches(2)) == [
        ("b", "1", "bee", None),
        (None, "2", None, None),
        ("1.0", "3", "one", "x"),
        ("b", "4", "bee", None),
        ("z", "5", None, None),
    ]
    assert source.warnings == (
        "1 rows of other.csv have no key and are not joined",
        "2 of 5 rows (40.0%) have none in other.csv: its columns are missing there",
    )


def test_a_join_that_would_multiply_rows_is_refused_with_counts_and_keys(place: Place) -> None:
    """The way out is a time or a finer key."""
    source = joined(place, "k,y\na,1\n", "k,v\na,1\na,2\nb,1\nc,1\nb,2\na,3\n")
    with pytest.raises(SourceError, match="would multiply rows") as caught:
        rows_of(source.batches())
    assert "2 keys stand in more than one of its rows, in 5 in all" in caught.value.why
    assert caught.value.seen == "a, b"
    assert "as_of" in caught.value.way_out


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        (AsOf("day", "at"), [None, "a", "b", "b"]),
        (AsOf("day", "at", strict=True), [None, None, "a", "b"]),
        (AsOf("day", "at", max_age_us=2 * 86400e6), [None, "a", "b", None]),
    ],
)
def test_no_row_knows_its_future(place: Place, as_of: AsOf, expected: list[str | None]) -> None:
    """The newest that was known: of the same time or older only, and not too old, as asked."""
    main = "k,day,y\n1,2024-01-01,0\n1,2024-01-02,0\n1,2024-01-05,0\n1,2024-01-09,0\n"
    source = joined(place, main, "k,at,v\n1,2024-01-05,b\n1,2024-01-02,a\n2,2024-01-01,z\n", as_of=as_of)
    assert [row[-1] for row in rows_of(source.batches())] == expected


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    left=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), min_size=1, max_size=30),
    right=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), min_size=1, max_size=30, unique=True),
    strict=st.booleans(),
    age=st.none() | st.integers(0, 6),
)
def test_as_of_is_what_a_plain_search_finds(
    place: Place, left: list[tuple[int, int]], right: list[tuple[int, int]], strict: bool, age: int | None
) -> None:
    """Held against a loop over all pairs of rows, with dates."""
    start = date(2024, 1, 1)

    def day(n: int) -> str:
        return (start + timedelta(days=n)).isoformat()

    def found(key: int, now: int) -> str | None:
        known = [
            (then, i)
            for i, (k, then) in enumerate(right)
            if k == key and (then < now if strict else then <= now) and (age is None or now - then <= age)
        ]
        return f"v{max(known)[1]}" if known else None

    expected = [found(k, t) for k, t in left]
    source = joined(
        place,
        "k,day\n" + "".join(f"{k},{day(t)}\n" for k, t in left),
        "k,at,v\n" + "".join(f"{k},{day(t)},v{i}\n" for i, (k, t) in enumerate(right)),
        as_of=AsOf("day", "at", strict, None if age is None else age * 86400e6),
    )
    if not any(expected):
        with pytest.raises(SourceError, match="no row has one"):
            rows_of(source.batches(7))
        return
    assert [row[-1] for row in rows_of(source.batches(7))] == expected


DAYS = [date(2025, 1, 1) + timedelta(days=n) for n in range(365)]
FIRSTS = [date(year, month, 1) for year in (2024, 2025) for month in range(1, 13)]


def of_days(place: Place, left: list[str], right: list[str], truth: list[date], **as_of: Any) -> JoinedSource:
    """Rows of a day each, with a table of days that says in plain words which ones they are."""
    return joined(
        place,
        "k,asked\n" + "".join(f"1,{day}\n" for day in left),
        "k,known,truth\n" + "".join(f"1,{day},{true.isoformat()}\n" for day, true in zip(right, truth, strict=True)),
        as_of=AsOf("asked", "known", **as_of),
    )


@pytest.mark.parametrize("separator", ["/", "."])
@pytest.mark.parametrize(
    "truth", [FIRSTS, FIRSTS[12:], random.Random(1).sample(FIRSTS, 24)], ids=["years", "year", "mixed"]
)
def test_a_monthly_table_is_read_as_the_rows_are_written(place: Place, separator: str, truth: list[date]) -> None:
    """Every date in it is one both ways; read the other way, it would be the first days of January."""
    form = f"%d{separator}%m{separator}%Y"
    source = of_days(place, [day.strftime(form) for day in DAYS], [day.strftime(form) for day in truth], truth)
    assert [row[-1] for row in rows_of(source.batches())] == [day.replace(day=1).isoformat() for day in DAYS]
    assert source.warnings == (
        "every time in 'known' of other.csv is a date both ways; it is read in the order that 'asked' of the rows is written "
        f"in: {form}",
    )


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("%d/%m/%Y", "%m/%d/%Y"),  # the rows say day first; the table would then be 1 to 12 January
        ("%Y-%m-%d", "%d/%m/%Y"),  # the rows say nothing about it
    ],
)
def test_where_day_and_month_cannot_be_told_apart_the_user_is_asked(place: Place, left: str, right: str) -> None:
    """With what to write; then it is as it is written."""
    texts = [day.strftime(left) for day in DAYS], [day.strftime(right) for day in FIRSTS]
    with pytest.raises(SchemaMismatch, match="cannot be told apart") as caught:
        rows_of(of_days(place, *texts, FIRSTS).batches())
    assert f'right_formats = ["{right}"]' in caught.value.way_out
    source = of_days(place, *texts, FIRSTS, right_formats=(right,))
    assert [row[-1] for row in rows_of(source.batches())] == [day.replace(day=1).isoformat() for day in DAYS]
    assert source.warnings == ()


def test_dates_that_are_written_both_ways_in_one_column_are_refused(place: Place) -> None:
    """Of those that can be read both ways nobody knows which they are."""
    mixed = ["25/01/2025", "01/25/2025", "02/03/2025"]
    with pytest.raises(SchemaMismatch, match="cannot be told apart"):
        rows_of(of_days(place, [day.strftime("%d/%m/%Y") for day in DAYS], mixed, DAYS[:3]).batches())


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    left=st.lists(st.sampled_from(DAYS), min_size=1, max_size=20),
    right=st.lists(st.sampled_from(DAYS), min_size=1, max_size=20, unique=True),
    forms=st.tuples(*[st.sampled_from(["%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d"])] * 2),
)
def test_however_dates_are_written_no_row_knows_its_future(
    place: Place, left: list[date], right: list[date], forms: tuple[str, str]
) -> None:
    """Either it is refused, or each row has what was known on its day; one way of writing on both sides."""
    form = forms[0] if "-" not in "".join(forms) else None
    texts = [day.strftime(form or forms[0]) for day in left], [day.strftime(form or forms[1]) for day in right]
    try:
        rows = rows_of(of_days(place, *texts, right).batches())
    except (SchemaMismatch, SourceError):
        return
    assert [row[-1] for row in rows] == [
        max((then for then in right if then <= day), default=None) and max(t for t in right if t <= day).isoformat()
        for day in left
    ]


@pytest.mark.parametrize(
    ("texts", "whose"),
    [
        ((["2025-07-01T12:00:00Z"], ["2025-07-01T09:00:00"]), "1 instants in 'known' of other.csv"),
        ((["2025-07-01 12:00:00"], ["2025-07-01T09:00:00+02:00"]), "1 instants in 'asked' of the rows"),
    ],
)
def test_instants_without_a_time_zone_beside_those_that_have_one_are_refused(
    place: Place, texts: tuple[list[str], list[str]], whose: str
) -> None:
    """They were read as UTC with a warning: a quarter of some rows knew their own future."""
    with pytest.raises(SchemaMismatch, match=f"{whose} name no time zone") as error:
        rows_of(of_days(place, *texts, DAYS[:1]).batches())
    assert 'timezone = "UTC"' in error.value.way_out


def test_instants_without_a_time_zone_are_read_in_the_one_that_is_said(place: Place) -> None:
    """Then nothing is left to tell."""
    texts = ["2025-07-01T12:00:00Z"], ["2025-07-01T09:00:00"]
    told = of_days(place, *texts, DAYS[:1], timezone="Europe/Berlin")
    assert [row[-1] for row in rows_of(told.batches())] == ["2025-01-01"]
    assert told.warnings == ()
    with pytest.raises(SourceError, match="no row has one"):  # 09:00 in New York is 13:00 UTC
        rows_of(of_days(place, *texts, DAYS[:1], timezone="America/New_York").batches())


def test_several_columns_of_a_key_and_several_joins(place: Place) -> None:
    """A later join may use what an earlier one brought."""
    place.write("m.csv", "a,b,y\n1,2,0\n1,3,1\n")
    place.write("x.csv", "p,q,shop\n1,2,s1\n1,3,s2\n2,2,s3\n")
    place.write("z.csv", "shop,town\ns2,Faro\ns1,Beja\n")
    joins = [
        Join(place.open("x.csv"), "x.csv", ("a", "b"), ("p", "q")),
        Join(place.open("z.csv"), "z.csv", ("shop",), ("shop",), ("town",)),
    ]
    source = JoinedSource(place.open("m.csv"), joins)
    assert rows_of(source.batches()) == [("1", "2", "0", "s1", "Beja"), ("1", "3", "1", "s2", "Faro")]


def test_a_key_of_many_columns_finds_its_own_row(place: Place) -> None:
    """Also where the product of the different values of its columns is more than 64 bits hold."""
    names = ("a", "b", "c", "d", "e")
    keys = [",".join(str((n * prime) % 8009) for prime in (1, 3, 5, 7, 11)) for n in range(8009)]
    place.write("m.csv", "a,b,c,d,e,y\n" + "".join(f"{key},{n}\n" for n, key in enumerate(keys)))
    place.write("o.csv", "a,b,c,d,e,v\n" + "".join(f"{key},{n}\n" for n, key in reversed(list(enumerate(keys)))))
    source = JoinedSource(place.open("m.csv"), [Join(place.open("o.csv"), "o.csv", names, names)])
    assert [row[-1] for row in rows_of(source.batches())] == [str(n) for n in range(8009)]
    assert source.warnings == ()


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"on": "q"}, DeclarationError, "no column 'q'"),
        ({"columns": ("w",)}, DeclarationError, "no column 'w'"),
        ({"columns": ("v",), "prefix": "day"}, SourceError, "has a name that is taken"),
        ({"as_of": AsOf("day", "v")}, SchemaMismatch, "'v' is no time"),
        ({"as_of": AsOf("day", "n")}, SchemaMismatch, "cannot be compared"),
        ({"as_of": AsOf("never", "at")}, DeclarationError, "no column 'never'"),
    ],
)
def test_what_does_not_fit_is_told(place: Place, how: dict[str, Any], error: type[Exception], words: str) -> None:
    """By name, before rows are made of it."""
    with pytest.raises(error) as caught:
        rows_of(
            joined(
                place, "k,day,dayv\n1,2024-01-01,0\n", "k,at,v,n\n1,2024-01-01,a,5\n1,2024-01-02,b,6\n", **how
            ).batches()
        )
    assert words in str(caught.value)


def test_a_join_that_finds_nothing_is_refused(place: Place) -> None:
    """Columns that are missing everywhere are mostly a wrong key."""
    with pytest.raises(SourceError, match=r"no row has one in other\.csv"):
        rows_of(joined(place, "k,y\n1,2\n", "k,v\nA1,x\n").batches())
