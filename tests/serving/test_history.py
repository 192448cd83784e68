"""Requests that send earlier rows along: answered as a file of all rows, and journalled with what was worked out."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.csv as pacsv
import pytest

from penstock.bundle.runtime import Bundle
from penstock.errors import BadParameter, SchemaMismatch
from penstock.serving import remembered
from penstock.serving.batch.job import predict_files
from penstock.serving.journal import read
from penstock.serving.journal_writer import JournalWriter, origin_of
from penstock.serving.loading import graph_bytes_of, memory_of
from penstock.serving.settings import HistorySettings, JournalSettings, ServeSettings
from penstock.serving.shelf import put_on_shelf, read_shelf
from penstock.serving.switching import fill_and_switch
from penstock.testing.toy_bundle import write_toy_bundle

ROWS = [
    {"age": 20 + 3 * i, "job": ("nurse", "pilot")[i % 2], "member": i % 3 == 0, "joined": f"2024-01-{1 + i // 2:02}"}
    for i in range(20)
]
"""Two rows a day; those of a day do not see each other."""


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.load(write_toy_bundle(tmp_path / "toy", looks_back=True))


@pytest.fixture
def client(bundle: Bundle, tmp_path: Path, open_client: Callable[..., Any]) -> Any:
    """An app over a model that looks back."""
    fill_and_switch(tmp_path / "serving", bundle.folder, model="toy", version=1, digest=bundle.digest)
    return open_client()


def test_a_row_with_its_history_is_answered_as_in_a_file(client: Any, bundle: Bundle, tmp_path: Path) -> None:
    """All rows in one file, and each alone with the others sent along: equal to the last bit."""
    source, output = tmp_path / "rows.jsonl", tmp_path / "answers.csv"
    source.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    result = predict_files(bundle, source, output)
    assert not any("income" in warning for warning in result.warnings)
    batch = pacsv.read_csv(output).to_pylist()
    for i, row in enumerate(ROWS):
        (online,) = client.predict(row, history=ROWS[:i] + ROWS[i + 1 :])
        assert ("income" in online["missing"]) == (i < 2)  # on the first day there is nothing to look back at
        assert online["probabilities"]["yes"] == batch[i]["p_yes"]


def test_what_was_worked_out_is_journalled_with_the_row(client: Any) -> None:
    """Labels, drift and retraining see the row that the model saw; the history is not kept."""
    client.predict({**ROWS[4], "age": 31}, history=ROWS[:4])
    written = b"".join(file.read_bytes() for file in client.journal.rglob("*") if file.is_file())
    assert b'"income":23.0' in written  # of ages 20 and 26
    assert b'"history"' not in written


def test_a_value_that_is_sent_is_taken_and_without_either_it_is_missing(client: Any) -> None:
    """As any other field."""
    (sent,) = client.predict({**ROWS[4], "income": 23.0})
    (worked_out,) = client.predict(ROWS[4], history=ROWS[:4])
    assert sent["probabilities"] == worked_out["probabilities"]
    (absent,) = client.predict(ROWS[4])
    assert "income" in absent["missing"]


@pytest.mark.parametrize("history", ["all", [3], [{"joined": "never", "job": "nurse"}], [{}] * 10_001])
def test_a_history_that_cannot_be_read_is_refused(client: Any, history: Any) -> None:
    """With its path; nothing is answered."""
    response = client.post("/predict", {"rows": [ROWS[0]], "history": history})
    assert response.status_code in (400, 413)
    assert response.json()["error"]["path"].startswith("history")


def test_a_model_that_does_not_look_back_refuses_a_history(
    deploy: Callable[..., Any], open_client: Callable[..., Any]
) -> None:
    """Never ignored silently; and the description of the model tells which of the two it is."""
    deploy(1)
    client = open_client()
    response = client.post("/predict", {"rows": [ROWS[0]], "history": ROWS[1:3]})
    assert (response.status_code, response.json()["error"]["path"]) == (400, "history")
    assert "history" not in str(client.get("/openapi.json").json()["components"]["schemas"])


def test_the_description_names_the_history(client: Any) -> None:
    """And the fields that are read for it."""
    text = client.get("/openapi.json").text
    assert "strictly earlier" in text


# ---------------------------------------------------------------- kept by the server

EARLIER = [{**row, "joined": f"2024-01-{1 + i:02}"} for i, row in enumerate(ROWS)]
"""A row a day."""


def answers_of_a_file(bundle: Bundle, folder: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    source, output = folder / "rows.jsonl", folder / "answers.csv"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    predict_files(bundle, source, output)
    return list(pacsv.read_csv(output).to_pylist())


def books_of(rows: remembered.RememberedRows) -> list[remembered._Book]:
    return [book for books in rows._books.values() for book in books.values()]


@pytest.fixture
def workers(bundle: Bundle, tmp_path: Path, open_client: Callable[..., Any]) -> Callable[..., Any]:
    """Workers over one journal, that keep rows."""
    fill_and_switch(tmp_path / "serving", bundle.folder, model="toy", version=1, digest=bundle.digest)
    return lambda **history: open_client(history=HistorySettings(**{"rows": 100, **history}))


def test_rows_asked_one_after_another_are_answered_as_in_a_file(
    workers: Callable[..., Any], bundle: Bundle, tmp_path: Path
) -> None:
    """Two workers in turns, one of them restarted: to the last bit, and journalled with what was worked out."""
    batch = answers_of_a_file(bundle, tmp_path, EARLIER)
    both = [workers(), workers()]
    for i, row in enumerate(EARLIER):
        if i == 11:
            both[1].worker.close()
            both[1] = workers()
        (online,) = both[i % 2].predict(row)
        assert ("income" in online["missing"]) == (i < 2)
        assert online["probabilities"]["yes"] == batch[i]["p_yes"]
    written = [row for record in read(both[0].journal, kinds=["predict"]) for row in record.rows]
    by_time = sorted(written, key=lambda row: row["joined"])
    assert [row["joined"] for row in by_time] == [row["joined"] for row in EARLIER]
    assert by_time[4]["income"] == 23.0  # of ages 20 and 26


def test_late_rows_are_earlier_rows_and_a_request_does_not_see_itself(workers: Callable[..., Any]) -> None:
    """The time of a row decides, not when it was asked; rows of one request do not see each other."""
    client = workers()
    client.post("/predict", {"rows": [EARLIER[4], EARLIER[2]]})
    (record,) = read(client.journal, kinds=["predict"])
    assert [row["income"] for row in record.rows] == [None, None]
    client.predict(EARLIER[6])
    client.predict(EARLIER[0])
    client.predict({**EARLIER[6], "joined": "2024-03-01"})
    incomes = [row["income"] for record in read(client.journal, kinds=["predict"]) for row in record.rows][2:]
    assert incomes == [29.0, None, (20 + 26 + 32 + 38) / 4]


def test_no_more_rows_are_kept_than_columns_need_or_the_declaration_says(workers: Callable[..., Any]) -> None:
    """The latest of a key by their time (at least the five that the column looks back at), of the keys asked last."""
    client = workers(rows=1, keys=1)
    for row in [*EARLIER[::2], *EARLIER[::-2]]:
        client.predict(row)
    ((view, *_),) = [book.views for book in books_of(client.worker.remembered)]
    client.predict(EARLIER[1])
    assert list(view.kept) == [("pilot",)]
    assert [len(kept) for kept in view.kept.values()] == [5]


def test_a_row_with_a_key_that_is_asked_again_counts_once(workers: Callable[..., Any]) -> None:
    client = workers()
    for _ in range(3):
        client.predict({**EARLIER[0], "id": "a"})
    client.predict({**EARLIER[2], "id": "b"})
    client.predict(EARLIER[4])
    (last,) = list(read(client.journal, kinds=["predict"]))[-1].rows
    assert last["income"] == 23.0


def test_what_is_journalled_is_read_before_a_version_is_asked(
    workers: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a switch as at the start: no request reads the journal from its beginning, while all others wait."""
    client = workers()
    client.predict(EARLIER[0])
    other = Bundle.load(write_toy_bundle(tmp_path / "other", task="multiclass", version=2, looks_back=True))
    fill_and_switch(tmp_path / "serving", other.folder, model="toy", version=2, digest=other.digest)
    asyncio.run(client.worker._follower._move())
    monkeypatch.setattr(remembered._Book, "of", None)  # whoever begins a book from here on fails
    response = client.post("/predict", {"rows": [EARLIER[2]]})
    assert response.json()["version"] == 2
    assert [record.rows[0]["income"] for record in read(client.journal, kinds=["predict"])] == [None, 20.0]


