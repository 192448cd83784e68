"""What a search remembers of its trials, and where: the ledger's trials keep this protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Trial(Protocol):
    """One candidate that was tried.

    `params` are those that the fit began with, `threads` those that it had. `details` holds ``params`` (those to finish it
    with, see `FittedLearner.params`), ``stopped_at`` (the check of its deadline at which time was up, None where it never
    was), ``fit_s``, ``elapsed_s`` (of the whole search when the trial ended), ``eligible`` (whether there was time left to
    finish it), and ``error``.
    """

    @property
    def number(self) -> int: ...
    @property
    def learner(self) -> str: ...
    @property
    def params(self) -> dict[str, Any]: ...
    @property
    def state(self) -> Any: ...  # "done", "failed", "timeout"
    @property
    def value(self) -> float | None: ...
    @property
    def seconds(self) -> float: ...
    @property
    def threads(self) -> int: ...
    @property
    def details(self) -> dict[str, Any]: ...


class TrialStore(Protocol):
    """Trials by search, durable when `add` returns. One process adds to a search."""

    def add(
        self,
        search: str,
        number: int,
        learner: str,
        params: dict[str, Any],
        state: Any,
        value: float | None = None,
        *,
        seconds: float = 0.0,
        threads: int = 1,
        details: dict[str, Any] | None = None,
    ) -> Trial: ...

    def of(self, search: str) -> Sequence[Trial]:
        """By number."""
        ...
