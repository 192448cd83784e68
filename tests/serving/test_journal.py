"""The journal: written before the answer leaves, read whatever happened to its files."""

from __future__ import annotations

import errno
import json
import os
import resource
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import NewerFormat, NotFound, NotWritable, StoreFull
from penstock.serving.journal import find, read
from penstock.serving.journal_writer import JournalWriter, origin_of
from penstock.serving.prediction_ids import PredictionId, parse_id
from penstock.serving.retention import Retention
from penstock.serving.segments import ReadReport, segment_path, segments
from penstock.serving.settings import JournalSettings

ORIGIN = origin_of("toy", 3, "blue")


def answer(**more: Any) -> dict[str, Any]:
    return {
        "prediction": "yes", "decision": "answer", "reason": None, "withheld": None, "novelty": 0.25, "missing": [], **more
    }  # fmt: skip


def record(writer: JournalWriter, *rows: dict[str, Any], answers: list[dict[str, Any]] | None = None) -> list[str]:
    """Journal one request; its prediction ids."""
    body = json.dumps({"rows": list(rows)}).encode()
    leaving = writer.predictions(
        ORIGIN, body, answers or [answer() for _ in rows], at_ns=time.time_ns(), latency_ms=0.5
    )
    return [prediction["id"] for prediction in json.loads(leaving)]


def only_segment(folder: Path) -> Path:
    (found,) = segments(folder)
    return found[1]


def test_a_prediction_is_read_back_as_it_was(tmp_path: Path) -> None:
    """Rows as received, answers as sent, who answered, and when."""
    with JournalWriter(tmp_path) as writer:
        ids = record(writer, {"age": 41}, {"age": None})
        (found,) = read(tmp_path)
    assert (found.kind, found.model, found.version, found.slot) == ("predict", "toy", 3, "blue")
    assert found.rows == [{"age": 41}, {"age": None}]
    assert [a["id"] for a in found.answers] == ids
    assert found.latency_ms == 0.5
    assert abs(found.at - datetime.now(UTC)) < timedelta(minutes=1)


def test_what_was_withheld_stays_in_the_journal(tmp_path: Path) -> None:
    """The answer leaves without it."""
    with JournalWriter(tmp_path) as writer:
        withheld = {"prediction": "no"}
        leaving = writer.predictions(
            ORIGIN, b'{"rows":[{},{}]}', [answer(), answer(withheld=withheld)], at_ns=time.time_ns(), latency_ms=1.0
        )
        (found,) = read(tmp_path)
    assert b"withheld" not in leaving
    assert [a.get("withheld") for a in found.answers] == [None, withheld]


def test_an_id_leads_straight_to_its_record(tmp_path: Path) -> None:
    """No index, whatever stands before and after it."""
    with JournalWriter(tmp_path) as writer:
        ids = [record(writer, {"n": n}, {"n": -n}) for n in range(1, 50)]
        for n, (first, second) in enumerate(ids, 1):
            assert find(tmp_path, first)[0].rows[0] == {"n": n}
            found, row = find(tmp_path, second)
            assert found.rows[row] == {"n": -n}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"row": 5}, "that request had 1 rows"),
        ({"offset": 17}, "no prediction stands"),
        ({"segment": 77}, "was deleted by age or size"),
        ({"segment": 1 << 59}, "it is of another server, or of none"),
        ({"segment": 0}, "not journalled"),
        ({"time_ms": 12}, "another prediction stands"),
    ],
)
def test_an_id_that_was_never_given_says_why(tmp_path: Path, change: dict[str, int], why: str) -> None:
    """Each part of an id is checked."""
    with JournalWriter(tmp_path) as writer:
        (given_id,) = record(writer, {"age": 41})
        parts = parse_id(given_id)
        assert parts is not None
        wrong = PredictionId(
            **{"time_ms": parts.time_ms, "segment": parts.segment, "offset": parts.offset, "row": parts.row, **change}
        )
        with pytest.raises(NotFound) as error:
            find(tmp_path, str(wrong))
    assert why in error.value.why