def test_a_model_of_the_shelf_is_read_for_as_it_is_loaded(
    workers: Callable[..., Any], bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = workers()
    put_on_shelf(tmp_path / "serving", bundle.folder, model="other", version=1, digest=bundle.digest, graph_bytes=1)

    client.worker.models.shelf = read_shelf(tmp_path / "serving")
    begun = []
    of = remembered._Book.of

    def beginning(*made_of: Any) -> Any:
        begun.append(threading.current_thread() is threading.main_thread())
        return of(*made_of)

    monkeypatch.setattr(remembered._Book, "of", beginning)
    assert client.predict(EARLIER[0], model="other")
    assert begun == [False]  # beside the event loop, where models are loaded


def test_a_journal_is_read_once_for_each_model_however_many_look_back(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In turns, for as long as they are loaded; what is loaded no longer is forgotten."""
    begun = []
    of = remembered._Book.of
    monkeypatch.setattr(remembered._Book, "of", lambda model, *rest: begun.append(model) or of(model, *rest))
    with JournalWriter(tmp_path / "journal") as writer:
        for n in range(12):
            body = json.dumps({"rows": [EARLIER[0]]}).encode()
            writer.predictions(origin_of(f"model-{n}", 1, "shelf"), body, [{}], at_ns=time.time_ns(), latency_ms=1.0)
    rows = remembered.RememberedRows(tmp_path / "journal", HistorySettings(rows=10))
    loaded = [Bundle.load(bundle.folder) for _ in range(12)]
    for _ in range(3):
        for n, one in enumerate(loaded):
            (filled,) = rows.fill(one, [EARLIER[2]], model=f"model-{n}")
            assert filled["income"] == 20.0
    assert begun == [f"model-{n}" for n in range(12)]
    again = Bundle.load(bundle.folder)  # another version that reads rows alike
    assert rows.fill(again, [EARLIER[2]], model="model-3")[0]["income"] == 20.0
    assert len(begun) == 12
    del loaded, again, one
    gc.collect()
    assert books_of(rows) == []


def test_the_memory_of_the_rows_is_reckoned_as_it_is(bundle: Bundle, tmp_path: Path) -> None:
    """Within a third of what is measured; what is forgotten, of rows, keys and rows asked again, is given back."""
    most = HistorySettings(rows=20, keys=300)
    book = remembered._Book.of("toy", bundle.decoder, tmp_path, most)
    gc.collect()
    tracemalloc.start()
    chance = random.Random(0)
    made = 0
    for n in range(8_000):
        job = f"job-{chance.randrange(600)}" if n < 3_000 else f"job-{chance.randrange(200)}"
        row = {"age": float(n), "job": job, "joined": f"20{10 + n % 10}-0{1 + n % 9}-{10 + n % 20}", "note": "x" * 50}
        key = str(chance.randrange(2_000)) if n % 2 else None
        book._add(json.loads(json.dumps(row)), f"{n:026}", None if key is None else str(key + " "))
        made += 1
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.67 < book.size_bytes / taken < 1.5, (book.size_bytes, taken)
    held = [one for view in book.views for kept in view.kept.values() for one in kept]
    keys = sum(len(view.kept) for view in book.views)
    assert len(held) < made
    assert book.size_bytes == sum(one.size_bytes for one in held) + keys * remembered._KEY_BYTES


def test_rows_that_are_kept_take_the_room_of_models(
    bundle: Bundle, tmp_path: Path, open_client: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The least recently asked goes as they grow; the last one stays, and the log says that there is too little room."""
    fill_and_switch(tmp_path / "serving", bundle.folder, model="toy", version=1, digest=bundle.digest)
    for model in ("a", "b"):
        size = graph_bytes_of(bundle)
        put_on_shelf(
            tmp_path / "serving", bundle.folder, model=model, version=1, digest=bundle.digest, graph_bytes=size
        )
    graph = memory_of(graph_bytes_of(bundle))
    client = open_client(history=HistorySettings(rows=100), memory_mb=(3 * graph + 60_000) / 1e6)
    for model in ("a", "b"):
        assert client.predict(EARLIER[0], model=model)
    models = client.worker.models

    def held() -> list[str]:
        models.room.keep_within()
        return [key[0] for key in models.room.held]

    assert held() == ["a", "b"]
    before = {one.model: one.memory_bytes for one in models.offered()}
    asked = 0
    while held() == ["a", "b"]:
        client.predict(*EARLIER, model="b")
        asked += 1
        assert asked < 100
    assert asked > 2
    assert held() == ["b"]
    after = {one.model: one.memory_bytes for one in models.offered()}
    assert after["b"] > before["b"] + 10_000
    assert "raise it" not in caplog.text
    models.room.limit_bytes = graph
    assert held() == held() == ["b"]
    assert caplog.text.count("raise it") == 1
    response = client.post("/predict", {"rows": [EARLIER[0]], "model": "a"})
    assert (response.status_code, response.json()["error"]["code"]) == (503, "no-room")


def test_rows_are_read_on_while_nobody_asks(
    workers: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """So that a model that is seldom asked has little to read; a journal that cannot be read for a moment ends nothing."""
    monkeypatch.setattr(remembered, "READ_ON_S", 0.01)
    client, other = workers(), workers()
    other.predict(EARLIER[0])
    (book,) = books_of(client.worker.remembered)
    scanned = book.scan.new_payloads
    fails = iter([True])

    def scan(start: bytes) -> Any:
        if next(fails, False):
            raise OSError("for a moment")
        return scanned(start)

    monkeypatch.setattr(book.scan, "new_payloads", scan)

    async def until_read() -> None:
        following = asyncio.create_task(client.worker.remembered.follow())
        while not book.views[0].kept:
            await asyncio.sleep(0.01)
        following.cancel()

    asyncio.run(asyncio.wait_for(until_read(), 60))
    assert "for a moment" in caplog.text


def test_what_is_sent_along_comes_before_what_is_kept(workers: Callable[..., Any]) -> None:
    """A history in the request is the whole history; an empty one is none."""
    client = workers()
    client.predict(EARLIER[0])
    (none,) = client.predict(EARLIER[2], history=[])
    assert "income" in none["missing"]


def test_rows_are_kept_only_where_all_are_journalled() -> None:
    with pytest.raises(BadParameter, match="sample"):
        ServeSettings(history=HistorySettings(rows=5), journal=JournalSettings(sample=0.5)).check()


# ---------------------------------------------------------------- of a file


def test_a_file_with_its_history_is_answered_as_a_file_of_all_rows(bundle: Bundle, tmp_path: Path) -> None:
    """The later half, with the earlier half as `--history`: the same bits; without it, they see less."""
    whole = answers_of_a_file(bundle, tmp_path, EARLIER)
    earlier, later = tmp_path / "earlier.jsonl", tmp_path / "later.jsonl"
    earlier.write_text("".join(json.dumps(row) + "\n" for row in EARLIER[:12]), encoding="utf-8")
    later.write_text("".join(json.dumps(row) + "\n" for row in EARLIER[12:]), encoding="utf-8")
    predict_files(bundle, later, tmp_path / "with.csv", history=earlier)
    predict_files(bundle, later, tmp_path / "without.csv")
    with_it, without = (pacsv.read_csv(tmp_path / name).to_pylist() for name in ("with.csv", "without.csv"))
    assert [row["p_yes"] for row in with_it] == [row["p_yes"] for row in whole[12:]]
    assert [row["p_yes"] for row in without] != [row["p_yes"] for row in whole[12:]]


def test_a_history_of_nothing_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    """One that holds no time or key, and one for a model that does not look back."""
    (tmp_path / "rows.csv").write_text("age,job,joined\n20,nurse,2024-01-01\n")
    (tmp_path / "odd.csv").write_text("x\n1\n")
    with pytest.raises(SchemaMismatch, match="nothing to look back at"):
        predict_files(bundle, tmp_path / "rows.csv", tmp_path / "a.csv", history=tmp_path / "odd.csv")
    plain = Bundle.load(write_toy_bundle(tmp_path / "plain"))
    with pytest.raises(SchemaMismatch, match="no column that looks back"):
        predict_files(plain, tmp_path / "rows.csv", tmp_path / "a.csv", history=tmp_path / "rows.csv")
