"""Labels: by id or key, once, corrected by later ones, refused with a reason."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from penstock.bundle.decoder import Decoder
from penstock.feedback.rows import labelled_rows
from penstock.serving import labels
from penstock.serving.journal import Answered, find, find_answered, read
from penstock.serving.journal_writer import JournalWriter, origin_of
from penstock.serving.labels import LabelBook, LabelResult, accept_labels, read_labels
from penstock.serving.prediction_ids import PredictionId, parse_id
from penstock.serving.segments import segments
from penstock.serving.settings import JournalSettings
from penstock.testing.toy_bundle import toy_parts

BINARY = toy_parts("binary")[0]


def judged(book: LabelBook, items: list[Any], decoder: Decoder, **how: Any) -> LabelResult:
    return book.decide(book.read(items, decoder, **how))


MULTICLASS = toy_parts("multiclass")[0]
REGRESSION = toy_parts("regression")[0]


def journalled(folder: Path, *keys: str | None) -> list[str]:
    """Predictions with these keys; their ids."""
    answers: list[dict[str, Any]] = [{"key": key} if key else {} for key in keys]
    body = json.dumps({"rows": [{}] * len(keys)}).encode()
    with JournalWriter(folder) as writer:
        leaving = writer.predictions(origin_of("toy", 1, "blue"), body, answers, at_ns=time.time_ns(), latency_ms=1.0)
    time.sleep(0.002)
    return [answer["id"] for answer in json.loads(leaving)]


def taken(folder: Path, *items: Any, decoder: Decoder = BINARY) -> dict[str, Any]:
    return accept_labels(folder, items, decoder).to_json()


def rejected(folder: Path, item: Any, decoder: Decoder = BINARY) -> tuple[str, str]:
    result = taken(folder, item, decoder=decoder)
    assert result["accepted"] == 0
    (refusal,) = result["rejected"]
    return refusal["code"], refusal["why"]


def test_a_label_by_id_is_kept(tmp_path: Path) -> None:
    """With who said it and when."""
    first, second = journalled(tmp_path, None, None)
    said = {"id": first, "label": "yes", "author": "ann", "at": "2026-11-20T11:00:00+01:00"}
    assert taken(tmp_path, said, {"id": second, "label": "no"}) == {"accepted": 2, "rejected": []}
    labels = read_labels(tmp_path)
    assert (labels[first].label, labels[first].author, labels[first].at) == (
        "yes",
        "ann",
        "2026-11-20T10:00:00.000000Z",
    )
    assert labels[second].label == "no"


def test_a_key_means_its_latest_prediction(tmp_path: Path) -> None:
    """The row was asked twice; the outcome belongs to the last answer. Keys compare as identifiers do."""
    journalled(tmp_path, "17", "18")
    latest, _ = journalled(tmp_path, "17", None)
    assert taken(tmp_path, {"key": 17, "label": "yes"})["accepted"] == 1
    assert set(read_labels(tmp_path)) == {latest}
    assert rejected(tmp_path, {"key": "19", "label": "yes"})[0] == "unknown-prediction"
    assert rejected(tmp_path, {"key": [1], "label": "yes"})[0] == "unknown-prediction"


def test_a_request_is_read_once_for_all_labels_of_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whatever order they come: each time it was read again, 10,000 rows of it, while all other labels waited."""
    read_: list[PredictionId] = []

    def find(folder: Path, parts: PredictionId) -> Answered:
        read_.append(parts)
        return find_answered(folder, parts)

    monkeypatch.setattr(labels, "find_answered", find)
    requests = [journalled(tmp_path, *[None] * 5) for _ in range(3)]
    mixed = [{"id": ids[row], "label": "yes"} for row in range(5) for ids in requests]
    assert taken(tmp_path, *mixed) == {"accepted": 15, "rejected": []}
    assert len(read_) == 3
    code, why = rejected(tmp_path, {"id": requests[0][0][:-1] + "5", "label": "yes"})
    assert (code, why) == ("unknown-prediction", "that request had 5 rows")


