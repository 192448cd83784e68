"""Which version a request is about, for the journal: so that what others fail at is not held against the live version."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.serving.follower import Loaded

MEANT: ContextVar[bytes] = ContextVar("meant", default=b"")
"""Of the request that is being answered, as `about` says it. Only within a task of its own, as a context of a connection outlives a request."""


def about(loaded: Loaded, live: Loaded) -> bytes:
    """The origin of what a request names; b"" where it is what answers by itself, through whichever arm of a release."""
    return b"" if loaded is live else loaded.origin
