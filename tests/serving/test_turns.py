"""The queue: who comes first, who is answered together, who is refused."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any

import pytest

from penstock.bundle.runtime import Bundle
from penstock.errors import RequestError
from penstock.serving.asked import Asked, Rows
from penstock.serving.follower import Loaded
from penstock.serving.jobs import NEVER, Answered, Job, predicted
from penstock.serving.leaving import Ready, counted
from penstock.serving.settings import BatchingSettings
from penstock.serving.slots import SlotEntry
from penstock.serving.turns import Turns
from penstock.serving.urgency import HIGH, LOW, NORMAL
from penstock.testing.toy_bundle import ROWS, write_toy_bundle


@dataclass
class Told:
    """A reply that remembers, in a list that all share."""

    name: str
    log: list[tuple[str, str]]
    is_gone: bool = False
    at_ns: int = 0

    def answer(self, loaded: Loaded, predictions: bytes) -> None:
        self._note("answer " + predictions.decode())

    def refuse(self, error: Exception) -> None:
        self._note(error.code if isinstance(error, RequestError) else repr(error))

    def drop(self) -> None:
        self._note("gone")

    def _note(self, what: str) -> None:
        self.at_ns = perf_counter_ns()
        self.log.append((self.name, what))


@dataclass
class Plain:
    """Work without a journal: an answer says how many rows it is for."""

    fallback: Answered | None = None
    batches: list[int] = field(default_factory=list)
    refused: int = 0
    readied_by: list[str] = field(default_factory=list)
    fallen_back_by: list[str] = field(default_factory=list)

    def filled(self, job: Job) -> Rows:
        return job.asked.rows

    def made_ready(self, job: Job, answered: Answered) -> Ready:
        self.readied_by.append(threading.current_thread().name)
        return Ready((), None, counted([], 0.0), b"")

    def keep(self, job: Job, answered: Answered, ready: Ready | None = None) -> bytes:
        assert threading.current_thread() is threading.main_thread()
        return b"%d" % len(answered[1]) if answered is not self.fallback else b"fallback"

    def instead_ns(self, job: Job) -> int | None:
        return None if self.fallback is None else 50_000

    def instead(self, job: Job) -> Answered | None:
        self.fallen_back_by.append(threading.current_thread().name)
        return self.fallback

    def instead_took(self, job: Job, ns: int) -> None:
        assert threading.current_thread() is threading.main_thread()

    def shed(self) -> None:
        self.refused += 1

    def together(self, requests: int) -> None:
        self.batches.append(requests)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Bundle]:
    """A toy bundle by its toil."""
    folder, known = tmp_path_factory.mktemp("bundles"), {}

    def bundle(toil: int) -> Bundle:
        if toil not in known:
            known[toil] = Bundle.load(write_toy_bundle(folder / str(toil), toil=toil))
            known[toil].self_test()
        return known[toil]

    return bundle


def of(bundle: Bundle) -> Loaded:
    entry = SlotEntry(model="toy", version=1, bundle=bundle.digest, path="", deployment={})
    return Loaded.of("blue", entry, bundle)


def asked(
    turns: Turns, loaded: Loaded, reply: Told, n: int = 1, *, within_ms: float | None = None, **more: Any
) -> None:
    came = perf_counter_ns()
    due = NEVER if within_ms is None else came + int(within_ms * 1e6)
    turns.put(Job(Asked([ROWS[0]] * n), loaded, reply, came, due, **more))


def quick(turns: Turns, bundle: Bundle) -> Loaded:
    """A bundle that is known to answer in microseconds, however slow its self-test was on this machine."""
    turns.costs_of(bundle).learn(1, 50_000)
    return of(bundle)


async def settled(log: Sequence[object], n: int) -> None:
    deadline = time.monotonic() + 20
    while len(log) < n and time.monotonic() < deadline:
        await asyncio.sleep(0.001)
    assert len(log) >= n


def test_the_more_important_come_first_and_equals_in_their_order(bundles: Callable[[int], Bundle]) -> None:
    """Whatever order they came in."""
    log: list[tuple[str, str]] = []

    async def ask() -> None:
        turns = Turns(Plain(), max_wait_ms=5000, batching=BatchingSettings(max_rows=1))
        loaded = quick(turns, bundles(0))
        for name, priority in (("l1", LOW), ("n1", NORMAL), ("h1", HIGH), ("n2", NORMAL), ("l2", LOW), ("h2", HIGH)):
            asked(turns, loaded, Told(name, log), priority=priority)
        await settled(log, 6)

    asyncio.run(ask())
    assert [name for name, _ in log] == ["h1", "h2", "n1", "n2", "l1", "l2"]


def test_those_who_wait_are_answered_together_with_the_bits_that_each_gets_alone(
    bundles: Callable[[int], Bundle],
) -> None:
    """A wrong one among them is refused by itself."""
    bundle = bundles(0)
    jobs = [Job(Asked([row]), of(bundle), Told("", []), 0, rows=[row]) for row in (*ROWS, {"agee": 1}, *ROWS)]
    outcomes = predicted(jobs)
    for job, outcome in zip(jobs, outcomes, strict=True):
        if job.asked.rows == [{"agee": 1}]:
            assert isinstance(outcome, RequestError)
            assert outcome.path == "rows[0].agee"
        else:
            assert not isinstance(outcome, Exception)
            assert outcome[1] == bundle.predict(job.asked.rows)


def test_a_lone_request_is_not_held_back(bundles: Callable[[int], Bundle]) -> None:
    """It is answered in the very next round of the loop, by itself."""
    work, log = Plain(), []

    async def ask() -> int:
        turns = Turns(work, max_wait_ms=5000, batching=BatchingSettings())
        loaded = quick(turns, bundles(0))
        asked(turns, loaded, Told("warm", log))
        await settled(log, 1)
        asked(turns, loaded, Told("one", log))
        rounds = 0
        while len(log) < 2:
            rounds += 1
            await asyncio.sleep(0)
        return rounds

    assert asyncio.run(ask()) <= 2
    assert work.batches == []


def test_a_heavy_model_answers_those_who_wait_in_one_execution(bundles: Callable[[int], Bundle]) -> None:
    """While one execution runs the others gather; the loop goes on meanwhile."""
    work, log = Plain(), []
    longest = 0.0

    async def ask() -> None:
        nonlocal longest
        turns = Turns(work, max_wait_ms=60_000, batching=BatchingSettings(), threads=1)
        loaded = of(bundles(4))
        for i in range(33):
            asked(turns, loaded, Told(str(i), log))
        while len(log) < 33:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - began)
        turns.close()

    asyncio.run(ask())
    assert all(what == "answer 1" for _, what in log)
    assert sum(work.batches) >= 31
    assert len(work.batches) <= 4


def test_who_would_wait_for_too_long_is_refused_at_once_the_less_important_first(
    bundles: Callable[[int], Bundle],
) -> None:
    """With a time to come back; what waits already is not refused for it."""
    work, log = Plain(), []
    errors: list[RequestError] = []
    refusals: dict[int, int] = {HIGH: 0, NORMAL: 0, LOW: 0}

    async def ask() -> None:
        bundle = bundles(4)
        loaded = of(bundle)
        turns = Turns(work, max_wait_ms=20_000, batching=BatchingSettings(max_rows=1), threads=1)
        turns.costs_of(bundle).learn(1, 2_000_000_000)
        accepted = 0
        for _ in range(12):
            for priority in (LOW, NORMAL, HIGH):
                try:
                    asked(turns, loaded, Told(str(priority), log), priority=priority)
                    accepted += 1
                except RequestError as error:
                    errors.append(error)
                    refusals[priority] += 1
        await settled(log, accepted)
        turns.close()

    asyncio.run(ask())
    assert refusals[HIGH] < refusals[NORMAL] < refusals[LOW]
    assert {(error.code, error.status) for error in errors} == {("overloaded", 503)}
    assert all(int(error.headers["retry-after"]) >= 1 for error in errors)
    assert work.refused == sum(refusals.values())


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("case", ["deadline", "fallback", "none"])
def test_who_is_overtaken_without_end_is_told_in_time(
    bundles: Callable[[int], Bundle], monkeypatch: pytest.MonkeyPatch, case: str, beside: bool
) -> None:
    """A stream of what matters more never ends: a deadline, or else `max_wait_ms`, ends the wait of those behind it."""
    monkeypatch.setattr("penstock.serving.beside.BESIDE_NS", 0 if beside else NEVER)
    within_ms = 300.0
    work = Plain(fallback=([ROWS[0]], [{}]) if case == "fallback" else None)
    log: list[tuple[str, str]] = []
    told: list[tuple[str, str]] = []
    waits = Told("low", told)
    others: list[tuple[str, str]] = []
    max_wait_ms = within_ms if case == "none" else 60_000

    async def ask() -> None:
        turns = Turns(work, max_wait_ms=max_wait_ms, batching=BatchingSettings(max_rows=1), threads=1)
        loaded = quick(turns, bundles(0))

        class Urgent(Told):
            def _note(self, what: str) -> None:
                super()._note(what)
                if not log:  # two that stand in line for each other, so that the line is never without one of them
                    asked(turns, loaded, self, priority=HIGH)

        for _ in range(3):
            asked(turns, loaded, Urgent("high", others), priority=HIGH)
        deadline = None if case == "none" else within_ms
        for _ in range(10):
            came = perf_counter_ns()
            asked(turns, loaded, waits, priority=LOW, within_ms=deadline)
            while not told:
                await asyncio.sleep(0.001)
            took_ms = (waits.at_ns - came) / 1e6
            assert took_ms > within_ms / 2, "it was not refused before its time"
            assert took_ms < 10_000
            if told != [("low", "too-late")] or case != "fallback":
                break
            told.clear()  # a machine with much else to do was too late for the fallback, and knows by how much now
        log.extend(told)
        await settled(others, 3)
        turns.close()

    asyncio.run(asyncio.wait_for(ask(), 60))
    assert [what for _, what in log] == [
        {"deadline": "too-late", "fallback": "answer fallback"}.get(case, "overloaded")
    ]


def test_who_waits_beyond_the_limit_without_being_overtaken_is_answered(bundles: Callable[[int], Bundle]) -> None:
    """Those before it took longer than was known: it is the next, and to refuse it would help nobody."""
    log: list[tuple[str, str]] = []

    async def ask() -> None:
        bundle = bundles(4)
        turns = Turns(Plain(), max_wait_ms=1, batching=BatchingSettings(max_rows=1), threads=1)
        turns.costs_of(bundle).learn(1, 1_000)
        for _ in range(40):
            asked(turns, of(bundle), Told("a", log))
        await settled(log, 40)
        turns.close()

    asyncio.run(ask())
    assert {what for _, what in log} == {"answer 1"}


def test_who_went_away_is_not_predicted(bundles: Callable[[int], Bundle]) -> None:
    """Its turn is dropped."""
    log: list[tuple[str, str]] = []

    async def ask() -> None:
        turns = Turns(Plain(), max_wait_ms=5000, batching=BatchingSettings())
        for name, gone in (("a", False), ("b", True), ("c", False)):
            asked(turns, of(bundles(0)), Told(name, log, is_gone=gone))
        await settled(log, 3)

    asyncio.run(ask())
    assert sorted(log) == [("a", "answer 1"), ("b", "gone"), ("c", "answer 1")]


@pytest.mark.parametrize("with_fallback", [True, False])
def test_a_model_that_takes_longer_than_the_deadline_is_not_waited_for(
    bundles: Callable[[int], Bundle], with_fallback: bool
) -> None:
    """A fallback answers in time, though the model is at it; without one it is refused."""
    work = Plain(fallback=([ROWS[0]], [{}])) if with_fallback else Plain()
    log: list[tuple[str, str]] = []
    replies: list[Told] = []
    slowest = 0
    bundle = bundles(60)
    takes_ns = min(timed(bundle) for _ in range(3))
    within_ms = 0.4 * takes_ns / 1e6

    async def ask() -> None:
        nonlocal slowest
        loaded = of(bundle)
        turns = Turns(work, max_wait_ms=60_000, batching=BatchingSettings(), threads=1)
        turns.costs_of(bundle).learn(1, 3_000_000)  # it believes that the model is fast
        for _ in range(5):
            replies.append(Told("", log))
            came = perf_counter_ns()
            asked(turns, loaded, replies[-1], within_ms=within_ms)
            await settled(log, len(replies))
            slowest = max(slowest, replies[-1].at_ns - came)
        turns.close()

    asyncio.run(ask())
    told = [what for _, what in log]
    assert set(told) <= ({"answer fallback", "too-late"} if with_fallback else {"too-late"})
    assert told.count("answer fallback") >= (2 if with_fallback else 0)
    assert slowest < within_ms * 1e6 + 2 * takes_ns, "never later than one execution, with room for a busy machine"


@pytest.mark.parametrize(
    ("named", "code"), [(True, "deadline-too-short"), (False, "too-late")], ids=["its own", "declared"]
)
def test_a_deadline_that_no_answer_could_meet_is_the_mistake_of_who_names_it(
    bundles: Callable[[int], Bundle], named: bool, code: str
) -> None:
    """Not of who keeps to that of the server; and not while no answer shows how fast one can be, nor where another version is fast enough."""
    log: list[tuple[str, str]] = []
    work = Plain()
    takes_ns = min(timed(bundles(60)) for _ in range(2))

    async def ask() -> None:
        turns = Turns(work, max_wait_ms=60_000, batching=BatchingSettings(), threads=1)
        light, heavy = quick(turns, bundles(0)), of(bundles(60))
        asked(turns, light, Told("before", log), within_ms=0.001, names_due=named)
        await settled(log, 1)
        asked(turns, light, Told("usual", log))
        await settled(log, 2)
        asked(turns, light, Told("after", log), within_ms=0.001, names_due=named)
        await settled(log, 3)
        asked(turns, heavy, Told("heavy", log), within_ms=0.4 * takes_ns / 1e6, names_due=named)
        await settled(log, 4)
        turns.close()

    asyncio.run(ask())
    assert [(who, what) for who, what in log if who != "usual"] == [
        ("before", "too-late"),
        ("after", code),
        ("heavy", "too-late"),
    ]
    assert work.refused == (2 if named else 3)


@pytest.mark.parametrize("n", [1, 500])
def test_a_fallback_that_is_long_about_it_holds_nobody_up(bundles: Callable[[int], Bundle], n: int) -> None:
    """Many rows are answered in a thread, a few at once on the loop; either way once."""
    work = Plain(fallback=([ROWS[0]] * n, [{}] * n))
    log: list[tuple[str, str]] = []
    bundle = bundles(0)

    async def ask() -> None:
        turns = Turns(work, max_wait_ms=60_000, batching=BatchingSettings(), threads=1)
        for _ in range(20):
            turns.costs_of(bundle).learn(n, 60_000_000_000)  # it believes that the model is slow
        asked(turns, of(bundle), Told("", log), n, within_ms=0.01)
        await settled(log, 1)
        await asyncio.sleep(0.05)
        turns.close()

    asyncio.run(ask())
    assert log == [("", "answer fallback")]
    assert [name.startswith("fallback") for name in work.fallen_back_by] == [n > 1]
    assert [name.startswith("fallback") for name in work.readied_by] == [True] * (n > 1)


def test_what_becomes_of_many_answers_is_made_in_the_thread_of_the_model(bundles: Callable[[int], Bundle]) -> None:
    """Of a few it is not."""
    work = Plain()
    log: list[tuple[str, str]] = []

    async def ask() -> None:
        turns = Turns(work, max_wait_ms=60_000, batching=BatchingSettings(), threads=1)
        asked(turns, of(bundles(0)), Told("few", log), 3)
        asked(turns, of(bundles(0)), Told("many", log), 300)
        await settled(log, 2)
        turns.close()

    asyncio.run(ask())
    assert sorted(log) == [("few", "answer 3"), ("many", "answer 300")]
    assert [name.startswith("predict") for name in work.readied_by] == [True]


def timed(bundle: Bundle) -> int:
    began = perf_counter_ns()
    bundle.predict([ROWS[0]])
    return perf_counter_ns() - began


def test_rows_that_cannot_be_kept_refuse_their_request_alone(bundles: Callable[[int], Bundle]) -> None:
    """An error in what follows an execution reaches who asked, and the others are answered."""
    log: list[tuple[str, str]] = []

    class Failing(Plain):
        def keep(self, job: Job, answered: Answered, ready: Ready | None = None) -> bytes:
            if job.priority == LOW:
                raise RuntimeError("disk")
            return super().keep(job, answered)

    async def ask() -> None:
        turns = Turns(Failing(), max_wait_ms=5000, batching=BatchingSettings())
        for priority in (NORMAL, LOW, NORMAL):
            asked(turns, of(bundles(0)), Told(str(priority), log), priority=priority)
        await settled(log, 3)

    asyncio.run(ask())
    assert sorted(log) == [("1", "answer 1"), ("1", "answer 1"), ("2", "RuntimeError('disk')")]


def test_what_is_known_of_costs_keeps_no_bundle_alive(bundles: Callable[[int], Bundle]) -> None:
    """A model that is unloaded gives its memory back; another one never has the costs of one that was there before it."""
    turns = Turns(Plain(), max_wait_ms=5000, batching=BatchingSettings())
    fresh = Bundle.load(bundles(0).folder)
    assert not turns.costs_of(fresh).is_known
    turns.costs_of(fresh).learn(1, 5)
    gone = weakref.ref(fresh)
    del fresh
    gc.collect()
    assert gone() is None
    assert turns.costs_of(bundles(0)).is_known, "by its self-test"
