"""The two arms of a release in one worker, and how a request is answered while there is one.

A candidate costs nobody an answer: what it cannot answer, the live version does, and the failure is counted against it. So a client's
own mistake, which both refuse, is no error of the candidate; nor is that the server had no room for a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.bundle.signature import Signature
from penstock.errors import BundleError, RequestError, StoreFull
from penstock.serving.arm_counts import ArmFile
from penstock.serving.callers import ASKING
from penstock.serving.refusals import OVERLOADED, TOO_LATE, refused
from penstock.serving.releases import CANDIDATE_ARM, LIVE_ARM, WATCHED_ARM, Dealer, Release
from penstock.serving.told import beside, joined, pieces, told_by

if TYPE_CHECKING:
    from penstock.serving.asked import Asked
    from penstock.serving.callers import Asking
    from penstock.serving.follower import Loaded
    from penstock.serving.jobs import HeldPart, Reply
    from penstock.serving.predicting import Predicting
    from penstock.serving.shadow import Shadow
    from penstock.serving.urgency import Urgency


_MANY_ROWS = 1_000  # more are dealt in a thread


@dataclass
class Arms:
    """A release as a worker has it.

    Attributes
    ----------
    plain : the live version without an arm: for what the candidate failed at.
    live, candidate : as they answer within the release; the journal names the arm.
    shadow : where copies go; None where the candidate answers.
    closed : a guard has ended the release, and the next epoch is not here yet: the live version answers alone.
    """

    release: Release
    plain: Loaded
    live: Loaded
    candidate: Loaded
    counts: ArmFile
    dealer: Dealer
    shadow: Shadow | None = None
    closed: bool = field(default=False)

    @classmethod
    def of(cls, state_dir: Path, release: Release, live: Loaded, candidate: Loaded, name: str) -> Arms:
        """
        Raises
        ------
        BundleError : the candidate's answers have another form than those of the live version.
        """
        refuse_other_form(
            (live.entry.version, live.bundle.signature), (candidate.entry.version, candidate.bundle.signature)
        )
        counts = ArmFile(state_dir, release.number, name)
        return cls(
            release,
            live,
            replace(live, origin=_with_arm(live.origin, LIVE_ARM), counter=counts.live),
            replace(candidate, origin=_with_arm(candidate.origin, CANDIDATE_ARM), counter=counts.candidate),
            counts,
            Dealer(candidate.entry.bundle, release.share),
        )

    @classmethod
    def of_watch(cls, state_dir: Path, watch: Release, live: Loaded, before: Loaded, name: str) -> Arms:
        """What is live is watched and answers all; what was live before stands by."""
        counts = ArmFile(state_dir, watch.number, name)
        return cls(
            watch,
            before,
            replace(before, counter=counts.live),
            replace(live, origin=_with_arm(live.origin, WATCHED_ARM), counter=counts.candidate),
            counts,
            Dealer(live.entry.bundle, 1.0),
        )

    @property
    def is_watch(self) -> bool:
        return self.release.mode == "watch"

    def to_json(self) -> dict[str, Any]:
        """What `/model` says of it."""
        release = self.release
        return {
            "mode": release.mode,
            "share": release.share,
            "sticky": release.sticky,
            "candidate": {"version": self.candidate.entry.version, "slot": self.candidate.slot},
            "started_at": release.started_at,
            "guards": list(release.guards.trip),
        }

    def count_live(self, error: Exception) -> None:
        """Count a failure of the live arm, where it is its own: neither the request's, nor that of a server with too much to do."""
        of_request = isinstance(error, RequestError) and error.status < 500
        if not of_request and not is_of_server(error) and not is_too_late(error):
            self.counts.live.failed()

    def deal(self, rows: Sequence[Any]) -> list[bool]:
        """For each row whether the candidate answers it. Rows without the key go by chance, those of one request together."""
        if self.release.mode == "shadow" or self.closed:
            return [False] * len(rows)
        if self.is_watch:
            return [True] * len(rows)
        by_chance = self.dealer.takes(None)
        sticky = self.release.sticky
        if sticky is None:
            return [by_chance] * len(rows)
        keys = [row.get(sticky) if isinstance(row, dict) else None for row in rows]
        return [by_chance if key is None else self.dealer.takes(key) for key in keys]


