"""Each file is answered once: also where the job is killed, at any moment; what has changed is answered anew."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from penstock.bundle.runtime import Bundle
from penstock.errors import BadParameter, DamagedStore, NewerFormat, SchemaMismatch, SourceError
from penstock.objects.named import FolderFiles
from penstock.serving.batch.answering import Answering
from penstock.serving.batch.done import RECORDS, FilePlace
from penstock.serving.batch.inputs import FilePart
from penstock.serving.batch.job import BatchResult, Each, answer_each

Write = Callable[..., Path]


class Job:
    """Answers the files of a folder."""

    def __init__(self, bundle: Bundle, folder: Path, **more: Any) -> None:
        self.folder, self.out = folder / "in", folder / "out"
        self._bundle, self._more = bundle, more

    def parts(self) -> Iterator[FilePart]:
        for path in sorted(self.folder.rglob("*.csv")):
            yield FilePart(path, path.relative_to(self.folder).as_posix())

    def do(self, **more: Any) -> BatchResult:
        answering = Answering(self._bundle, threads=1)
        each = Each(
            FilePlace(FolderFiles(self.out)), lambda: (answering, 3), **{"settings": {"v": 1}, **self._more, **more}
        )
        return answer_each(each, self.parts())

    def outputs(self) -> dict[str, bytes]:
        return {p.relative_to(self.out).as_posix(): p.read_bytes() for p in sorted(self.out.rglob("*.csv"))}


@pytest.fixture
def job(toy: Bundle, tmp_path: Path, write: Write) -> Job:
    for i in range(3):
        write(tmp_path / "in" / f"{i}.csv", 4 + i)
    write(tmp_path / "in" / "year=2024" / "x.csv", 2)
    return Job(toy, tmp_path)


def test_a_second_time_nothing_is_answered(job: Job) -> None:
    """And says what was left."""
    first = job.do()
    assert (first.rows, first.files, first.skipped) == (17, ["0.csv", "1.csv", "2.csv", "year=2024/x.csv"], [])
    assert sorted(job.outputs()) == first.files
    second = job.do()
    assert (second.rows, second.files, second.skipped) == (0, [], first.files)


def test_a_changed_file_is_answered_anew_and_a_new_one_too(job: Job, write: Write) -> None:
    """Only these."""
    job.do()
    before = job.outputs()
    write(job.folder / "1.csv", 5, age=20)  # as many rows, and as many bytes
    write(job.folder / "new.csv", 1)
    assert job.do().files == ["1.csv", "new.csv"]
    now = job.outputs()
    assert now["1.csv"] != before["1.csv"]
    assert {name: now[name] for name in before if name != "1.csv"} == {n: b for n, b in before.items() if n != "1.csv"}


def test_a_moved_time_alone_is_no_change(job: Job) -> None:
    """Files are known by their bytes."""
    job.do()
    os.utime(job.folder / "0.csv", (1, 1))
    assert job.do().files == []


def test_other_settings_and_a_lost_output_are_answered_anew(job: Job) -> None:
    """What lies there is what the same command would write."""
    job.do()
    (job.out / "2.csv").unlink()
    (job.out / "0.csv").write_text("cut")
    assert job.do().files == ["0.csv", "2.csv"]
    assert len(job.do(settings={"v": 2}).files) == 4
    assert len(job.do(settings={"v": 2}, again=True).files) == 4


def test_another_version_leaves_what_is_done_unless_it_is_named(job: Job, toys: Callable[..., Path]) -> None:
    """A release does not answer years of files again; who names a version wants its answers."""
    job.do()
    other = Job(Bundle.load(toys(2)), job.folder.parent)
    assert other.do().files == []
    assert len(other.do(named=True).files) == 4
    assert other.do(named=True).files == []


def test_what_was_answered_before_a_bad_file_stays(job: Job) -> None:
    """Nothing of the bad one is written; put right, it is the only one that is left."""
    good = (job.folder / "1.csv").read_text()
    (job.folder / "1.csv").write_text("age,job\n41,nurse\nold,nurse\n")
    with pytest.raises(SchemaMismatch, match=r"1\.csv: row 1, column 'age'"):
        job.do()
    assert list(job.outputs()) == ["0.csv"]
    (job.folder / "1.csv").write_text(good)
    assert job.do().skipped == ["0.csv"]


def test_a_file_that_changes_while_it_is_answered_leaves_nothing(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither output nor record: its digest is not that of the rows."""
    answers = Answering.answers

    def meddled(self: Answering, given: Any, tally: Any) -> Iterator[Any]:
        yield from answers(self, given, tally)
        with given.path.open("a") as file:
            file.write("1,pilot\n")

    monkeypatch.setattr(Answering, "answers", meddled)
    with pytest.raises(SourceError, match="changed while it was read"):
        job.do()
    assert job.outputs() == {}
    assert not (job.out / RECORDS).exists()


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_moment_each_file_is_answered_once(job: Job, when: str) -> None:
    """The process dies at each of its renames in turn; what the next one finds, it does not do again."""
    job.do()
    expected = job.outputs()
    for moment in range(1, 9):  # four outputs and four records
        job.out = job.folder.parent / f"{when}-{moment}"
        assert _killed_at(moment, when, job.do)
        there = job.outputs()
        assert there.items() <= expected.items(), "an output is whole, or is not there"
        result = job.do()
        assert job.outputs() == expected
        finished = (moment if when == "after" else moment - 1) // 2
        assert len(result.skipped) == finished
        assert job.do().files == []