def test_ids_sort_in_the_order_of_requests(tmp_path: Path) -> None:
    """Time first."""
    with JournalWriter(tmp_path) as writer:
        ids = [prediction for _ in range(200) for prediction in record(writer, {}, {})]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_each_writer_has_its_own_segment(tmp_path: Path) -> None:
    """Two processes never write to one file."""
    with JournalWriter(tmp_path) as one, JournalWriter(tmp_path) as other:
        ids = record(one, {"n": 1}) + record(other, {"n": 2})
        assert one.segment != other.segment
        assert [find(tmp_path, i)[0].rows[0]["n"] for i in ids] == [1, 2]


def test_a_segment_is_left_when_it_is_large_or_old(tmp_path: Path) -> None:
    """Rotation by size and by age; nothing is lost."""
    with JournalWriter(tmp_path, JournalSettings(segment_bytes=2_000)) as writer:
        for n in range(40):
            record(writer, {"n": n})
    by_size = len(segments(tmp_path))
    assert by_size > 3
    with JournalWriter(tmp_path, JournalSettings(segment_age_s=0.01)) as writer:
        for n in range(40, 43):
            record(writer, {"n": n})
            time.sleep(0.02)
    assert len(segments(tmp_path)) == by_size + 3
    assert [r.rows[0]["n"] for r in read(tmp_path)] == list(range(43))


def test_a_window_holds_its_start_and_not_its_end(tmp_path: Path) -> None:
    """since <= at < until."""
    with JournalWriter(tmp_path) as writer:
        for n in range(5):
            record(writer, {"n": n})
            time.sleep(0.002)
    at = [r.at for r in read(tmp_path)]
    assert [r.rows[0]["n"] for r in read(tmp_path, since=at[1], until=at[3])] == [1, 2]
    assert list(read(tmp_path, until=at[0] - timedelta(days=1))) == []
    assert list(read(tmp_path, since=at[4] + timedelta(days=1))) == []


def test_kinds_are_told_apart(tmp_path: Path) -> None:
    """Predictions, labels and errors share the file."""
    with JournalWriter(tmp_path) as writer:
        record(writer, {})
        writer.error(400, "wrong-type")
        writer.labels([{"id": "x", "label": 1}])
    assert [r.kind for r in read(tmp_path)] == ["predict", "error", "label"]
    (error,) = read(tmp_path, kinds=["error"])
    assert (error.status, error.code) == (400, "wrong-type")
    (label,) = read(tmp_path, kinds=["label"])
    assert label.labels == [{"id": "x", "label": 1}]


def test_an_empty_segment_leaves_no_file(tmp_path: Path) -> None:
    """A server that was asked nothing leaves nothing behind."""
    JournalWriter(tmp_path).close()
    assert segments(tmp_path) == []
    assert list(read(tmp_path / "nowhere")) == []


@pytest.mark.parametrize("cut", [1, 7, 9, 60])
def test_a_torn_tail_is_dropped_and_counted(tmp_path: Path, cut: int) -> None:
    """A crash in the middle of a write costs the record that was never acknowledged, nothing else."""
    with JournalWriter(tmp_path) as writer:
        record(writer, {"n": 1})
        whole = only_segment(tmp_path).stat().st_size
        record(writer, {"n": 2})
    path = only_segment(tmp_path)
    os.truncate(path, whole + cut)
    report = ReadReport()
    assert [r.rows[0]["n"] for r in read(tmp_path, report=report)] == [1]
    assert (report.torn_tails, report.skipped) == (1, 0)