def test_a_server_knows_the_labels_of_the_predictions_labelled_last(tmp_path: Path) -> None:
    """As many as fit its memory. What is sent again for another one is stored again, and the label that holds is the same: also where an
    old one comes again, and where a correction came in between."""
    ids = journalled(tmp_path, *[None] * 4)
    book = LabelBook(tmp_path, most=2)

    def sent(*items: Any) -> int:
        result = judged(book, list(items), BINARY)
        assert result.rejected == []
        with JournalWriter(tmp_path) as writer:
            writer.labels([label.to_json() for label in result.new])
        book.decide(book.read([], BINARY))
        assert len(book._labels) <= 2
        return len(result.new)

    old = {"id": ids[0], "label": "yes", "at": "2026-11-20"}
    assert sent(old, {"id": ids[0], "label": "no", "at": "2026-11-21"}) == 2
    assert sent({"id": ids[1], "label": "yes"}) == 1
    assert sent(old) == 0  # still known
    assert sent(*[{"id": one, "label": "no"} for one in ids[1:]]) == 3
    before = {one: label.label for one, label in read_labels(tmp_path).items()}
    assert sent(old) == 1
    assert {one: label.label for one, label in read_labels(tmp_path).items()} == before == dict.fromkeys(ids, "no")
    assert len(read_labels(tmp_path)) == 4


def test_the_same_label_again_is_accepted_and_not_stored_twice(tmp_path: Path) -> None:
    """Importing a file twice, or sending a request again, changes nothing."""
    first, second = journalled(tmp_path, "a", "b")
    items = [
        {"id": first, "label": "yes", "at": "2026-11-20"},
        {"id": first, "label": "no", "at": "2026-11-21"},
        {"key": "b", "label": "no"},
    ]
    for _ in range(3):
        assert taken(tmp_path, *items)["accepted"] == 3
    stored = [label for record in read(tmp_path, kinds=["label"]) for label in record.labels]
    assert len(stored) == 3
    assert {i: label.label for i, label in read_labels(tmp_path).items()} == {first: "no", second: "no"}


def test_the_latest_label_holds_in_whatever_order_they_come(tmp_path: Path) -> None:
    """A correction is a new record; an older one that arrives late changes nothing."""
    (first,) = journalled(tmp_path, None)
    taken(tmp_path, {"id": first, "label": "yes", "at": "2026-11-20"})
    taken(tmp_path, {"id": first, "label": "no", "at": "2026-11-22"})
    taken(tmp_path, {"id": first, "label": "yes", "at": "2026-11-21"})
    assert read_labels(tmp_path)[first].label == "no"
    assert len(list(read(tmp_path, kinds=["label"]))) == 3


def test_what_lies_ahead_is_refused_but_for_clocks_and_the_dates_of_zones(tmp_path: Path) -> None:
    """And what is taken can be corrected at once; a label of the year 2999 held against all others."""
    now = datetime.now(UTC)
    first_zone = timezone(timedelta(hours=14))
    told = {
        (now + timedelta(minutes=2)).isoformat(): 1,
        (now + timedelta(minutes=3)).astimezone(first_zone).isoformat(): 1,
        now.astimezone(first_zone).date().isoformat(): 1,
        (now + timedelta(minutes=30)).isoformat(): 0,
        (now + timedelta(days=2)).date().isoformat(): 0,
    }
    for at, accepted in told.items():
        (first,) = journalled(tmp_path, None)
        result = taken(tmp_path, {"id": first, "label": "yes", "at": at})
        assert result["accepted"] == accepted, at
        assert all("lies ahead" in rejection["why"] for rejection in result["rejected"])
        taken(tmp_path, {"id": first, "label": "no"})
        assert read_labels(tmp_path)[first].label == "no"


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"label": "yes"}, "missing-field"),
        ({"id": "ID"}, "missing-field"),
        ({"id": "ID", "label": None}, "missing-field"),
        ({"id": "ID", "label": "perhaps"}, "bad-label"),
        ({"id": "ID", "label": ["yes"]}, "bad-label"),
        ({"id": "ID", "label": "yes", "at": "yesterday"}, "bad-label"),
        ({"id": "ID", "label": "yes", "at": 5}, "bad-label"),
        ({"id": "ID", "label": "yes", "at": "2999-01-01T00:00:00Z"}, "bad-label"),
        ({"id": "ID", "label": "yes", "author": 5}, "bad-label"),
        ({"id": "ID", "label": "yes", "colour": "red"}, "bad-label"),
        ("yes", "bad-label"),
        ({"id": "nonsense", "label": "yes"}, "unknown-prediction"),
        ({"id": 17, "label": "yes"}, "unknown-prediction"),
    ],
)
def test_a_bad_label_is_rejected_with_its_code(tmp_path: Path, item: Any, code: str) -> None:
    """The others of the request are taken all the same."""
    (first,) = journalled(tmp_path, None)
    if isinstance(item, dict) and item.get("id") == "ID":
        item = {**item, "id": first}
    result = taken(tmp_path, item, {"id": first, "label": "no"})
    assert result["accepted"] == 1
    assert [(r["index"], r["code"]) for r in result["rejected"]] == [(0, code)]