def test_a_record_that_is_damaged_or_newer_is_refused(job: Job) -> None:
    """With the way out."""
    job.do()
    record = next((job.out / RECORDS).iterdir())
    record.write_text('{"format": 99}')
    with pytest.raises(NewerFormat):
        job.do()
    record.write_text("{")
    with pytest.raises(DamagedStore, match="cannot be read"):
        job.do()
    record.unlink()
    assert len(job.do().files) == 1


def _killed_at(moment: int, when: str, work: Callable[[], Any]) -> bool:
    """Do it in a process that is killed at its n-th rename; whether it was."""
    child = os.fork()
    if child == 0:
        replace, count = os.replace, 0

        def deadly(*names: Any) -> None:
            nonlocal count
            count += 1
            if count == moment and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            replace(*names)
            if count == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        os.replace = deadly  # type: ignore[assignment]
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_answers_to_another_input_stay_as_they_are(job: Job, write: Write) -> None:
    """Also where that input has gone; a file that comes later under such a name is refused, and the others go on."""
    from penstock.serving.batch.watching import Watch, follow

    answering = Answering(job._bundle, threads=1)
    (job.folder / "0.csv").rename(job.folder / "0.jsonl.csv")
    job.do()
    kept = job.outputs()["0.jsonl.csv"]
    (job.folder / "0.jsonl.csv").unlink()
    (job.folder / "0.jsonl").write_text('{"age": 41}\n')
    write(job.folder / "9.csv", 2)
    each = Each(FilePlace(FolderFiles(job.out)), lambda: (answering, 3), settings={"v": 1})
    parts = [FilePart(job.folder / name, name) for name in ("0.jsonl", "9.csv")]
    stop = Event()
    followed = follow(each, Watch(lambda: parts, quiet_s=0.0), stop, every_s=0.0, told=lambda done: stop.set())
    assert list(followed.refused) == ["0.jsonl"]
    assert followed.refused["0.jsonl"].code == "source"
    assert followed.result.files == ["9.csv"]
    assert job.outputs()["0.jsonl.csv"] == kept


def test_a_link_back_to_what_is_read_is_not_replaced(job: Job) -> None:
    """Looked at for each file: a link may come while a folder is watched."""
    job.out.symlink_to(job.folder)
    before = (job.folder / "0.csv").read_bytes()
    with pytest.raises(BadParameter, match="is an input, too"):
        job.do()
    assert (job.folder / "0.csv").read_bytes() == before
