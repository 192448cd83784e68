"""Sources joined by key, and by key as of a time."""

from __future__ import annotations

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
    assert "2 keys stand in more than one of its rows, in 5 in all (first: a, b)" in caught.value.why
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