def test_a_label_of_what_retention_deleted_is_expired(tmp_path: Path) -> None:
    """Not unknown: it was there once."""
    (gone,) = journalled(tmp_path, None)
    journalled(tmp_path, None)
    segments(tmp_path)[0][1].unlink()
    assert rejected(tmp_path, {"id": gone, "label": "yes"})[0] == "expired"
    parts = parse_id(gone)
    assert parts is not None
    (newest,) = journalled(tmp_path, None)
    elsewhere = parse_id(newest)
    assert elsewhere is not None
    never = PredictionId(parts.time_ms, elsewhere.segment ^ 1, parts.offset, 0)
    code, why = rejected(tmp_path, {"id": str(never), "label": "yes"})
    assert (code, "of another server" in why) == ("unknown-prediction", True)
    early = PredictionId(parts.time_ms, 99, parts.offset, 0)  # a journal of early numbers began with 1
    assert rejected(tmp_path, {"id": str(early), "label": "yes"})[0] == "expired"


def test_what_two_servers_answer_and_are_told_comes_together_by_copying_their_segments(tmp_path: Path) -> None:
    """No id and no segment of one is the other's, though both began at one moment; a label that came to the wrong one meets its prediction."""
    ids: dict[str, list[str]] = {}
    for name in ("one", "other"):
        with JournalWriter(tmp_path / name, JournalSettings(segment_bytes=1_000)) as writer:
            left = [
                writer.predictions(
                    origin_of("toy", 1, "blue"), b'{"rows":[{}]}', [{"key": "k"}], at_ns=10**18, latency_ms=1
                )
                for _ in range(50)
            ]
        ids[name] = [json.loads(one)[0]["id"] for one in left]
    assert len({*ids["one"], *ids["other"]}) == 100
    one = LabelBook(tmp_path / "one", "keep")
    refused = judged(one, [{"key": "k", "label": "yes"}, {"id": ids["other"][0][:-1] + "?", "label": "yes"}], BINARY)
    assert [no.code for no in refused.rejected] == ["unknown-prediction"] * 2
    told = [{"id": ids["other"][7], "label": "yes"}, {"id": ids["one"][7], "label": "no"}]
    result = judged(one, [*told, {"id": ids["other"][8], "label": "perhaps"}], BINARY)
    assert result.to_json() == {
        "accepted": 2,
        "rejected": [{"index": 2, "code": "bad-label", "why": result.rejected[0].why}],
        "unmatched": 1,
    }
    with JournalWriter(tmp_path / "one") as writer:
        writer.labels([label.to_json() for label in result.new])
    assert judged(one, told, BINARY).new == []
    afresh = LabelBook(tmp_path / "one", "keep")  # another worker
    assert judged(afresh, told, BINARY).new == []
    for _, path in segments(tmp_path / "one")[:5]:
        shutil.move(path, tmp_path / path.name)  # retention
    assert judged(afresh, told[:1], BINARY).new == []
    for _, path in segments(tmp_path):
        shutil.move(path, tmp_path / "one")
    elsewhere = parse_id(ids["other"][0])
    assert elsewhere is not None
    ahead = PredictionId(int(time.time() + 3600) * 1000, elsewhere.segment, 0, 0)
    assert judged(one, [{"id": str(ahead), "label": "yes"}], BINARY).rejected[0].why.endswith("lies ahead")
    together = tmp_path / "together"
    together.mkdir()
    for name in ("one", "other"):
        for _, path in segments(tmp_path / name):
            assert not (together / path.name).exists()
            shutil.copy(path, together)
    assert all(find(together, each)[0].kind == "predict" for each in (*ids["one"], *ids["other"]))
    rows = labelled_rows(together, without={})
    assert (dict(zip(rows.ids, rows.labels, strict=True)), rows.lost) == ({one["id"]: one["label"] for one in told}, 0)
    assert labelled_rows(tmp_path / "one", without={}).lost == 1


