"""`[serving]`: how the server answers, and what of it is journalled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from penstock.project.sections.section import Fault, Section, not_positive


class JournalSection(Section, frozen=True):
    keep_days: float = 90.0
    max_bytes: int = 10 * 2**30
    sample: float = 1.0

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


class ServingSection(Section, frozen=True):
    deadline_ms: float | None = None  # of requests that name none themselves
    abstain_below: float | None = None
    abstain_when_novel: bool = False
    extra_fields: Literal["refuse", "ignore"] = "refuse"
    max_body_bytes: int = 10 * 2**20
    consumers: Literal["auto", "declared", "any"] = "auto"  # who is answered without a token
    memory_mb: float = 1024.0  # of one worker process, for the models that it has loaded
    header_timeout_s: float = 10.0  # for the head of a request
    body_timeout_s: float = 30.0  # for its body, and a second more for each 64 kB
    keep_alive_s: float = 65.0  # how long a connection may lie idle
    max_connections: int | None = None  # of one worker; default: as many as the system lets it hold files open
    tls: TlsSection | None = None
    journal: JournalSection = JournalSection()
    history: HistorySection = HistorySection()
    queue: QueueSection = QueueSection()
    batching: BatchingSection = BatchingSection()

    def faults(self) -> Iterator[Fault]:
        if self.history.rows and self.journal.sample < 1:
            yield (
                "history",
                "earlier rows are read from the journal, and with sample below 1 some are not in it",
                "write sample = 1.0",
            )
        if self.abstain_below is not None and not 0 <= self.abstain_below < 1:
            yield "abstain_below", f"{self.abstain_below} is not a probability", "write for example 0.6"
        for name in ("header_timeout_s", "body_timeout_s", "keep_alive_s"):
            if not 1 <= getattr(self, name) <= 3600:
                yield name, f"{getattr(self, name)} is not from 1 to 3600", "write a number of seconds"
        yield from not_positive(self, "max_body_bytes", "memory_mb", "deadline_ms", "max_connections")
