"""`[split]`: which rows train, validate and test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from penstock.project.sections.section import Fault, Section, Share
from penstock.project.split_settings import SplitSettings, faults


class SplitSection(Section, frozen=True):
    valid: Share = 0.2
    test: Share = 0.2
    envelopes: int = 4
    by: str = "random"  # or "time:column", "group:column", "column:column", "files"
    seed: int = 0
    gap: str | float = 0  # by time: "7d", or a number in the column's unit
    values: dict[str, tuple[str | int | float | bool, ...]] | None = None  # by column: part = what it says of it
    files: dict[str, str] = {}  # by files: part = path; the training rows are in [data] source
    twins: str | None = None  # rows that are written alike under different keys: "together" or "apart"

    def faults(self) -> Iterator[Fault]:
        for key, share in (("valid", self.valid), ("test", self.test)):
            if not 0 < share < 1:
                yield key, f"{share} is not a share between 0 and 1", "write for example 0.2"
        if self.valid + self.test >= 0.95:
            yield "", f"valid + test = {self.valid + self.test:g} leaves too few training rows", "keep both at 0.2"
        for why, setting, way_out in faults(self):
            yield setting.partition(" ")[0], f"{setting}: {why}", f"write {way_out}"

    @property
    def settings(self) -> SplitSettings:
        """What of it decides how rows are dealt: which parts have files, but not where they lie."""
        return SplitSettings(**{**msgspec.structs.asdict(self), "files": tuple(self.files)})

    def to_json(self) -> dict[str, Any]:
        return self.settings.to_json()