def put_dealt(
    predicting: Predicting,
    arms: Arms,
    asked: Asked,
    came_ns: int,
    urgency: Urgency,
    reply: Reply,
    who: Asking | None,
) -> bool:
    """Have a request that names no version answered by its arm; False, and nothing done, where `answer_dealt` has to: its rows belong to
    both, or there are many.

    Raises
    ------
    RequestError : as `Predicting.put`.
    """
    if arms.is_watch:
        is_candidate = not arms.closed
    elif len(asked.rows) > _MANY_ROWS:  # hashing their keys takes long
        return False
    else:
        dealt = arms.deal(asked.rows)
        is_candidate = any(dealt)
        if is_candidate and not all(dealt):
            return False
    asking = _Asking(predicting, arms, asked, came_ns, urgency, reply, who)
    if is_candidate:
        asking.put_candidate()
    else:
        asking.put_live()
    return True


async def answer_dealt(
    predicting: Predicting, arms: Arms, asked: Asked, came_ns: int, urgency: Urgency
) -> tuple[Loaded, bytes]:
    """The answers to a request that names no version, and which version the response names.

    Where rows of one request belong to both arms, each arm answers its own; the response then names the live version, and the
    candidate's answers carry `version` and `slot`.

    Raises
    ------
    RequestError, StoreFull and whatever the live version raises.
    """

    held: list[HeldPart] = []

    async def answered(by_candidate: bool, places: Sequence[int] | None = None) -> tuple[Loaded, bytes]:
        reply = _Told(asyncio.get_running_loop().create_future())
        part = asked if places is None else replace(asked, rows=[asked.rows[i] for i in places], body=None)
        later = None if places is None else held
        asking = _Asking(predicting, arms, part, came_ns, urgency, reply, ASKING.get(), later)
        try:
            asking.put_candidate() if by_candidate else asking.put_live()
            return await reply.future
        except RequestError as error:
            if places is None:
                raise
            raise _of_whole(error, places) from error

    rows = asked.rows
    dealt = arms.deal(rows) if len(rows) <= _MANY_ROWS else await asyncio.to_thread(arms.deal, rows)
    if not any(dealt) or all(dealt):
        return await answered(any(dealt))
    mine = [i for i, by_candidate in enumerate(dealt) if not by_candidate]
    others = [i for i, by_candidate in enumerate(dealt) if by_candidate]
    await answered(by_candidate=False, places=mine)
    loaded, _ = await answered(by_candidate=True, places=others)
    # Only now: of a request that is refused nothing is kept.
    answers, of_others = predicting.keep_together(held)
    more = told_by(loaded.entry.version, loaded.slot) if loaded is arms.candidate else b""

    def merged() -> bytes:
        told = dict(zip([*mine, *others], [*pieces(answers), *pieces(of_others, more)], strict=True))
        return joined([told[i] for i in range(len(dealt))])

    return arms.plain, await beside(len(answers) + len(of_others), merged)


@dataclass(slots=True)
class _Asking:
    """A request of one arm, on its way: what it becomes is counted, and a failure of the candidate ends at the live version."""

    predicting: Predicting
    arms: Arms
    asked: Asked
    came_ns: int
    urgency: Urgency
    reply: Reply
    who: Asking | None
    held: list[HeldPart] | None = None  # see `Job`

    def put_live(self) -> None:
        """Raises as `Predicting.put`."""
        try:
            self.put(self.arms.live, _OfLive(self))
        except Exception as error:
            self.arms.count_live(error)
            raise

    def put_candidate(self) -> None:
        try:
            self.put(self.arms.candidate, _OfCandidate(self))
        except Exception as error:  # noqa: BLE001  # whatever it is, the live version is asked in its place
            self.put_instead(error)

    def put_instead(self, failure: Exception) -> None:
        """Ask the live version, as the candidate has failed."""
        try:
            self.put(self.arms.plain, _Instead(self, failure))
        except Exception as error:  # noqa: BLE001  # told to whoever asked
            self.reply.refuse(error)

    def put(self, loaded: Loaded, reply: Reply) -> None:
        self.predicting.put(loaded, self.asked, self.came_ns, self.urgency, reply, self.who, held=self.held)


