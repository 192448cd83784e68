"""Tags and notes on runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.errors import BadParameter

if TYPE_CHECKING:
    from penstock.project.workspace import Workspace


@dataclass(frozen=True)
class Marked:
    """Runs with their tags and notes, as they are now."""

    runs: list[dict[str, Any]]

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {"runs": self.runs}

    def to_text(self) -> str:
        lines = []
        for run in self.runs:
            tags = " ".join(f"#{name}={text}" if text else f"#{name}" for name, text in run["tags"].items())
            lines.append(f"{run['id']} {tags or '(no tags)'}")
            lines += [f"  {n['at'][:16].replace('T', ' ')} {n['who']}: {n['text']}" for n in run["notes"]]
        return "\n".join(lines)


def tag_runs(
    workspace: Workspace, references: Sequence[str], words: Sequence[str] = (), *, remove: Sequence[str] = ()
) -> Marked:
    """Set tags (``name`` or ``name=text``) and remove others, on all of some runs.

    Raises
    ------
    NotFound : there is no such run; nothing is changed. BadParameter : a tag without a name.
    """
    ids = [workspace.ledger.get(reference).id for reference in references]
    tags: dict[str, str | None] = dict.fromkeys(remove)
    for word in words:
        name, _, text = word.partition("=")
        if not name.strip() or any(c in name for c in '"\\\n'):
            raise BadParameter(
                f"{word!r} is no tag", why="a tag has a name without quotes", way_out="write best, or stage=final"
            )
        tags[name.strip()] = text.strip()
    if tags:
        for run_id in ids:
            workspace.ledger.tag(run_id, tags)
    return _marked(workspace, ids)


def note_run(workspace: Workspace, reference: str, text: str | None = None) -> Marked:
    """Add a note to a run; without a text, show those that it has.

    Raises
    ------
    NotFound : there is no such run. BadParameter : an empty note.
    """
    run_id = workspace.ledger.get(reference).id
    if text is not None:
        if not text.strip():
            raise BadParameter("a note needs a text", why="it is empty", way_out="write what you saw, in quotes")
        workspace.ledger.note(run_id, text.strip())
    return _marked(workspace, [run_id])


def _marked(workspace: Workspace, ids: Sequence[str]) -> Marked:
    found = workspace.ledger.summaries(
        where=("r.id IN :ids", {"ids": list(ids)}), deleted=None, order="r.id", columns=["tags", "notes"]
    )
    return Marked([{"id": run.id, "tags": run.tags, "notes": run.notes} for run in found])
