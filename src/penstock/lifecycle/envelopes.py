"""Which opened envelopes count as validation rows of a run."""

from __future__ import annotations

from typing import Any

from penstock.lifecycle.ingest import spent_envelopes
from penstock.lifecycle.stages import CODE, Stages


def seen_envelopes(stages: Stages, inputs: dict[str, Any], params: dict[str, Any]) -> list[int]:
    """Indices of the envelopes whose rows choose between candidates. `inputs`: the other ones of the search.

    All that are opened; but where a search with the same data set, recipe and parameters is known, those that it had: so a
    `run` with nothing changed does nothing, also after a `deploy`, and the rows join with the next search.
    """
    context = stages.context
    opened = spent_envelopes(context, inputs["dataset"])
    for found in context.ledger.runs("search", "done", project=context.project.name):
        had = found.inputs.get("spent", [])
        same = found.inputs == {**inputs, "spent": had} and found.params == params
        if same and found.code == CODE["search"] and set(had) <= set(opened):
            if later := sorted(set(opened) - set(had)):
                shown = ", ".join(map(str, later))
                stages.warnings.append(
                    f"envelope {shown} was opened since; its rows join validation with the next search"
                )
            return list(had)
    return opened