@dataclass(slots=True)
class _OfArm:
    """What a reply of an arm leaves to whoever asked."""

    asking: _Asking

    @property
    def is_gone(self) -> bool:
        return self.asking.reply.is_gone

    def drop(self) -> None:
        self.asking.reply.drop()


@dataclass(slots=True)
class _OfLive(_OfArm):
    """The reply of the live arm."""

    def answer(self, loaded: Loaded, predictions: bytes) -> None:
        asking = self.asking
        asking.reply.answer(loaded, predictions)
        shadow = asking.arms.shadow
        if shadow is not None and not asking.arms.closed:
            shadow.copy_later(asking.asked, predictions)

    def refuse(self, error: Exception) -> None:
        self.asking.arms.count_live(error)
        self.asking.reply.refuse(error)


@dataclass(slots=True)
class _OfCandidate(_OfArm):
    """The reply of the candidate's arm."""

    def answer(self, loaded: Loaded, predictions: bytes) -> None:
        self.asking.reply.answer(loaded, predictions)

    def refuse(self, error: Exception) -> None:
        # Not at once: whoever refuses is in the middle of its own queue.
        asyncio.get_running_loop().call_soon(self.asking.put_instead, error)


@dataclass(slots=True)
class _Instead(_OfArm):
    """The reply of the live version where the candidate has failed. Where it fails as well, the request is at fault, or the server,
    and not the candidate."""

    failure: Exception

    def answer(self, loaded: Loaded, predictions: bytes) -> None:
        asking = self.asking
        asking.reply.answer(loaded, predictions)
        if is_of_server(self.failure):  # there was room again a moment later
            return
        status = refused(self.failure)[0]  # to the log, where it is no PenstockError
        asking.arms.counts.candidate.failed()
        asking.predicting.journal_error(status, self.failure, asking.who, asking.arms.candidate.origin)

    def refuse(self, error: Exception) -> None:
        self.asking.reply.refuse(error)


@dataclass(slots=True)
class _Told:
    """A reply that a coroutine waits for: who answered, and the answers."""

    future: asyncio.Future[tuple[Loaded, bytes]]

    @property
    def is_gone(self) -> bool:
        return self.future.done()

    def answer(self, loaded: Loaded, predictions: bytes) -> None:
        if not self.future.done():
            self.future.set_result((loaded, predictions))

    def refuse(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def drop(self) -> None:
        """Whoever waited was cancelled."""


def is_of_server(error: Exception) -> bool:
    """Whether a request failed by what this server has no room for, in its queue or its journal, whichever version it was for."""
    return isinstance(error, StoreFull) or (isinstance(error, RequestError) and error.code == OVERLOADED)


def is_too_late(error: Exception) -> bool:
    """Whether an answer would have missed its deadline: by the queue, or by a version that is slow."""
    return isinstance(error, RequestError) and error.code == TOO_LATE


def _of_whole(error: RequestError, places: Sequence[int]) -> RequestError:
    head, bracket, rest = error.path.partition("]")
    number = head.removeprefix("rows[")
    if not bracket or not number.isdigit() or int(number) >= len(places):
        return error
    path = f"rows[{places[int(number)]}]{rest}"
    what = error.what.replace(f"rows[{number}]", f"rows[{places[int(number)]}]")
    return RequestError(
        what, error.why, error.way_out, path=path, code=error.code, status=error.status, headers=error.headers
    )


def refuse_other_form(live: tuple[int, Signature], candidate: tuple[int, Signature]) -> None:
    """Callers that do not know of a release must be able to read either arm's answers.

    Parameters
    ----------
    live, candidate : the number of each version, and its signature.

    Raises
    ------
    BundleError : the task, the classes or the interval differ.
    """
    if form_of(live[1]) != form_of(candidate[1]):
        raise BundleError(
            f"version {candidate[0]} answers in another form than version {live[0]}, which is live",
            why="task, target, classes and interval of the two must be the same: their answers go to the same callers",
            way_out="deploy it as a whole (`penstock deploy --version N`), once callers are ready for it",
        )


def form_of(signature: Signature) -> tuple[Any, ...]:
    """What callers must know to read answers."""
    return signature.task, signature.target.name, tuple(signature.target.classes), signature.interval is None


def _with_arm(origin: bytes, arm: str) -> bytes:
    return origin + b',"arm":"%b"' % arm.encode()
