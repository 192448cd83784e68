"""What `[serving]` may say about a server. (Deadline, abstention and extra fields belong to the bundle's signature.)"""

from __future__ import annotations

import msgspec

from penstock.errors import BadParameter


class JournalSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much is journalled, and how long it is kept."""

    keep_days: float = 90.0
    max_bytes: int = 10_000_000_000
    sample: float = 1.0  # share of requests that are journalled
    segment_bytes: int = 64_000_000
    segment_age_s: float = 3600.0

    def check(self) -> None:
        """
        Raises
        ------
        BadParameter : a value is outside its bounds.
        """
        _check("[serving.journal] keep_days", self.keep_days, 0.0, None)
        _check("[serving.journal] max_bytes", self.max_bytes, 1_000_000, None)
        _check("[serving.journal] sample", self.sample, 0.0, 1.0)
        _check("[serving.journal] segment_bytes", self.segment_bytes, 1_000, 1_000_000_000)
        _check("[serving.journal] segment_age_s", self.segment_age_s, 0.001, None)


class ServeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one server behaves."""

    max_body_bytes: int = 10_000_000
    max_rows: int = 10_000  # of one request
    journal: JournalSettings = JournalSettings()
    poll_ms: float = 25.0  # how often a worker looks whether slots.json has changed
    stop_after_s: float = 30.0  # how long a stopping server waits for requests in flight
    keep_alive_s: float = 65.0

    def check(self) -> None:
        """
        Raises
        ------
        BadParameter : a value is outside its bounds.
        """
        _check("[serving] max_body_bytes", self.max_body_bytes, 1_000, 4_000_000_000)
        _check("[serving] max_rows", self.max_rows, 1, 1_000_000)
        _check("[serving] poll_ms", self.poll_ms, 1.0, 500.0)
        _check("[serving] stop_after_s", self.stop_after_s, 0.1, 3600.0)
        _check("[serving] keep_alive_s", self.keep_alive_s, 1.0, 3600.0)
        self.journal.check()


def _check(name: str, value: float, low: float, high: float | None) -> None:
    if value >= low and (high is None or value <= high):
        return
    bounds = f"at least {low:g}" if high is None else f"from {low:g} to {high:g}"
    raise BadParameter(f"{name} is {value:g}", why=f"it must be {bounds}", way_out=f"write a value {bounds}")
