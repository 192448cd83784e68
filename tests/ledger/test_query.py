"""Filters of runs: what they mean, on both databases, and how what is wrong with them is told."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import QueryError
from penstock.ledger.ledger import Ledger
from penstock.ledger.query import parse
from penstock.ledger.query_sql import Catalog, order, where

NOW = datetime(2026, 11, 13, tzinfo=UTC)
SERIES = {"loss": {"min": 0.2, "max": math.nan, "count": 7}}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """Five runs a to e; e is running, in a process that is gone."""
    from penstock.objects.store import open_store

    folder = tmp_path_factory.mktemp("queries") / ".penstock"
    url = f"sqlite:///{folder / 'ledger.db'}"
    if request.param == "postgresql":
        import psycopg

        server = request.getfixturevalue("postgres")
        with psycopg.connect(server.format("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE queries")
        url = server.format("queries")
    with Ledger.open(url, open_store(folder / "objects"), state=folder) as opened:
        _add(opened, "a", {"lr": 0.1, "opt": "adam", "deep": True, "k": None}, {"loss": 0.5}, {"baseline": ""}, day=10)
        outputs = {"unsealed": ["data.csv"], "exit_status": 1, "series": SERIES}
        _add(opened, "b", {"lr": 0.01, "opt": "sgd", "deep": False}, {"loss": math.nan}, {"v": "3"}, outputs, day=11)
        _add(opened, "c", {"lr": math.nan, "opt": "Adam W", "ü n": math.inf}, {"loss": math.inf}, {"v": "10"}, day=12)
        _add(opened, "d", {"lr": 1}, {"loss": 2.0}, {"v": "x"}, operation="split", day=12, status="failed")
        _add(opened, "e", {"lr": "0.1", "status": "x"}, {}, {}, day=12, status="", owned=False)
        opened.note(_id(opened, "a"), "It was Gradient noise, 5 % of it")
        opened.decisions.add("Dropout helps", why="as b shows", runs=[_id(opened, "a"), _id(opened, "b")])
        opened.decisions.add("Trees do not", runs=[_id(opened, "b")])
        opened.decisions.revise("d1", outcome="confirmed")
        yield opened


def _add(
    ledger: Ledger,
    name: str,
    params: dict[str, Any],
    metrics: dict[str, float],
    tags: dict[str, str],
    outputs: dict[str, Any] | None = None,
    *,
    day: int,
    operation: str = "train.py",
    status: str = "done",
    owned: bool = True,
) -> None:
    run = ledger.begin(operation, params=params, tags={**tags, "name": name}, source={"commit": "abc" + name * 37})
    ledger.set_metrics(run, metrics)
    started = datetime(2026, 11, day, 12, tzinfo=UTC)
    ledger.change(run, started_at=started.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), who="ada")
    if status:
        ended = started + timedelta(seconds=700 if name == "d" else 10)
        ledger.end(run, status=status, ended_at=ended.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), outputs=outputs)


def _id(ledger: Ledger, name: str) -> str:
    return next(r.id for r in ledger.summaries(columns=["tags"]) if r.tags["name"] == name)


def found(ledger: Ledger, text: str) -> str:
    """Names of the runs that a filter finds."""
    condition = where(text, Catalog(ledger.ask, sqlite=ledger.is_sqlite), now=NOW)
    return "".join(sorted(r.tags["name"] for r in ledger.summaries(where=condition, columns=["tags"])))


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("lr<0.5", "ab"),
        ("lr < 0.5 and opt = adam", "a"),
        ("lr<0.05 or lr>=1", "bd"),
        ("lr=0.1", "ae"),  # e has the text "0.1", spelled so
        ('lr="0.1"', "e"),
        ("lr == 1", "d"),
        ("lr=1.0", "d"),
        ("lr!=0.1", "bcd"),  # NaN is not 0.1
        ("not lr=0.1", "bcd"),
        ("lr is nan", "c"),
        ("lr=nan", "c"),
        ('"ü n" is inf', "c"),
        ('flag:"ü n"=inf', "c"),
        ('"ü n" > 1e300', "c"),
        ('"ü n" is missing', "abde"),
        ("opt=adam", "a"),
        ("opt~ADAM", "ac"),
        ("opt='Adam W'", "c"),
        ("opt in (adam, sgd)", "ab"),
        ("opt not in (adam, sgd)", "cde"),
        ("opt != adam", "bc"),
        ("deep", "a"),
        ("flag:deep=false", "b"),
        ("k is missing", "abcde"),
        ("k=null", "a"),
        ("k is not missing", ""),
        ("flag:status=x", "e"),
        ("loss<1", "a"),
        ("metric:loss >= 0.5", "acd"),
        ("loss is nan", "b"),
        ("loss=nan", "b"),
        ("loss is inf", "c"),
        ("loss is missing", "e"),
        ("not loss is nan", "acde"),
        ("loss!=0.5", "bcd"),
        ("loss", "abcd"),
        ("loss.min<0.3", "b"),
        ("loss.max is nan", "b"),
        ("metric:loss.count=7", "b"),
        ("tag:baseline", "a"),
        ("not tag:baseline", "bcde"),
        ("tag:nobody_has_this", ""),
        ("tags.v>3", "c"),  # as numbers, where both sides are
        ("v=3", "b"),
        ("v>=3", "bc"),
        ("v~x", "d"),
        ("status=done", "abc"),
        ("status in (done, failed)", "abcd"),
        ("status=failed or status=running", "de"),
        ("operation = train.py", "abce"),
        ('operation="split"', "d"),
        ("started > 2026-11-11", "bcde"),
        ("started<2026-11-11", "a"),
        ("started > 2d", "bcde"),
        ("started > 1d", "cde"),
        ("started > yesterday", "cde"),
        ("started = 2026-11-12", "cde"),
        ("started=2026-11", "abcde"),
        ("started >= '2026-11-12 12:00' and started <= 2026-11-12T12:00", "cde"),
        ("started > 2026-11-12T13:30+01:00", ""),
        ("started > 2026-11-12T12:30+01:00", "cde"),
        ("seconds>10m", "d"),
        ("took > 60", "d"),
        ("seconds = 10", "abc"),
        ("ended is missing", "e"),
        ("note~gradient", "a"),
        ("note ~ '5 %'", "a"),
        ("note ~ '5_%'", ""),
        ("decision=d1", "ab"),
        ("decision=d2", "b"),
        ("decision~dropout", "ab"),
        ("not decisions", "cde"),
        ("lr in (0.1, nan, 'x') or lr=1", "acde"),
        ("unsealed", "b"),
        ("unsealed=false", "acde"),
        ("commit=abca", "a"),
        ("exit=1", "b"),
        ("user=ada", "abcde"),
        ("not not lr=1", "d"),
        ("not (lr=1 or lr<1)", "ce"),
        ("status=done and lr<0.05 or (operation='train.py' and not tag:baseline) and loss is nan", "b"),
        ("STATUS=done AND NOT lr=0.1", "bc"),
    ],
)
def test_a_filter_finds(ledger: Ledger, text: str, runs: str) -> None:
    """The same runs on both databases."""
    assert found(ledger, text) == runs


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 1, "empty"),
        ("lr<", 4, "the end"),
        ("lr<0.5 and", 11, "the end"),
        ("(lr<0.5", 8, "column 1 is not closed"),
        ("lr<0.5)", 7, "not expected"),
        ("lr<0.5 opt=adam", 8, "not expected"),
        ("lr='a", 4, "no end"),
        ("lr in adam", 7, "list in brackets"),
        ("lr in (a b)", 10, "not closed"),
        ("lr is big", 7, "nan, inf or missing"),
        ("(" * 60 + "lr=1" + ")" * 60, 51, "brackets"),
        ("lrr<3", 1, "did you mean 'lr'"),
        ("status=done and metric:los<3", 17, "did you mean 'loss'"),
        ("status=don", 8, "did you mean 'done'"),
        ("loss<low", 6, "a metric is a number"),
        ("loss~1", 6, "contains no text"),
        ("started > soon", 11, "no point in time"),
        ("started = 7d", 11, "compare"),
        ("seconds > long", 11, "no number"),
        ("unsealed=maybe", 10, "true or false"),
        ("note < 3", 8, "several"),
        ("zzz=1", 1, "none of id, operation"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_column(ledger: Ledger, text: str, column: int, said: str) -> None:
    """The column, the reason and the nearest name."""
    with pytest.raises(QueryError) as caught:
        found(ledger, text)
    assert f"column {column}" in caught.value.what
    assert said in f"{caught.value.why} {caught.value.way_out}"


def test_a_name_that_is_a_flag_and_a_metric_has_to_be_told_apart(sqlite_ledger: Ledger) -> None:
    """Nothing is guessed."""
    with sqlite_ledger.run("train.py", params={"loss": "mse"}) as run:
        run.metric("loss", 0.1)
    catalog = Catalog(sqlite_ledger.ask, sqlite=True)
    with pytest.raises(QueryError, match="both a flag and a metric") as caught:
        where("loss=1", catalog)
    assert "flag:loss or metric:loss" in caught.value.way_out
    for text in ("flag:loss=mse", "metric:loss<1"):
        assert len(sqlite_ledger.summaries(where=where(text, catalog))) == 1


def test_nothing_is_unknown_in_a_ledger_without_runs(sqlite_ledger: Ledger) -> None:
    """A script that filters works from the first day."""
    catalog = Catalog(sqlite_ledger.ask, sqlite=True)
    assert sqlite_ledger.summaries(where=where("lr<0.1 and metric:loss<1 or flag:x=1", catalog)) == []


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("loss", "adceb"),
        ("-loss", "cdaeb"),
        ("-started,loss", "dceb"),
        ("-v", "cb"),
        ("seconds", "c"),
        ("opt,-lr", "c"),
    ],
)
def test_runs_are_sorted_by_what_they_have(ledger: Ledger, text: str, runs: str) -> None:
    """Runs without it come last, then the newest first."""
    terms = order(text, Catalog(ledger.ask, sqlite=ledger.is_sqlite))
    rows = ledger.summaries(order=terms.sql, where=("", terms.params), columns=["tags"])
    assert "".join(r.tags["name"] for r in rows).startswith(runs)


def test_a_long_filter_is_answered_or_refused_in_words(ledger: Ledger) -> None:
    """Never by the limits of a database: on how deep a condition is, and how long a question."""
    many = [f"lr={i / 1000}" for i in range(1, 2000)]
    assert found(ledger, " or ".join(many)) == "abde"
    assert found(ledger, "lr in (" + ", ".join(str(i / 1000) for i in range(50, 1500)) + ", nan)") == "acde"
    assert found(ledger, " or ".join([*(f"name=x{i}" for i in range(1200)), "tag:name=c"])) == "c"
    assert found(ledger, " and ".join(f"seconds<{i}" for i in range(100, 1200))) == "abc"
    with pytest.raises(QueryError) as caught:
        found(ledger, " or ".join(f"lr<-{i}" for i in range(1, 5000)))
    assert caught.value.what == "the filter is too long"
    assert "in (a, b, c)" in caught.value.way_out


def test_names_and_values_never_become_sql(ledger: Ledger) -> None:
    """A filter is bound, not pasted."""
    for text in ('opt="\'; DROP TABLE runs; --"', 'opt ~ "%\' OR 1=1 --"', "tag:\"x' OR '1'='1\""):
        assert found(ledger, text) == ""
    assert found(ledger, "lr=1") == "d"


@given(st.text(alphabet="lr<>=!~()\"' andotisnul0.1,:-\\é%_", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes the reader fail in another way."""
    with contextlib.suppress(QueryError):
        parse(text)