def test_a_segment_without_a_header_is_a_torn_tail(tmp_path: Path) -> None:
    """A crash between making the file and writing its first line."""
    (tmp_path / "000000001.seg").write_bytes(b'{"for')
    report = ReadReport()
    assert list(read(tmp_path, report=report)) == []
    assert report.torn_tails == 1


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_in_the_middle_is_skipped_and_counted(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever bytes rot, the other records are read, and none is read wrongly."""
    folder = tmp_path_factory.mktemp("rot")
    with JournalWriter(folder) as writer:
        places = []
        for n in range(8):
            places.append(only_segment(folder).stat().st_size)
            record(writer, {"n": n})
    path = only_segment(folder)
    good = path.read_bytes()
    start = data.draw(st.integers(places[1], len(good) - 1))
    rot = data.draw(st.binary(min_size=1, max_size=300))
    bad = good[:start] + rot + good[start + len(rot) :]
    path.write_bytes(bad)
    report = ReadReport()
    numbers = [r.rows[0]["n"] for r in read(folder, report=report)]
    ends = [*places[1:], len(good)]
    touched = {n for n in range(8) if bad[places[n] : ends[n]] != good[places[n] : ends[n]]}
    assert numbers == [n for n in range(8) if n not in touched]
    to_the_end = 7 in touched  # not to be told from a write that was cut off
    assert (report.skipped, report.torn_tails) == (int(bool(touched) and not to_the_end), int(to_the_end))
    assert sum(report.damaged.values()) == report.skipped


def test_a_newer_journal_is_refused(tmp_path: Path) -> None:
    """With the way out."""
    (tmp_path / "000000001.seg").write_bytes(b'{"format":2,"kind":"penstock-journal","started_at":"2026"}\n')
    with pytest.raises(NewerFormat, match="format 2"):
        list(read(tmp_path))


def test_old_segments_are_deleted_but_never_an_open_one(tmp_path: Path) -> None:
    """Retention by age; the id of what is gone says that it expired."""
    with JournalWriter(tmp_path) as writer:
        (gone,) = record(writer, {})
    with JournalWriter(tmp_path) as writer:
        (kept,) = record(writer, {})
        for _, path in segments(tmp_path):
            os.utime(path, (1, 1))
        Retention(tmp_path, keep_days=1, max_bytes=10**9).apply()
        assert [number for number, _ in segments(tmp_path)] == [writer.segment]
        find(tmp_path, kept)
        with pytest.raises(NotFound) as error:
            find(tmp_path, gone)
    assert "deleted by age or size" in error.value.why


def test_a_journal_that_grows_too_large_loses_its_oldest_segments(tmp_path: Path) -> None:
    """Retention by size, at each rotation."""
    limits = JournalSettings(segment_bytes=2_000, max_bytes=10_000)
    with JournalWriter(tmp_path, limits) as writer:
        for n in range(200):
            record(writer, {"n": n})
    numbers = [r.rows[0]["n"] for r in read(tmp_path)]
    assert 5_000 < sum(path.stat().st_size for _, path in segments(tmp_path)) < 13_000
    assert numbers == list(range(numbers[0], 200))


def test_unsampled_predictions_say_so(tmp_path: Path) -> None:
    """They are answered with an id, and the id tells that nothing was kept."""
    with JournalWriter(tmp_path, JournalSettings(sample=0.0)) as writer:
        ids = record(writer, {}, {})
        assert len(set(ids)) == 2
        with pytest.raises(NotFound) as error:
            find(tmp_path, ids[0])
    assert "sample is below 1" in error.value.why
    assert list(read(tmp_path)) == []


def test_a_full_disk_is_told_and_leaves_no_half_record(tmp_path: Path) -> None:
    """The next record, once there is room, is read like any other."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with JournalWriter(tmp_path) as writer:
        record(writer, {"n": 1})
        size = only_segment(tmp_path).stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, before[1]))
        try:
            with pytest.raises(StoreFull, match="journal cannot be written"):
                record(writer, {"n": 2})
            with pytest.raises(StoreFull):
                record(writer, {"n": 3})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert only_segment(tmp_path).stat().st_size == size
        (last,) = record(writer, {"n": 4})
        find(tmp_path, last)
    report = ReadReport()
    assert [r.rows[0]["n"] for r in read(tmp_path, report=report)] == [1, 4]
    assert (report.torn_tails, report.skipped) == (0, 0)


def test_the_log_hears_once_that_requests_are_refused_for_a_full_disk(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not of each of them: it may stand on the same disk. Again once there is room, and of the next time that there is none."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with JournalWriter(tmp_path) as writer:
        for _ in range(2):
            record(writer, {})
            size = only_segment(tmp_path).stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, before[1]))
            try:
                for _ in range(50):
                    with pytest.raises(StoreFull):
                        record(writer, {})
                    writer.error(503, "store-full")
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
            writer.error(503, "store-full")
    said = [line.message.split("\n")[0] for line in caplog.records]
    assert said == ["the journal cannot be written, so no answer is given", "the journal is written again"] * 2


def test_a_request_that_looks_like_a_record_is_just_a_request(tmp_path: Path) -> None:
    """What clients send cannot pass for a record of the journal."""
    with JournalWriter(tmp_path) as writer:
        record(writer, {"note": '{"kind":"label","at":"2026"}\n{"kind":"predict"'})
        record(writer, {"n": 2})
    assert [r.kind for r in read(tmp_path)] == ["predict", "predict"]


