"""The two arms of a release, as one worker has them: who answers which rows, and what is counted of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.bundle.signature import Signature
from penstock.errors import BundleError, NotWritable, RequestError, StoreFull
from penstock.serving.arm_counts import ArmFile
from penstock.serving.refusals import OVERLOADED, TOO_LATE
from penstock.serving.releases import CANDIDATE_ARM, LIVE_ARM, WATCHED_ARM, Dealer, Release

if TYPE_CHECKING:
    from penstock.serving.follower import Loaded
    from penstock.serving.shadow import Shadow


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


def is_of_server(error: Exception) -> bool:
    """Whether a request failed by what this server has no room for, in its queue or its journal, whichever version it was for."""
    return isinstance(error, StoreFull | NotWritable) or (isinstance(error, RequestError) and error.code == OVERLOADED)


def is_too_late(error: Exception) -> bool:
    """Whether an answer would have missed its deadline: by the queue, or by a version that is slow."""
    return isinstance(error, RequestError) and error.code == TOO_LATE


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
