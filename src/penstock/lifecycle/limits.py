"""How many rows of a part stages take into memory at once. (Loads no arrays: every run asks.)"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from penstock.lifecycle.stages import Context

SHARE_OF_MEMORY = 4  # a quarter of it, for the decoded rows and what is made of them
VALUE_BYTES = 100  # of a value, decoded, as features, and as the copies that learners make
TEXT_BYTES = 2_000


def row_limit(context: Context, dataset: str) -> dict[str, int]:
    """``{"max_rows": n}`` where a part of a version has more rows than are worked with at once, else ``{}``.

    It is an input of the stages that load rows, so that a run is known again, and can be reproduced, elsewhere. The limit is
    ``[search] max_rows``, or the power of two that a quarter of the machine's memory holds.
    """
    manifest = json.loads(context.objects.get(dataset))
    declared = context.project.declaration.search.max_rows
    limit = rows_that_fit(manifest["decoder"]["columns"], memory_bytes()) if declared is None else declared
    most = max(manifest["rows"]["train"], manifest["rows"]["valid"])
    return {"max_rows": limit} if most > limit else {}


def rows_that_fit(columns: list[dict[str, Any]], memory: int) -> int:
    """A power of two, so that machines that are nearly alike agree.

    >>> rows_that_fit([{"name": "a", "kind": "numeric"}] * 50, 16 * 2**30)
    524288
    """
    row = sum(TEXT_BYTES if column["kind"] == "text" else VALUE_BYTES for column in columns) or VALUE_BYTES
    return 1 << max(10, (memory // SHARE_OF_MEMORY // row).bit_length() - 1)


def memory_bytes() -> int:
    """Of the machine, or of the container that this process is in."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.is_file() else "max"
    return min(whole, int(text)) if text.isdigit() else whole


def told(part: str, taken: int, of: int) -> str:
    """The sentence for result, report and card."""
    return (
        f"{taken} of {of} {part} rows were used, drawn evenly: more do not fit into memory at once "
        "([search] max_rows sets how many do)"
    )
