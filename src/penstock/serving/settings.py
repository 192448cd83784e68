"""What `[serving]` may say about a server. (Abstention and extra fields belong to the bundle's signature.)"""

from __future__ import annotations

from typing import Literal

import msgspec

from penstock.errors import BadParameter


class JournalSettings(msgspec.Struct, frozen=True):
    """How much is journalled, and how long it is kept."""

    keep_days: float = 90.0
    max_bytes: int = 10 * 2**30
    sample: float = 1.0  # share of requests that are journalled
    segment_bytes: int = 64_000_000
    segment_age_s: float = 3600.0
    when_full: Literal["refuse", "answer"] = "refuse"  # what becomes of predictions while the disk is full
    unknown_labels: Literal["refuse", "keep"] = "refuse"  # of predictions that another server may have given

    def of_each(self, writers: int) -> JournalSettings:
        """As each of several writers keeps to them: what they have open together, and what they open next, grows to half of `max_bytes` at
        most, since only what is closed can be deleted."""
        most = max(1_000, self.max_bytes // (4 * writers))
        return msgspec.structs.replace(self, segment_bytes=min(self.segment_bytes, most))


class HistorySettings(msgspec.Struct, frozen=True):
    """How many earlier rows a server remembers for the columns that look back."""

    rows: int = 0  # of one key: those with the latest times; 0: none are kept
    keys: int = 100_000  # those that were asked last


class TlsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two files in PEM. Read again when they change."""

    certificate: str  # with its chain
    key: str


class QueueSettings(msgspec.Struct, frozen=True):
    """How long requests may wait for their turn."""

    max_wait_ms: float = 5000.0  # who would wait for longer is refused at once


class BatchingSettings(msgspec.Struct, frozen=True):
    """How many requests that wait are answered in one execution, where that is cheaper."""

    min_rows: int = 2  # so many must wait
    max_rows: int = 64  # 1: never


class LogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is written on stderr, and how."""

    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warning", "error"] = "warning"  # from "info" on, requests have lines
    sample: float = 1.0  # share of requests that have one


class LatencyObjective(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The share `p` of answers leaves within `ms` milliseconds."""

    p: float
    ms: float


class ObjectiveSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shares that must do well; None: no objective. See `penstock.serving.objectives`."""

    availability: float | None = None  # of requests
    latency: LatencyObjective | None = None
    answered: float | None = None  # of rows
    period_s: float = 30 * 86_400.0  # that the error budget is for


class ServeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one server behaves."""

    max_body_bytes: int = 10 * 2**20
    max_rows: int = 10_000  # of one request
    consumers: Literal["auto", "declared", "any"] = "auto"  # who may ask without a token: see penstock.serving.callers
    hosts: tuple[str, ...] = ()  # by which names it may be asked: see penstock.serving.hosts
    deadline_ms: float | None = None  # of requests that name none themselves
    queue: QueueSettings = QueueSettings()
    batching: BatchingSettings = BatchingSettings()
    journal: JournalSettings = JournalSettings()
    history: HistorySettings = HistorySettings()
    poll_ms: float = 25.0  # how often a worker looks whether slots.json has changed
    stop_after_s: float = 30.0  # how long a stopping server waits for requests in flight
    keep_alive_s: float = 65.0
    memory_mb: float = 1024.0  # of one worker, for what it has loaded: the slots' own, and as much of the shelf as fits
    header_timeout_s: float = 10.0  # from the first byte of a request to the end of its headers
    body_timeout_s: float = 30.0  # and a second more for each 64 kB; also: how long an answer waits to be read
    max_connections: int | None = None  # of one worker; None: as many as the system lets it hold files open
    max_unfinished_bytes: int | None = (
        None  # of one worker, over all connections; None: 128 MiB, or twice `max_body_bytes`
    )
    objectives: ObjectiveSettings = ObjectiveSettings()
    logs: LogSettings = LogSettings()
    traces: bool = False  # OpenTelemetry; where to is said by the environment
    tls: TlsSettings | None = None  # None: in the clear
    host: str = "127.0.0.1"  # that it listens on, as `serve` was told
    grpc_port: int | None = None  # None: no gRPC; 0: a free port, of one worker

    @property
    def unfinished_bytes(self) -> int:
        """What a worker may hold of requests that have not come whole yet."""
        return (
            max(128 * 2**20, 2 * self.max_body_bytes)
            if self.max_unfinished_bytes is None
            else self.max_unfinished_bytes
        )

    def check(self) -> None:
        """
        Raises
        ------
        BadParameter : a value is outside its bounds.
        """
        for name, (low, high) in _BOUNDS.items():
            _check(f"[serving] {name}", getattr(self, name), low, high)
        for name, (low, high) in _JOURNAL_BOUNDS.items():
            _check(f"[serving.journal] {name}", getattr(self.journal, name), low, high)
        for name, (low, high) in _HISTORY_BOUNDS.items():
            _check(f"[serving.history] {name}", getattr(self.history, name), low, high)
        _check("[serving.queue] max_wait_ms", self.queue.max_wait_ms, 1.0, None)
        _check("[serving.batching] min_rows", self.batching.min_rows, 2, 4096)
        _check("[serving.batching] max_rows", self.batching.max_rows, 1, 4096)
        if self.history.rows and self.journal.sample < 1:
            raise BadParameter(
                f"[serving.history] keeps rows, and [serving.journal] sample is {self.journal.sample:g}",
                why="earlier rows are read from the journal, and some would not be in it",
                way_out="write sample = 1.0, or rows = 0 and send the history along",
            )
        if self.grpc_port is not None:
            _check("[serving] grpc_port", self.grpc_port, 0, 65_535)
        wanted = self.objectives
        latency = wanted.latency
        shares = {"availability": wanted.availability, "answered": wanted.answered}
        for name, share in {**shares, "latency p": None if latency is None else latency.p}.items():
            if share is not None:
                _check(f"[serving.objectives] {name}", share, 1e-6, 0.999999)
        _check("[serving.objectives] period_s", wanted.period_s, 3600.0, 90 * 86_400.0)
        if latency is not None:
            _check("[serving.objectives] latency ms", latency.ms, 0.001, None)
        _check("[serving.logs] sample", self.logs.sample, 0.0, 1.0)
        if self.max_connections is not None:
            _check("[serving] max_connections", self.max_connections, 1, None)
        if self.max_unfinished_bytes is not None:
            _check("[serving] max_unfinished_bytes", self.max_unfinished_bytes, self.max_body_bytes, None)
        if self.deadline_ms is not None:
            _check("[serving] deadline_ms", self.deadline_ms, 0.001, None)


Bounds = dict[str, tuple[float, float | None]]

_BOUNDS: Bounds = {
    "max_body_bytes": (1_000, 4_000_000_000),
    "max_rows": (1, 1_000_000),
    "poll_ms": (1.0, 500.0),
    "stop_after_s": (0.1, 3600.0),
    "keep_alive_s": (1.0, 3600.0),
    "memory_mb": (1.0, None),
    "header_timeout_s": (1.0, 3600.0),
    "body_timeout_s": (1.0, 3600.0),
}
_HISTORY_BOUNDS: Bounds = {"rows": (0, 10_000), "keys": (1, 10_000_000)}
_JOURNAL_BOUNDS: Bounds = {
    "keep_days": (0.0, None),
    "max_bytes": (1_000_000, None),
    "sample": (0.0, 1.0),
    "segment_bytes": (1_000, 1_000_000_000),
    "segment_age_s": (0.001, None),
}


def _check(name: str, value: float, low: float, high: float | None) -> None:
    if value >= low and (high is None or value <= high):
        return
    bounds = f"at least {low:g}" if high is None else f"from {low:g} to {high:g}"
    raise BadParameter(f"{name} is {value:g}", why=f"it must be {bounds}", way_out=f"write a value {bounds}")
