"""What is whole is given once; what is still written to is not; a file that cannot be answered does not stop the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from penstock.bundle.runtime import Bundle
from penstock.errors import PenstockError, SourceError
from penstock.objects.named import FolderFiles
from penstock.serving.batch.answering import Answering
from penstock.serving.batch.done import Done, FilePlace
from penstock.serving.batch.inputs import FilePart, Input, is_open_for_writing
from penstock.serving.batch.job import Each
from penstock.serving.batch.watching import Watch, follow

Write = Callable[..., Path]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(tmp_path: Path, clock: Clock) -> Watch:
    return Watch(_look(tmp_path), quiet_s=2.0, clock=clock)


def _look(folder: Path) -> Callable[[], Sequence[FilePart]]:
    return lambda: [FilePart(path, path.name) for path in sorted(folder.glob("*.csv"))]


def _names(watch: Watch) -> list[str]:
    parts = watch.whole()
    for part in parts:
        watch.give(part)
    return [part.name for part in parts]


def test_a_file_is_given_when_nobody_has_written_to_it_for_a_while(
    tmp_path: Path, watch: Watch, clock: Clock, write: Write
) -> None:
    """Once; and again where it changes."""
    write(tmp_path / "a.csv", 3)
    assert _names(watch) == []
    clock.now = 1.9
    assert _names(watch) == []
    write(tmp_path / "a.csv", 4)  # more has come
    clock.now = 2.5
    assert _names(watch) == []
    clock.now = 4.6
    assert _names(watch) == ["a.csv"]
    clock.now = 9.0
    assert _names(watch) == []
    write(tmp_path / "a.csv", 5)
    assert _names(watch) == []
    clock.now = 12.0
    assert _names(watch) == ["a.csv"]


def test_a_file_that_a_process_has_open_is_not_whole(tmp_path: Path, watch: Watch, clock: Clock, write: Write) -> None:
    """However long it writes nothing."""
    path = write(tmp_path / "a.csv", 3)
    if not _leases(path):
        pytest.skip("this system does not tell who writes to a file")
    with path.open("a") as file:
        assert _names(watch) == []
        clock.now = 60.0
        assert _names(watch) == []
        file.write("50,pilot\n")
    assert _names(watch) == []
    clock.now = 63.0
    assert _names(watch) == ["a.csv"]


def test_a_file_that_goes_away_is_forgotten(tmp_path: Path, watch: Watch, clock: Clock, write: Write) -> None:
    """Between two looks, and between look and state."""
    path = write(tmp_path / "a.csv", 3)
    assert _names(watch) == []
    path.unlink()
    clock.now = 9.0
    assert _names(watch) == []
    gone = FilePart(path, "a.csv")
    assert (gone.state(), gone.is_open()) == ("", False)


def test_a_bad_file_is_told_and_the_others_go_on(toy: Bundle, tmp_path: Path, write: Write) -> None:
    """It is taken when it has been put right. The file in hand is the last when it is said to stop."""
    folder = tmp_path / "in"
    write(folder / "a.csv", 3)
    (folder / "bad.csv").write_text("age,job\nold,nurse\n")
    answering = Answering(toy, threads=1)
    each = Each(FilePlace(FolderFiles(tmp_path / "out")), lambda: (answering, 1), {})
    stop, refused, done = Event(), [], []

    def told(what: Done) -> None:
        done.append(what.input)
        if what.input == "bad.csv":
            stop.set()

    def told_refused(name: str, error: PenstockError) -> None:
        refused.append((name, error.code))
        write(folder / "bad.csv", 2)
        write(folder / "c.csv", 2)

    watch = Watch(_look(folder), quiet_s=0.0)
    followed = follow(each, watch, stop, every_s=0.01, told=told, told_refused=told_refused)
    assert refused == [("bad.csv", "schema-mismatch")]
    assert done == ["a.csv", "bad.csv"], "c.csv comes after the stop"
    assert followed.refused == {}
    assert followed.result.rows == 5


@pytest.mark.parametrize("moment", ["before it is opened", "before it is read", "after it was read"])
def test_a_file_that_is_moved_away_meanwhile_is_told_and_the_others_go_on(
    toy: Bundle, tmp_path: Path, write: Write, moment: str
) -> None:
    """Whoever puts files into a folder may take them out again; nothing of them is answered, and nothing ends."""
    folder, stop, refused, done = tmp_path / "in", Event(), [], []
    write(folder / "a.csv", 3)
    write(folder / "b.csv", 2)

    def leave(name: str, at: str) -> None:
        if at == moment and name == "a.csv":
            (folder / "a.csv").rename(tmp_path / "elsewhere.csv")

    def looked(given: Input) -> Sequence[str]:
        leave(given.name, "before it is read")
        return ()

    def told(what: Done) -> None:
        done.append(what.input)
        stop.set()

    answering = Answering(toy, threads=1)
    each = Each(FilePlace(FolderFiles(tmp_path / "out")), lambda: (answering, 1), {}, look=looked)
    watch = Watch(lambda: [_Leaving(part, leave) for part in _look(folder)()], quiet_s=0.0)
    follow(
        each, watch, stop, every_s=0.01, told=told, told_refused=lambda name, error: refused.append((name, error.code))
    )
    assert refused == [("a.csv", "source")]
    assert done == ["b.csv"]
    assert not list((tmp_path / "out").glob("a*"))


@dataclass
class _Leaving:
    """A part of a folder that somebody takes away at some moment."""

    part: FilePart
    leave: Callable[[str, str], None]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.part, name)

    @contextmanager
    def opened(self) -> Iterator[Any]:
        self.leave(self.part.name, "before it is opened")
        with self.part.opened() as given:
            yield _LeavingInput(given, self.leave)


@dataclass
class _LeavingInput:
    given: Any
    leave: Callable[[str, str], None]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.given, name)

    def batches(self, numbers: Collection[str] = ()) -> Iterator[Any]:
        yield from self.given.batches(numbers)
        self.leave(self.given.name, "after it was read")


def test_a_place_that_does_not_answer_for_a_while_is_looked_at_again(toy: Bundle, tmp_path: Path, write: Write) -> None:
    """Told once for each reason. At the start it is a mistake, and ends there."""
    write(tmp_path / "in" / "a.csv", 3)
    looks, unseen, stop = iter(["", "no network", "no network", "no key", ""]), [], Event()

    def look() -> Sequence[FilePart]:
        reason = next(looks)
        if reason:
            raise SourceError("s3://bucket does not answer", why=reason, way_out="wait")
        return _look(tmp_path / "in")() if unseen else []

    answering = Answering(toy, threads=1)
    each = Each(FilePlace(FolderFiles(tmp_path / "out")), lambda: (answering, 1), {})
    followed = follow(
        each,
        Watch(look, quiet_s=0.0),
        stop,
        every_s=0.01,
        told=lambda done: stop.set(),
        told_unseen=lambda error: unseen.append(error.why),
    )
    assert unseen == ["no network", "no key"]
    assert followed.result.rows == 3
    with pytest.raises(SourceError, match="never"):
        follow(each, Watch(_never), Event())


def _never() -> Sequence[FilePart]:
    raise SourceError("it was never there", why="a typo", way_out="name it as it is")


def test_it_stops_while_it_waits(toy: Bundle, tmp_path: Path) -> None:
    """At once, not after the pause."""
    stop = Event()
    answering = Answering(toy, threads=1)
    each = Each(FilePlace(FolderFiles(tmp_path / "out")), lambda: (answering, 1), {})
    thread = Thread(target=follow, args=(each, Watch(list), stop), kwargs={"every_s": 60.0})
    thread.start()
    time.sleep(0.1)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


def _leases(path: Path) -> bool:
    with path.open("a"):
        return is_open_for_writing(path)