def test_a_journal_that_may_be_left_out_answers_on_a_full_disk_and_is_written_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its ids tell that nothing was kept; the log hears of it twice, not at each request; labels are refused all the same."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with JournalWriter(tmp_path, JournalSettings(when_full="answer")) as writer:
        record(writer, {"n": 1})
        size = only_segment(tmp_path).stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, before[1]))
        try:
            ids = [record(writer, {"n": n})[0] for n in range(50)]
            with pytest.raises(StoreFull):
                writer.labels([{"id": ids[0]}])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        (last,) = record(writer, {"n": 4})
        find(tmp_path, last)
        assert writer.unwritten == 50
    assert len(set(ids)) == 50
    with pytest.raises(NotFound) as error:
        find(tmp_path, ids[0])
    assert "the disk was full" in error.value.why
    assert [r.rows[0]["n"] for r in read(tmp_path)] == [1, 4]
    assert len(caplog.records) == 2


def test_a_journal_that_cannot_even_begin_is_told_or_left_out(tmp_path: Path) -> None:
    """No room for the first line of a segment: nothing half-written stays behind, and it begins once there is room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
    try:
        with pytest.raises(StoreFull):
            JournalWriter(tmp_path)
        writer = JournalWriter(tmp_path, JournalSettings(when_full="answer"))
        record(writer, {"n": 1})
        assert list(tmp_path.iterdir()) == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    record(writer, {"n": 2})
    writer.close()
    assert [r.rows[0]["n"] for r in read(tmp_path)] == [2]


def test_a_folder_that_one_may_not_write_in_is_not_told_as_a_full_disk(tmp_path: Path) -> None:
    """As a volume is that belongs to another user; also where a full disk would not matter."""
    folder = tmp_path / "journal"
    folder.mkdir(mode=0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)  # root may write anywhere
    try:
        for when_full in ("refuse", "answer"):
            with pytest.raises(NotWritable, match="the journal cannot be written") as error:
                JournalWriter(folder, JournalSettings(when_full=when_full))
            assert "Permission denied" in error.value.why
            assert f"chown -R {os.geteuid()}:" in error.value.way_out
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE])
def test_what_is_no_full_disk_is_not_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A disk that fails, too many open files; answers that may leave without the journal do."""

    def fails(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with JournalWriter(tmp_path) as strict, JournalWriter(tmp_path, JournalSettings(when_full="answer")) as lenient:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", fails)
            with pytest.raises(NotWritable) as error:
                record(strict, {"n": 1})
            record(lenient, {"n": 2})
        record(strict, {"n": 3})
        assert lenient.unwritten == 1
    assert os.strerror(number) in error.value.why
    assert "room" not in error.value.way_out
    assert [found.rows[0]["n"] for found in read(tmp_path)] == [3]


def test_a_segment_of_the_last_second_that_there_is_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the clock of another machine left one there: no later number is left. Once it is moved away all is well."""
    last = segment_path(tmp_path, (1 << 60) - 1)
    last.touch()
    with pytest.raises(NotWritable, match=last.name) as error:
        JournalWriter(tmp_path)
    assert error.value.way_out == f"move it out of the journal: mv {last} {tmp_path.parent}/"
    last.unlink()
    with JournalWriter(tmp_path) as writer:
        record(writer, {"n": 1})
    monkeypatch.setattr(time, "time", lambda: float(1 << 32))
    with pytest.raises(NotWritable, match="clock of this machine"):
        JournalWriter(tmp_path)


def test_the_journals_of_several_processes_together_stay_below_their_limit(tmp_path: Path) -> None:
    """Also between two looks: what is open counts as if it were full."""
    limits = JournalSettings(max_bytes=64_000)
    writers = [JournalWriter(tmp_path, limits) for _ in range(4)]
    largest = 0
    for n in range(400):
        for writer in writers:
            record(writer, {"n": n, "note": "x" * 200})
        here = [path for _, path in segments(tmp_path)]
        total = 0
        for path in here:
            with suppress(FileNotFoundError):  # what is kept no longer goes meanwhile
                total += path.stat().st_size
        largest = max(largest, total)
    for writer in writers:
        writer.close()
    assert 30_000 < largest <= 64_000 + 4 * 700
