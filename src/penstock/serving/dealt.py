"""How a request is answered while there is a release: by one of its arms, or row by row by both.

A candidate costs nobody an answer: what it cannot answer, the live version does, and the failure is counted against it. So a client's
own mistake, which both refuse, is no error of the candidate; nor is that the server had no room for a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from penstock.errors import RequestError
from penstock.serving.arms import Arms, is_of_server
from penstock.serving.beside import beside
from penstock.serving.callers import ASKING
from penstock.serving.jobs import Awaited
from penstock.serving.refusals import refused
from penstock.serving.told import joined, pieces, told_by

if TYPE_CHECKING:
    from penstock.serving.asked import Asked
    from penstock.serving.callers import Asking
    from penstock.serving.follower import Loaded
    from penstock.serving.jobs import HeldPart, Reply
    from penstock.serving.predicting import Predicting
    from penstock.serving.urgency import Urgency

_MANY_ROWS = 1_000  # more are dealt in a thread


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
        reply = Awaited()
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
