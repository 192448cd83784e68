"""`[serving]`: how the server answers, and what of it is journalled."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Literal

from penstock.project.sections.section import Fault, Section, not_positive

CANDIDATE_CHECKS = (
    "live-quality",
    "error-share",
    "latency-p99",
    "prediction-share",
    "confidence",
    "novelty-share",
    "drift",
    "missing-share",
    "unknown-values",
    "out-of-range",
    "unknown-words",
)
"""Checks of `penstock monitor` (a test holds this list against them: they are too heavy to import here)."""

_LENGTH = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds_of(length: str) -> float | None:
    """A length of time in seconds; None where it is none, or 0.

    >>> seconds_of("5m")
    300.0
    """
    match = _LENGTH.fullmatch(length.strip())
    return (float(match[1]) * _UNIT_S[match[2]] or None) if match else None


class JournalSection(Section, frozen=True):
    keep_days: float = 90.0
    max_bytes: int = 10 * 2**30
    sample: float = 1.0
    when_full: Literal["refuse", "answer"] = "refuse"  # predictions, while the disk of the journal is full
    unknown_labels: Literal["refuse", "keep"] = "refuse"  # whose prediction another server may have given

    def faults(self) -> Iterator[Fault]:
        if not 0 < self.sample <= 1:
            yield "sample", f"{self.sample} is not in (0, 1]", "write 1.0 to journal all"
        yield from not_positive(self, "max_bytes")


class HistorySection(Section, frozen=True):
    rows: int = 0  # earlier rows of one key that the server keeps for [history]; 0: none
    keys: int = 100_000

    def faults(self) -> Iterator[Fault]:
        if not 0 <= self.rows <= 10_000:
            yield "rows", f"{self.rows} is not from 0 to 10,000", "write for example 1000"
        yield from not_positive(self, "keys")


class TlsSection(Section, frozen=True):
    certificate: str  # a file in PEM, with its chain; relative to the project's folder
    key: str  # a file in PEM, without a password


class QueueSection(Section, frozen=True):
    max_wait_ms: float = 5000.0  # who would wait for longer is refused at once

    def faults(self) -> Iterator[Fault]:
        if not self.max_wait_ms >= 1:
            yield "max_wait_ms", f"{self.max_wait_ms:g} is below 1", "write for example 5000"


class BatchingSection(Section, frozen=True):
    min_rows: int = 2  # so many must wait before they are answered together
    max_rows: int = 64  # in one execution; 1: never together

    def faults(self) -> Iterator[Fault]:
        if not 2 <= self.min_rows <= 4096:
            yield "min_rows", f"{self.min_rows} is not from 2 to 4,096", "write for example 2"
        if not 1 <= self.max_rows <= 4096:
            yield "max_rows", f"{self.max_rows} is not from 1 to 4,096", "write for example 64, or 1 for never"


class GuardsSection(Section, frozen=True):
    """When a canary, an A/B test or a shadow ends by itself; see `penstock.serving.conditions`."""

    trip: tuple[str, ...] = ("errors > 0.01",)
    window: str = "60s"
    minimum_requests: int = 100
    checks: tuple[str, ...] = ("live-quality",)  # of the monitor, on the candidate's rows
    watch: str = "1h"  # for so long the version before stands by after a deploy; "off"

    def faults(self) -> Iterator[Fault]:
        from penstock.errors import BadParameter  # here: read with each command, needed by few
        from penstock.serving.conditions import parse

        for text in self.trip:
            try:
                parse(text)
            except BadParameter as error:
                yield "trip", f"{error.what}: {error.why}", error.way_out
        if seconds_of(self.window) is None:
            yield "window", f"{self.window!r} is no length of time", 'write for example "60s" or "5m"'
        if self.watch != "off" and seconds_of(self.watch) is None:
            yield "watch", f"{self.watch!r} is no length of time", 'write for example "1h", or "off"'
        for check in self.checks:
            if check not in CANDIDATE_CHECKS:
                near = difflib.get_close_matches(check, CANDIDATE_CHECKS, 1, 0.5)
                yield (
                    "checks",
                    f"{check!r} is no check of a candidate's rows; there are {', '.join(CANDIDATE_CHECKS)}",
                    f"write {near[0]!r}" if near else "remove it or use one of these",
                )
        yield from not_positive(self, "minimum_requests")


class LogsSection(Section, frozen=True):
    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warning", "error"] = "warning"  # from "info" on, requests have lines
    sample: float = 1.0  # share of requests that have one

    def faults(self) -> Iterator[Fault]:
        if not 0 <= self.sample <= 1:
            yield "sample", f"{self.sample} is not from 0 to 1", "write 1.0 for a line of each request"


class LatencySection(Section, frozen=True):
    p: float  # this share of answers
    ms: float  # leaves within so many milliseconds

    def faults(self) -> Iterator[Fault]:
        if not 0 < self.p < 1:
            yield "p", f"{self.p} is not between 0 and 1", "write for example 0.99"
        yield from not_positive(self, "ms")


class ObjectivesSection(Section, frozen=True):
    """Shares that must do well."""

    availability: float | None = None  # of requests: answered, or the client's own mistake
    latency: LatencySection | None = None
    answered: float | None = None  # of rows: the model does not abstain
    period: str = "30d"  # that the error budget is for: from "1h" to "90d"

    def faults(self) -> Iterator[Fault]:
        for name in ("availability", "answered"):
            share = getattr(self, name)
            if share is not None and not 0 < share < 1:
                yield name, f"{share} is not between 0 and 1", "write for example 0.999; 1 would leave no error budget"
        if not 3600 <= (seconds_of(self.period) or 0) <= 90 * 86_400:
            yield "period", f"{self.period!r} is no length of time from 1h to 90d", 'write for example "30d"'


class ServingSection(Section, frozen=True):
    deadline_ms: float | None = None  # of requests that name none themselves
    abstain_below: float | None = None
    abstain_when_novel: bool = False
    extra_fields: Literal["refuse", "ignore"] = "refuse"
    fallback: Literal["none", "prior", "linear"] = "none"  # what answers where the model would be too late
    missing: dict[str, Literal["fill", "refuse", "fallback"]] = {}  # what becomes of rows that lack a field
    max_body_bytes: int = 10 * 2**20
    consumers: Literal["auto", "declared", "any"] = "auto"  # who is answered without a token
    hosts: tuple[str, ...] = ()  # names by which it may be asked; default: on loopback, that alone; elsewhere any
    memory_mb: float = 1024.0  # of one worker process, for the models that it has loaded
    header_timeout_s: float = 10.0  # for the head of a request
    body_timeout_s: float = 30.0  # for its body, and a second more for each 64 kB
    keep_alive_s: float = 65.0  # how long a connection may lie idle
    max_connections: int | None = None  # of one worker; default: as many as the system lets it hold files open
    grpc_port: int | None = None  # where gRPC is answered as well; default: nowhere
    max_unfinished_bytes: int | None = None  # of one worker, of all requests that have not come whole yet
    objectives: ObjectivesSection = ObjectivesSection()
    logs: LogsSection = LogsSection()
    traces: bool = False  # OpenTelemetry; where to is said by the environment
    tls: TlsSection | None = None
    journal: JournalSection = JournalSection()
    history: HistorySection = HistorySection()
    queue: QueueSection = QueueSection()
    batching: BatchingSection = BatchingSection()
    guards: GuardsSection = GuardsSection()

    @property
    def declares_fallback(self) -> bool:
        """Whether another model is to answer in some cases."""
        return self.fallback != "none" or "fallback" in self.missing.values()

    def faults(self) -> Iterator[Fault]:
        if self.history.rows and self.journal.sample < 1:
            yield (
                "history",
                "earlier rows are read from the journal, and with sample below 1 some are not in it",
                "write sample = 1.0",
            )
        if self.abstain_below is not None and not 0 <= self.abstain_below < 1:
            yield "abstain_below", f"{self.abstain_below} is not a probability", "write for example 0.6"
        for host in self.hosts:
            if not _HOST.fullmatch(host):
                yield (
                    "hosts",
                    f"{host!r} is no name of a machine",
                    'write it without scheme and port, such as "models.example.com"',
                )
        for name in ("header_timeout_s", "body_timeout_s", "keep_alive_s"):
            if not 1 <= getattr(self, name) <= 3600:
                yield name, f"{getattr(self, name)} is not from 1 to 3600", "write a number of seconds"
        if self.grpc_port is not None and not 1 <= self.grpc_port <= 65_535:
            yield (
                "grpc_port",
                f"{self.grpc_port} is no port",
                "write a number from 1 to 65535, such as 8001; for a free one: penstock serve --grpc-port 0",
            )
        yield from not_positive(self, "max_body_bytes", "memory_mb", "deadline_ms", "max_connections")
        if self.max_unfinished_bytes is not None and self.max_unfinished_bytes < self.max_body_bytes:
            yield (
                "max_unfinished_bytes",
                f"{self.max_unfinished_bytes:,} is less than max_body_bytes, {self.max_body_bytes:,}: the largest body could never come",
                "write as much at least",
            )