def test_a_label_of_another_server_is_for_the_model_that_is_live(tmp_path: Path) -> None:
    """What of another one nobody here can say which classes it has."""
    (elsewhere,) = journalled(tmp_path / "other", None)
    journalled(tmp_path / "one", None)
    book = LabelBook(tmp_path / "one", "keep")
    items = [{"id": elsewhere, "label": "yes", "model": name} for name in ("toy", "grades")]
    result = judged(book, items, BINARY, model="toy", others=lambda model, version: None)
    assert (result.unmatched, [no.code for no in result.rejected]) == (1, ["unknown-model"])


def test_a_label_has_the_targets_own_type(tmp_path: Path) -> None:
    """Text from a CSV becomes the class or the number; what is none is refused."""
    ids = journalled(tmp_path, None, None)
    assert (
        taken(tmp_path, {"id": ids[0], "label": "2"}, {"id": ids[1], "label": 3.0}, decoder=MULTICLASS)["accepted"] == 2
    )
    assert [read_labels(tmp_path)[i].label for i in ids] == [2, 3]
    assert rejected(tmp_path, {"id": ids[0], "label": 4}, MULTICLASS)[0] == "bad-label"
    ids = journalled(tmp_path, None)
    assert taken(tmp_path, {"id": ids[0], "label": "17.5"}, decoder=REGRESSION)["accepted"] == 1
    assert read_labels(tmp_path)[ids[0]].label == 17.5
    assert rejected(tmp_path, {"id": ids[0], "label": "many"}, REGRESSION)[0] == "bad-label"


def test_a_book_reads_on_as_the_journal_grows(tmp_path: Path) -> None:
    """Also what other processes write."""
    book = LabelBook(tmp_path)
    assert book.latest() == {}
    (first,) = journalled(tmp_path, "k")
    assert judged(book, [{"key": "k", "label": "yes"}], BINARY).accepted == 1
    (second,) = journalled(tmp_path, "k")
    taken(tmp_path, {"id": first, "label": "no"})
    assert book.latest()[first].label == "no"
    (new,) = judged(book, [{"key": "k", "label": "yes"}], BINARY).new
    assert new.id == second


def test_an_import_of_labels_deletes_nothing_of_the_journal(tmp_path: Path) -> None:
    """How long it is kept is its server's to say: `[serving.journal]` may keep more than any default."""
    (first,) = journalled(tmp_path, None)
    ((_, path),) = segments(tmp_path)
    year_ago = time.time() - 365 * 86_400
    os.utime(path, (year_ago, year_ago))
    assert taken(tmp_path, {"id": first, "label": "yes"})["accepted"] == 1
    assert path.is_file()
    assert set(read_labels(tmp_path)) == {first}


def test_a_book_forgets_what_retention_deletes(tmp_path: Path) -> None:
    """Labels and keys alike: a server that runs for years holds those of what its journal keeps."""
    book = LabelBook(tmp_path)
    for n in range(12):
        journalled(tmp_path, f"key-{n}")
        taken(tmp_path, {"key": f"key-{n}", "label": "yes"})
    assert judged(book, [{"key": "key-0", "label": "yes"}], BINARY).accepted == 1
    assert (len(book._labels), len(book._keys)) == (12, 12)
    for _, path in segments(tmp_path)[:12]:  # the predictions and labels of the first six
        path.unlink()
    late = LabelBook(tmp_path)  # one that never saw them
    for one in (book, late):
        (rejection,) = judged(one, [{"key": "key-0", "label": "yes"}], BINARY).rejected
        assert rejection.code == "unknown-prediction"
        assert judged(one, [{"key": "key-7", "label": "yes"}], BINARY) == LabelResult(1, [])
        assert (len(one._labels), len(one._keys)) == (6, 6)


