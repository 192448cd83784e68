"""Every change of slots.json, one line each: what is asked when somebody wants to know which version answered, and when.

The line is written before slots.json is replaced, under the same lock. A change that was killed between the two left a line of an
epoch that never was: the next change takes that epoch again, and the last line of an epoch is the one that counts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from penstock.objects.files import naming_full_disk
from penstock.serving.folder import ServingFolder

GUARD, WATCHED = "guard", "watched"
"""How `by` begins where a guard has ended a release or a watch; where a watch has ended, and nothing came up."""


@dataclass(frozen=True, slots=True)
class Change:
    """What was so from `at` on.

    Attributes
    ----------
    live : `model`, `version`, `bundle` and `slot` of what answers by itself; None: nothing.
    release : `number`, `mode`, `share`, `sticky`, and the candidate's `model`, `version`, `bundle`, `slot`; None: no release.
    by : who changed it, and why.
    watch : `number`, `watch_s`, and `model`, `version`, `bundle`, `slot` of what stands by while the live version is watched; None: it is not.
    """

    epoch: int
    at: str
    by: str
    live: Mapping[str, Any] | None
    release: Mapping[str, Any] | None = None
    watch: Mapping[str, Any] | None = None


def note_change(state_dir: Path, change: Change) -> None:
    """Append a line, synced.

    Raises
    ------
    StoreFull : no space is left.
    """
    path = ServingFolder(state_dir).changes
    line = json.dumps(asdict(change), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    with naming_full_disk(path), path.open("ab+") as file:
        if file.tell() and _last_byte(path) != b"\n":  # a line that was cut off by a kill
            line = b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read_changes(state_dir: Path, upto: int) -> list[Change]:
    """The changes up to an epoch, oldest first, one for each epoch. Lines that a kill cut off are left out."""
    try:
        lines = ServingFolder(state_dir).changes.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    found: dict[int, Change] = {}
    for line in lines:
        try:
            change = Change(**json.loads(line))
        except (ValueError, TypeError):
            continue
        if change.epoch <= upto:
            found[change.epoch] = change
    return [found[epoch] for epoch in sorted(found)]


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)
