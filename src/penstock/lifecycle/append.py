"""Stage `append`: labelled traffic becomes rows of the data set; a hash share of them refills envelopes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from penstock.lifecycle.stages import Context, Stages
from penstock.objects.digests import canonical_json

if TYPE_CHECKING:
    from penstock.feedback.rows import LabelledRows
    from penstock.ledger.run import Run


def append(context: Context, run: Run, inputs: dict[str, Any], params: dict[str, Any]) -> None:
    """Join predictions and labels, decode them as the data set was decoded, deal and seal them."""
    from penstock.data.append import append_rows
    from penstock.data.versions import load_version
    from penstock.feedback.rows import labelled_rows

    project = context.project
    wanted = dict(json.loads(context.objects.get(params["labels"])))
    rows = labelled_rows(project.journal_folder, only=wanted.keys())
    version = load_version(context.objects, inputs["dataset"])
    frame, unreadable = version.decoder.decode_rows(rows.rows)
    y, unknown = version.decoder.decode_target_values([wanted[prediction] for prediction in rows.ids])
    result = append_rows(
        context.ledger,
        context.objects,
        inputs["dataset"],
        frame,
        y,
        source={"kind": "labelled", "labels": params["labels"]},
        project=project.name,
        run=run.id,
        again=context.replay is not None,
    )
    run.keep("dataset", context.objects.get(result.version.digest), media="application/json")
    run.output("dataset", result.version.digest)
    run.output("added", result.rows)
    run.output("returned", result.returned)
    warnings = []
    if lost := len(wanted) - len(rows):
        warnings.append(f"{lost} labelled predictions are no longer in the journal")
    if result.left_out:
        warnings.append(
            f"{result.left_out} labels are no class of the target ({unknown[0].why})"
            if unknown
            else "labels without a value"
        )
    if unreadable:
        warnings.append(f"{len(unreadable)} values could not be read and count as missing")
    if result.returned:
        warnings.append(f"{result.returned} rows look like sealed test rows and went to the test part, too")
    run.output("warnings", warnings)


def append_labelled(stages: Stages, dataset: str, rows: LabelledRows) -> str:
    """The version with these rows added."""
    context = stages.context
    pairs = [[prediction, label] for prediction, label in zip(rows.ids, rows.labels, strict=True)]
    labels = context.objects.put(canonical_json(pairs))
    done = stages.do("append", append, {"dataset": dataset}, {"labels": labels})
    added = str(done.outputs["dataset"])
    context.ledger.datasets.set_head(context.project.name, added)
    return added


def labels_within(context: Context, dataset: str | None) -> dict[str, Any]:
    """Prediction id -> label of all labelled rows that a version and its ancestors have taken in."""
    found: dict[str, Any] = {}
    while dataset is not None:
        record = context.ledger.datasets.get(dataset)
        if record.source.get("kind") == "labelled":
            found = {**dict(json.loads(context.objects.get(record.source["labels"]))), **found}
        dataset = record.parent
    return found
