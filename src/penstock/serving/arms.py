"""The two arms of a release in one worker, and how a request is answered while there is one.

A candidate costs nobody an answer: what it cannot answer, the live version does, and the failure is counted against it. So a client's
own mistake, which both refuse, is no error of the candidate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from penstock.bundle.signature import Signature
from penstock.errors import BundleError, RequestError
from penstock.serving.arm_counts import ArmFile
from penstock.serving.callers import ASKING
from penstock.serving.refusals import refused
from penstock.serving.releases import CANDIDATE_ARM, LIVE_ARM, Dealer, Release

if TYPE_CHECKING:
    from penstock.serving.asked import Asked
    from penstock.serving.follower import Loaded
    from penstock.serving.predicting import Predicting
    from penstock.serving.shadow import Shadow
    from penstock.serving.urgency import Urgency


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

    @property
    def named(self) -> dict[str, Any]:
        """What an answer of the candidate carries where the response names the live version."""
        return {"version": self.candidate.entry.version, "slot": self.candidate.slot}

    def deal(self, rows: Sequence[Any]) -> list[bool]:
        """For each row whether the candidate answers it. Rows without the key go by chance, those of one request together."""
        if self.release.mode == "shadow" or self.closed:
            return [False] * len(rows)
        by_chance = self.dealer.takes(None)
        sticky = self.release.sticky
        if sticky is None:
            return [by_chance] * len(rows)
        keys = [row.get(sticky) if isinstance(row, dict) else None for row in rows]
        return [by_chance if key is None else self.dealer.takes(key) for key in keys]


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
    dealt = arms.deal(asked.rows)
    if not any(dealt):
        return arms.live, await _by_live(predicting, arms, asked, came_ns, urgency)
    if all(dealt):
        return await _by_candidate(predicting, arms, asked, came_ns, urgency)
    mine = [i for i, by_candidate in enumerate(dealt) if not by_candidate]
    others = [i for i, by_candidate in enumerate(dealt) if by_candidate]
    try:
        merged = _at(mine, orjson.loads(await predicting.answer(arms.live, _part(asked, mine), came_ns, urgency)))
    except RequestError as error:
        raise _of_whole(error, mine) from error
    try:
        loaded, content = await _by_candidate(predicting, arms, _part(asked, others), came_ns, urgency)
    except RequestError as error:
        raise _of_whole(error, others) from error
    answers = orjson.loads(content)
    if loaded is arms.candidate:
        answers = [{**answer, **arms.named} for answer in answers]
    merged |= _at(others, answers)
    return arms.plain, orjson.dumps([merged[i] for i in range(len(dealt))])


async def _by_live(predicting: Predicting, arms: Arms, asked: Asked, came_ns: int, urgency: Urgency) -> bytes:
    try:
        answers = await predicting.answer(arms.live, asked, came_ns, urgency)
    except Exception as error:
        if not isinstance(error, RequestError) or error.status >= 500:  # a fault of ours, not of the request
            arms.counts.live.failed()
        raise
    if arms.shadow is not None and not arms.closed:
        arms.shadow.copy_later(asked, answers)
    return answers


async def _by_candidate(
    predicting: Predicting, arms: Arms, asked: Asked, came_ns: int, urgency: Urgency
) -> tuple[Loaded, bytes]:
    """The candidate's answers; where it has none, those of the live version, and the failure is counted.

    Raises
    ------
    whatever the live version raises in its place: then the request is at fault, or the server, and not the candidate.
    """
    try:
        return arms.candidate, await predicting.answer(arms.candidate, asked, came_ns, urgency)
    except Exception as error:  # noqa: BLE001  # whatever it is, the live version answers in its place
        failure = error
    answers = await predicting.answer(arms.plain, asked, came_ns, urgency)
    status = refused(failure)[0]  # to the log, where it is no PenstockError
    arms.counts.candidate.failed()
    predicting.journal_error(status, failure, ASKING.get(), arms.candidate.origin)
    return arms.plain, answers


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


def _part(asked: Asked, places: Sequence[int]) -> Asked:
    return replace(asked, rows=[asked.rows[i] for i in places], body=None)


def _at(places: Sequence[int], answers: Sequence[Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
    return dict(zip(places, answers, strict=True))


def refuse_other_form(live: tuple[int, Signature], candidate: tuple[int, Signature]) -> None:
    """Callers that do not know of a release must be able to read either arm's answers.

    Parameters
    ----------
    live, candidate : the number of each version, and its signature.

    Raises
    ------
    BundleError : the task, the classes or the interval differ.
    """
    forms = [(s.task, s.target.name, tuple(s.target.classes), s.interval is None) for _, s in (live, candidate)]
    if forms[0] != forms[1]:
        raise BundleError(
            f"version {candidate[0]} answers in another form than version {live[0]}, which is live",
            why="task, target, classes and interval of the two must be the same: their answers go to the same callers",
            way_out="deploy it as a whole (`penstock deploy --version N`), once callers are ready for it",
        )


def _with_arm(origin: bytes, arm: str) -> bytes:
    return origin + b',"arm":"%b"' % arm.encode()
