"""`[split]`: which rows train, validate and test."""

from __future__ import annotations

import re
from collections.abc import Iterator

from penstock.project.sections.section import Fault, Section, Share


class SplitSection(Section, frozen=True):
    valid: Share = 0.2
    test: Share = 0.2
    envelopes: int = 4
    by: str = "random"  # or "time:column", "group:column"
    seed: int = 0

    def faults(self) -> Iterator[Fault]:
        for key, share in (("valid", self.valid), ("test", self.test)):
            if not 0 < share < 1:
                yield key, f"{share} is not a share between 0 and 1", "write for example 0.2"
        if self.valid + self.test >= 0.95:
            yield "", f"valid + test = {self.valid + self.test:g} leaves too few training rows", "keep both at 0.2"
        if self.envelopes < 1:
            yield "envelopes", f"{self.envelopes} is not at least 1", "write 4"
        if self.by != "random" and not re.fullmatch(r"(time|group):.+", self.by):
            yield "by", f"{self.by!r} is no way to split", "write 'random', 'time:COLUMN' or 'group:COLUMN'"
