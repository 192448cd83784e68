"""A release: what the idle slot does while another version is live. Canary, A/B or shadow, its share, its key and its guards.

A *watch* is a release turned round: the version is live already, answers all, and the one before stands by in the idle slot. What the new one
fails at, that one answers, and when a guard trips it is live again.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from typing import Any, Literal, TypeAlias, get_args

from penstock.errors import BadParameter
from penstock.serving.conditions import parse

Mode: TypeAlias = Literal["canary", "shadow", "ab", "watch"]
MODES: tuple[Mode, ...] = get_args(Mode)
TOLD = {"canary": "canary", "shadow": "shadow", "ab": "A/B", "watch": "watch"}
"""What the modes are called."""

LIVE_ARM, CANDIDATE_ARM = "live", "candidate"
"""The arms, as journal and metrics name them."""

WATCHED_ARM = "watched"
"""What the journal calls the candidate's arm in a watch, as it is live."""


@dataclass(frozen=True, slots=True)
class Guards:
    """When a release ends by itself.

    Attributes
    ----------
    trip : conditions (`penstock.serving.conditions`); the first that holds ends the release.
    window_s : they look at the requests of the last so many seconds.
    minimum_requests : of the candidate in the window; with fewer nothing is judged.
    checks : checks of the monitor that end the release where they alarm on the candidate's rows (`penstock monitor --guard`).
    watch_s : for so long a version that went live is watched, and the one before stands by; 0: not at all.
    """

    trip: tuple[str, ...] = ("errors > 0.01",)
    window_s: float = 60.0
    minimum_requests: int = 100
    checks: tuple[str, ...] = ("live-quality",)
    watch_s: float = 0.0

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Guards:
        return cls(**{**plain, "trip": tuple(plain["trip"]), "checks": tuple(plain["checks"])})


@dataclass(frozen=True, slots=True)
class Release:
    """A candidate beside the live version.

    Attributes
    ----------
    number : the epoch at which it began: what is counted belongs to this number.
    share : of the requests that the candidate answers; 0 for a shadow, which answers nobody.
    sticky : the field of a row by which arms are dealt: a value of it has one arm for as long as the share does not shrink
        past it. None: every request is dealt anew.
    displaced : what the candidate's slot held before, as the JSON of a `SlotEntry`; it goes back there when the release ends.
    reference, reference_arm : of a watch: the release or watch in which the version before was counted, and as which arm. None: it was
        not.
    """

    mode: Mode
    share: float = 0.0
    sticky: str | None = None
    guards: Guards = field(default_factory=Guards)
    number: int = 0
    started_at: str = ""
    displaced: Mapping[str, Any] | None = field(default=None, compare=False)
    reference: int | None = None
    reference_arm: str = LIVE_ARM

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Release:
        return cls(**{**plain, "guards": Guards.from_json(plain["guards"])})

    def check(self) -> None:
        """
        Raises
        ------
        BadParameter : a share that is none, an empty field, or a guard that cannot be read.
        """
        if self.mode != "shadow" and not 0 < self.share <= 1:
            raise BadParameter(
                f"the share is {self.share:g}", why="it is a part of all requests", way_out="write for example 10%"
            )
        if self.sticky is not None and not self.sticky:
            raise BadParameter("--sticky names no field", "it deals the arms", "name a field of a row, or leave it out")
        for text in self.guards.trip:
            parse(text)

    def told(self) -> str:
        """In a few words: ``canary of 10 % by customer_id``."""
        if self.mode == "watch":
            return f"watch for {told_length(self.guards.watch_s)}"
        share = "" if self.mode == "shadow" else f" of {self.share * 100:g} %"
        by = "" if self.sticky is None or self.mode == "shadow" else f" by {self.sticky}"
        return f"{TOLD[self.mode]}{share}{by}"


def told_length(seconds: float) -> str:
    """
    >>> told_length(5400), told_length(90)
    ('1.5 h', '1.5 min')
    """
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"


def parse_share(text: str, option: str = "the share") -> float:
    """A part of all requests, from ``10%`` or ``0.1``.

    Raises
    ------
    BadParameter : it is none between 0 (not included) and 1.

    >>> parse_share("10%")
    0.1
    """
    number = text.strip()
    try:
        share = float(number[:-1]) / 100 if number.endswith("%") else float(number)
    except ValueError:
        share = float("nan")
    if not 0 < share <= 1:
        raise BadParameter(
            f"{option} is {text!r}",
            why="it is a part of all requests, above 0 and at most 1",
            way_out="write 10% or 0.1",
        )
    return share


class Dealer:
    """Deals requests and rows to the two arms.

    A key's place between 0 and 1 is a hash of it and of the candidate's digest: the same in every worker and after every restart,
    and another one with the next candidate, so that it is not always the same customers who meet the new version first. The
    candidate has the places below the share: whoever is with it stays with it while the share grows.

    >>> dealer = Dealer("sha256:ab", 0.5)
    >>> dealer.takes(17) == dealer.takes("17") == dealer.takes(17.0)
    True
    """

    def __init__(self, candidate: str, share: float) -> None:
        self.share = share
        self._hash = blake2b(digest_size=8, key=blake2b(candidate.encode(), digest_size=32).digest())

    def takes(self, key: object) -> bool:
        """Whether the candidate answers this key; None deals by chance."""
        return (random.random() if key is None else self.place(key)) < self.share

    def place(self, key: object) -> float:
        """Between 0 and 1 (not included)."""
        hashed = self._hash.copy()
        hashed.update(_text(key))
        return int.from_bytes(hashed.digest(), "big") / 2**64


def _text(key: object) -> bytes:
    """A key as text: a number and its text are one key, as they are to a reader of the request."""
    if isinstance(key, float) and key.is_integer():
        key = int(key)
    return str(key).encode("utf-8", "surrogatepass")
