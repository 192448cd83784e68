"""What a batch job has answered, as runs of the ledger: from there it is found by who asks what was made of a version of the data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.project.project import Project

MAX_FILES = 1_000
"""So many inputs and outputs of one run are named with their digests; how many there were is told."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One input that was answered.

    Attributes
    ----------
    input : its name. digest : of its bytes; "" where that is not known (a table of a database).
    output : what was written, as people call it. path : where it lies, None where that is not a file of this machine.
    bundle : digest of the model that answered.
    """

    input: str
    digest: str
    output: str
    path: Path | None
    rows: int
    bundle: str
    model: str
    version: int | None


def record_answers(project: Project, answered: Iterable[Answered]) -> None:
    """A run for each model that answered: its bundle and the inputs' digests go in, the outputs' digests come out."""
    by_model: dict[tuple[str, int | None], list[Answered]] = {}
    for one in answered:
        by_model.setdefault((one.bundle, one.version), []).append(one)
    for (bundle, version), several in by_model.items():
        named = several[:MAX_FILES]
        inputs = {"bundle": bundle, "rows": {one.input: one.digest for one in named if one.digest}}
        params = {"outputs": list(dict.fromkeys(one.output for one in named))}
        with project.ledger.run("predict", inputs=inputs, params=params, project=project.name) as run:
            run.output("model", several[0].model)
            run.output("version", version)
            run.output("rows", sum(one.rows for one in several))
            run.output("files", len(several))
            run.output("answers", _digests(named))


def _digests(answered: Iterable[Answered]) -> dict[str, str]:
    """Of the outputs that lie on this machine; one that was moved away already has none."""
    from penstock.objects.files import sha256_file

    found: dict[str, str] = {}
    for one in answered:
        if one.path is not None and one.output not in found and one.path.is_file():
            found[one.output] = sha256_file(one.path)
    return found
