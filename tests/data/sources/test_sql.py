"""Databases as sources: SQLite, and a real PostgreSQL server where its programs are installed."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from tests.ledger.conftest import postgres  # noqa: F401 - a fixture

from penstock.data.source import Source
from penstock.data.sources.databases import _QUOTED
from penstock.data.sources.kind import NotFetched
from penstock.errors import DeclarationError, SourceError
from penstock.testing.source import SourceContract, rows_of

if TYPE_CHECKING:
    from tests.data.sources.conftest import Place

Run = Callable[..., None]


@pytest.fixture
def shop(place: Place) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(place.root / "shop.db")
    connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT, amount REAL, at TEXT)")
    add(connection, range(30))
    yield connection
    connection.close()


def add(connection: sqlite3.Connection, ids: range, note: str = "n") -> None:
    rows = [(i, None if i % 5 == 0 else f"{note}é{i % 3}", i + 0.5, f"2024-01-{i % 28 + 1:02}") for i in ids]
    connection.executemany("INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?)", rows)
    connection.commit()


class TestTable(SourceContract):
    """A table of SQLite."""

    @pytest.fixture
    def source(self, place: Place, shop: sqlite3.Connection) -> Source:
        return place.open("sqlite:///shop.db?table=orders")

    @pytest.fixture
    def other(self, place: Place, shop: sqlite3.Connection) -> Source:
        return place.open("sqlite:///shop.db", query="SELECT id, note FROM orders WHERE id > 3 ORDER BY id;")


class TestPostgres(SourceContract):
    """A query of a real server."""

    @pytest.fixture
    def url(self, postgres: str) -> str:  # noqa: F811
        import psycopg

        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(postgres.format("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        url = postgres.format(name)
        with psycopg.connect(url) as connection:
            connection.execute(
                "CREATE TABLE orders (id bigint PRIMARY KEY, note text, amount numeric(9,2), at timestamptz, ok boolean)"
            )
            connection.execute(
                "INSERT INTO orders SELECT i, CASE WHEN i % 5 > 0 THEN 'né ' || i || '%' END, i / 4.0, "
                "timestamptz '2024-01-01 12:00+02' + i * interval '1 hour', i % 2 = 0 FROM generate_series(1, 40) AS i"
            )
        return url

    @pytest.fixture
    def source(self, place: Place, url: str) -> Source:
        return place.open(f"{url}&table=orders")

    @pytest.fixture
    def other(self, place: Place, url: str) -> Source:
        return place.open(url, query="SELECT id, note FROM orders WHERE note LIKE '%é%' ORDER BY id")

    def test_values_are_texts_that_the_decoder_reads(self, source: Source) -> None:
        """Instants in UTC, numbers as the database counts them, booleans as words."""
        assert rows_of(source.batches())[0] == ("1", "né 1%", "0.25", "2024-01-01T11:00:00+00:00", "false")

    def test_only_newer_rows_are_fetched(self, place: Place, url: str) -> None:
        """By an instant; a row that changed takes the place of the old one; a percent sign in the query is no placeholder."""
        import psycopg

        how: dict[str, Any] = {"query": "SELECT * FROM orders WHERE note IS NULL OR note LIKE '%é%'", "cursor": "at"}
        first = place.open(url, key="id", **how)
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE orders SET note = 'né new', at = '2024-02-01' WHERE id = 3")
            connection.execute("INSERT INTO orders VALUES (99, 'é', 1, '2024-02-02', true)")
            connection.execute("UPDATE orders SET note = 'né lost' WHERE id = 4")  # without the cursor: not to be seen
        second = place.open(url, key="id", **how)
        assert second.digest() != first.digest()
        rows = {row[0]: row[1] for row in rows_of(second.batches())}
        assert len(rows) == len(rows_of(second.batches())) == 41
        assert (rows["3"], rows["4"], rows["99"]) == ("né new", "né 4%", "é")
        assert rows_of(first.batches()) == rows_of(
            place.open(url, key="id", around={"pinned": first.digest()}, **how).batches()
        )

    def test_a_wrong_password_and_a_server_that_is_gone_are_told_without_secrets(
        self, place: Place, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is wrong, and nothing of the password."""
        monkeypatch.setenv("DB_PASSWORD", "hu/nt@er2")
        gone = url.replace("host=", "host=/nowhere")
        with pytest.raises(SourceError, match="does not answer") as caught:
            place.open(f"{gone}&password=${{DB_PASSWORD}}&table=orders")
        assert "hu/nt@er2" not in str(caught.value) + repr(caught.value.__cause__)
        with pytest.raises(SourceError, match="does not answer") as caught:
            place.open(f"{url}&user=${{DB_PASSWORD}}&table=orders")
        assert "***" in str(caught.value)
        assert "hu/nt@er2" not in str(caught.value)

    def test_a_table_that_is_not_there_is_told_with_those_that_are(self, place: Place, url: str) -> None:
        """And the nearest name."""
        with pytest.raises(SourceError, match="has no table 'order'") as caught:
            place.open(f"{url}&table=order")
        assert (caught.value.why, caught.value.way_out) == ("its tables are orders", "write 'orders'")

    def test_a_missing_table_is_told_without_another_connection(
        self, place: Place, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The server may give none."""
        import psycopg

        real, opened = psycopg.connect, []

        def connect(*args: Any, **options: Any) -> Any:
            opened.append(options)
            if len(opened) > 1:
                raise psycopg.OperationalError("too many connections")
            return real(*args, **options)

        monkeypatch.setattr(psycopg, "connect", connect)
        with pytest.raises(SourceError, match="has no table 'order'"):
            place.open(f"{url}&table=order")

    def test_an_alias_that_is_no_table_is_told_as_the_server_says_it(self, place: Place, url: str) -> None:
        """To it both are one kind of fault."""
        with pytest.raises(SourceError, match="does not answer") as caught:
            place.open(url, query="SELECT o.id FROM orders")
        assert 'missing FROM-clause entry for table "o"' in caught.value.why

    def test_nothing_can_be_written(self, place: Place, url: str) -> None:
        """The transaction is read-only."""
        with pytest.raises(SourceError, match="does not answer"):
            place.open(url, query="WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone")


def test_the_same_rows_in_another_order_are_the_same_snapshot(place: Place, shop: sqlite3.Connection) -> None:
    """A database promises no order; a changed value is another one."""
    first = place.open("sqlite:///shop.db", query="SELECT * FROM orders ORDER BY id").digest()
    how = {"query": "SELECT * FROM orders ORDER BY random()"}
    known = place.open("sqlite:///shop.db", **how).digest()
    assert place.open("sqlite:///shop.db", **how).digest() == known
    shop.execute("UPDATE orders SET amount = 0 WHERE id = 3")
    shop.commit()
    assert place.open("sqlite:///shop.db", **how).digest() != known
    assert first != known  # another query, other options: a snapshot of its own


def test_a_cursor_asks_for_newer_rows_alone(place: Place, shop: sqlite3.Connection) -> None:
    """Rows that have the last value of the cursor, too, join though others of that value are known."""
    how: dict[str, Any] = {"cursor": "at"}
    place_of = "sqlite:///shop.db?table=orders"
    first = place.open(place_of, **how)
    shop.execute("INSERT INTO orders VALUES (100, 'same day', 1.0, '2024-01-28'), (101, 'old', 1.0, '2024-01-02')")
    shop.commit()
    second = place.open(place_of, **how)
    new = [row for row in rows_of(second.batches()) if row not in rows_of(first.batches())]
    assert new == [("100", "same day", "1.0", "2024-01-28")]
    assert place.open(place_of, **how).digest() == second.digest()
    fetches = place.ledger.runs(operation="fetch")
    assert sorted(place.ledger.get(run.id).outputs["new"] for run in fetches) == [1, 30]


def test_a_row_of_a_known_key_takes_the_place_of_the_old_one(place: Place, shop: sqlite3.Connection) -> None:
    """Also where one fetch brings two of a key; rows without a key stay as they are."""
    shop.execute("CREATE TABLE log (who TEXT, what TEXT, n INTEGER)")
    shop.executemany("INSERT INTO log VALUES (?, ?, ?)", [("a", "1", 1), ("b", "1", 2), ("a", "2", 3), (None, "x", 4)])
    shop.commit()
    how: dict[str, Any] = {"cursor": "n", "key": "who"}
    assert [r[:2] for r in rows_of(place.open("sqlite:///shop.db?table=log", **how).batches())] == [
        ("b", "1"), ("a", "2"), (None, "x"),
    ]  # fmt: skip
    shop.executemany("INSERT INTO log VALUES (?, ?, ?)", [("b", "3", 5), (None, "y", 6)])
    shop.commit()
    assert [r[:2] for r in rows_of(place.open("sqlite:///shop.db?table=log", **how).batches())] == [
        ("a", "2"), (None, "x"), ("b", "3"), (None, "y"),
    ]  # fmt: skip


def test_a_fetch_of_few_rows_opens_none_that_are_known(
    place: Place, shop: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their keys lie beside them, and in few pieces however often little comes; rows of the same key take each other's place."""
    from penstock.data.sources import sql
    from penstock.data.sources.snapshots import Snapshots

    monkeypatch.setattr(sql, "CHUNK_ROWS", 8)
    how: dict[str, Any] = {"cursor": "at", "key": "id", "drop": ("id",)}
    url = "sqlite:///shop.db?table=orders"
    place.open(url, **how)
    monkeypatch.setattr(Snapshots, "rows", lambda *_: pytest.fail("a chunk was opened"))
    for day in range(1, 20):
        shop.execute(f"INSERT OR REPLACE INTO orders VALUES ({day}, 'new', {day}, '2024-02-{day:02}')")
        shop.commit()
        source = place.open(url, **how)
    snapshot = source.snapshot  # type: ignore[attr-defined]
    assert (snapshot.n_rows, sum(snapshot.rows), len(snapshot.chunks)) == (30, 49, 23)
    assert len(snapshot.keys) <= 5
    assert sum(chunks for _, chunks in snapshot.keys) == 23
    monkeypatch.undo()
    assert sorted(row[1] for row in rows_of(source.batches()) if row[1] == "new") == ["new"] * 19
    fetches = [place.ledger.get(run.id) for run in place.ledger.runs(operation="fetch")]
    assert {digest for digest, _ in snapshot.keys} <= {d for one in fetches for d in one.outputs["objects"]}


def test_what_was_fetched_before_keys_lay_beside_the_rows_is_read_once_more(
    place: Place, shop: sqlite3.Connection
) -> None:
    """And then they lie there."""
    from dataclasses import replace

    from penstock.data.sources.snapshots import Snapshots

    how: dict[str, Any] = {"cursor": "at", "key": "id"}
    url = "sqlite:///shop.db?table=orders"
    first = place.open(url, **how)
    (fetched,) = place.ledger.runs(operation="fetch")
    without = replace(first.snapshot, keys=())  # type: ignore[attr-defined]
    Snapshots(place.ledger, "p").keep(without, place.ledger.get(fetched.id).params, {"new": 30})
    add(shop, range(28, 33), "m")
    shop.execute("UPDATE orders SET at = '2024-03-01' WHERE id = 3")
    shop.commit()
    second = place.open(url, **how)
    assert len({row[0] for row in rows_of(second.batches())}) == len(rows_of(second.batches()))
    assert sum(chunks for _, chunks in second.snapshot.keys) == len(second.snapshot.chunks)  # type: ignore[attr-defined]


def test_rows_without_a_cursor_are_told(place: Place, shop: sqlite3.Connection) -> None:
    """They would never be fetched again when they change."""
    shop.execute("UPDATE orders SET at = NULL WHERE id < 4")
    shop.commit()
    source = place.open("sqlite:///shop.db?table=orders", cursor="at")
    assert len(rows_of(source.batches())) == 26
    assert source.warnings == ("4 rows have no 'at', the cursor, and are left out: they would never be fetched again",)


def test_nothing_of_the_rows_lies_in_the_clear(place: Place, shop: sqlite3.Connection) -> None:
    """Neither in the objects nor in the ledger: test rows are among them. Dropped columns are not kept at all."""
    shop.execute("UPDATE orders SET note = 'needle-' || id")
    shop.commit()
    source = place.open("sqlite:///shop.db?table=orders", drop=("amount",), cursor="at")
    assert source.names == ("id", "note", "amount", "at")
    assert {row[2] for row in rows_of(source.batches())} == {None}
    stored = b"".join(p.read_bytes() for p in (place.root / "state").rglob("*") if p.is_file())
    assert b"needle" not in stored
    assert b"2024-01-28" not in stored


@pytest.mark.parametrize(
    ("url", "how", "words"),
    [
        ("sqlite:///shop.db", {}, "asked for nothing"),
        ("sqlite:///shop.db?table=orders", {"query": "SELECT 1"}, "a table and a query"),
        ("sqlite:///shop.db?table=nothing", {}, "has no table"),
        ("sqlite:///none.db?table=orders", {}, "there is no database"),
        ("sqlite:///shop.db", {"query": "SELECT 1 AS a, 2 AS a"}, "two columns called 'a'"),
        ("sqlite:///shop.db", {"query": "SELECT * FROM orders WHERE id < 0"}, "gives no rows"),
        ("sqlite:///shop.db", {"query": "SELECT x'00ff' AS raw, 1 AS y"}, "raw bytes"),
        ("sqlite:///shop.db?table=orders", {"cursor": "when"}, "no such column: q.when"),
        ("sqlite:///shop.db", {"query": "DELETE FROM orders"}, "does not answer"),
        (
            "sqlite:///shop.db?table=order",
            {},
            "has no table 'order'\n  why: its tables are orders\n  try: write 'orders'",
        ),
        ("sqlite:///shop.db", {"query": "SELECT * FROM clients"}, "has no table 'clients'"),
    ],
)
def test_what_cannot_be_asked_is_told(
    place: Place, shop: sqlite3.Connection, url: str, how: dict[str, Any], words: str
) -> None:
    """With the way out, and nothing is kept."""
    with pytest.raises((SourceError, DeclarationError)) as caught:
        rows_of(place.open(url, **how).batches())
    assert words in str(caught.value)
    assert caught.value.way_out
    assert place.ledger.runs(operation="fetch") == []


def test_a_database_that_does_not_tell_its_tables_is_told_as_it_answered_first(
    place: Place, shop: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second question may fail, too: its list is locked, or not to be seen."""
    real = sqlite3.connect

    def connect(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = real(*args, **options)
        connection.set_authorizer(
            lambda _, name, *__: sqlite3.SQLITE_DENY if name == "sqlite_master" else sqlite3.SQLITE_OK
        )
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect)
    with pytest.raises(SourceError, match=r"the database shop\.db does not answer") as caught:
        place.open("sqlite:///shop.db?table=nothing")
    assert caught.value.why == "no such table: nothing"


@pytest.mark.parametrize(
    "said",
    [
        'relation "a b" does not exist',
        "Relation »a b« existiert nicht",
        "la relation « a b » n'existe pas",
        "отношение “a b” не существует",
    ],
)
def test_the_name_of_a_missing_table_is_read_in_the_quotes_of_its_server(said: str) -> None:
    """Servers speak the language of their machine."""
    found = _QUOTED.search(said)
    assert found is not None
    assert found[1] == "a b"


def test_a_password_in_the_clear_is_refused_and_not_said(place: Place) -> None:
    """The way out shows how to write it."""
    with pytest.raises(DeclarationError, match="holds a password") as caught:
        place.open("postgresql://bob:hunter2@db/shop?table=orders")
    assert "hunter2" not in str(caught.value)
    assert "postgresql://bob:${DB_PASSWORD}@db/shop" in caught.value.way_out
    with pytest.raises(DeclarationError, match="DB_PASSWORD_IS_NOT_SET is not set"):
        place.open("postgresql://bob:${DB_PASSWORD_IS_NOT_SET}@db/shop?table=orders")


def test_a_dry_look_asks_nothing(place: Place, shop: sqlite3.Connection) -> None:
    """What was fetched last is taken; where nothing was, that is told."""
    url = "sqlite:///shop.db?table=orders"
    with pytest.raises(NotFetched):
        place.open(url, around={"dry": True})
    known = place.open(url).digest()
    add(shop, range(30, 40))
    assert place.open(url, around={"dry": True}).digest() == known