def test_a_label_goes_with_the_segment_that_it_stands_in(tmp_path: Path) -> None:
    journalled(tmp_path, "a")
    taken(tmp_path, {"key": "a", "label": "yes"})
    journalled(tmp_path, "b")
    segments(tmp_path)[0][1].unlink()
    book = LabelBook(tmp_path)
    assert judged(book, [{"key": "b", "label": "yes"}], BINARY).accepted == 1
    assert (len(book._labels), len(book._keys)) == (1, 1)  # it goes with the segment that it stands in itself
    segments(tmp_path)[0][1].unlink()
    assert judged(book, [{"key": "b", "label": "yes"}], BINARY).accepted == 1
    assert len(book._labels) == 0


def test_keys_are_known_up_to_a_number_and_the_refusal_of_others_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were asked last; by id every label finds its prediction."""
    (first,) = journalled(tmp_path, "a")
    journalled(tmp_path, "b", "c", "a", "d")
    book = LabelBook(tmp_path)
    monkeypatch.setattr(book._keys, "most", 3)
    assert judged(book, [{"key": key, "label": "yes"} for key in ("a", "c", "d")], BINARY).accepted == 3
    (rejection,) = judged(book, [{"key": "b", "label": "yes"}], BINARY).rejected
    assert "of the 3 keys asked last; name older ones by id" in rejection.why
    assert judged(book, [{"id": first, "label": "yes"}], BINARY).accepted == 1


def test_labels_by_id_do_not_wait_for_keys_to_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first label by key reads the whole journal, which may take minutes."""
    (first,) = journalled(tmp_path, "a")
    book = LabelBook(tmp_path)
    begun, may_end = threading.Event(), threading.Event()
    scanned = book._keys._scan.new_payloads

    def slowly(start: bytes) -> Any:
        begun.set()
        assert may_end.wait(60)
        return scanned(start)

    monkeypatch.setattr(book._keys._scan, "new_payloads", slowly)
    reading = threading.Thread(target=book.read_keys)
    reading.start()
    try:
        assert begun.wait(60)
        assert judged(book, [{"id": first, "label": "yes"}], BINARY).accepted == 1
    finally:
        may_end.set()
        reading.join()
    assert judged(book, [{"key": "a", "label": "yes"}], BINARY).accepted == 1


def test_a_few_labels_do_not_wait_for_many_to_be_looked_up(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of many is a place in the journal; those that come meanwhile are taken, and what both name is stored once."""
    slow, quick = (client.predict({"age": 41})[0]["id"] for _ in range(2))
    begun, may_end = threading.Event(), threading.Event()

    def looked_up(folder: Path, parts: PredictionId) -> Answered:
        if str(parts)[:-4] == slow[:-4]:
            begun.set()
            assert may_end.wait(60)
        return find_answered(folder, parts)

    monkeypatch.setattr(labels, "find_answered", looked_up)

    async def ask() -> list[int]:
        many = asyncio.create_task(
            client.worker.take_labels([{"id": quick, "label": "yes"}, {"id": slow, "label": "no"}])
        )
        try:
            assert await asyncio.to_thread(begun.wait, 60)
            few = await asyncio.wait_for(client.worker.take_labels([{"id": quick, "label": "yes"}]), 60)
        finally:
            may_end.set()
        return [len(few.new), len((await many).new)]

    assert asyncio.run(ask()) == [1, 1]
    assert {one.label for one in read_labels(client.journal).values()} == {"yes", "no"}


def test_a_label_for_one_prediction_given_twice_at_once_is_stored_once(tmp_path: Path) -> None:
    """Within one request, too."""
    (first,) = journalled(tmp_path, None)
    result = accept_labels(tmp_path, [{"id": first, "label": "yes"}, {"id": first.lower(), "label": "yes"}], BINARY)
    assert (result.accepted, len(result.new)) == (2, 1)
