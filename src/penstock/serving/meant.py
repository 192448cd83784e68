"""Which version a request is about, for the journal: so that what others fail at, or what asks for nothing that is known, is not held against
the live version."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.serving.follower import Loaded

MEANT: ContextVar[bytes] = ContextVar("meant", default=b"")
"""Of the request that is being answered, as `about` says it; b"" until that is known. Only within a task of its own, as a context of a
connection outlives a request."""


def about(loaded: Loaded) -> bytes:
    """The origin of what a request asks; of one that a release deals, that of its live arm, which has the last word."""
    arms = loaded.arms
    return loaded.origin if arms is None or arms.is_watch else arms.live.origin
