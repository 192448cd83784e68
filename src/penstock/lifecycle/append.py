"""Stage `append`: labelled traffic becomes rows of the data set; a hash share of them refills envelopes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from penstock.lifecycle.stages import Context, Stages
from penstock.objects.digests import canonical_json

if TYPE_CHECKING:
    import numpy as np

    from penstock.feedback.rows import LabelledRows
    from penstock.ledger.run import Run


def append(context: Context, run: Run, inputs: dict[str, Any], params: dict[str, Any]) -> None:
    """Decode labelled rows as the data set was decoded, correct outcomes that it has otherwise, deal and seal the others."""
    from penstock.data.append import append_rows, by_request_told, unplaced_told
    from penstock.data.versions import load_version

    taken = _unsealed(context, params["rows"])
    version = load_version(context.objects, inputs["dataset"])
    version = version.keyed(context.ledger)  # the journal holds in the clear what was hidden only since
    frame, unreadable = version.decoder.decode_rows(taken["rows"])
    y, unknown = version.decoder.decode_target_values(taken["labels"])
    was, _ = version.decoder.decode_target_values(taken["was"])
    result = append_rows(
        context.ledger,
        context.objects,
        inputs["dataset"],
        frame,
        y,
        was=was,
        asked_at=_asked_at(taken["ids"]),
        source={"kind": "labelled", "rows": params["rows"]},
        project=context.project.name,
        run=run.id,
        again=context.replay is not None,
    )
    run.keep("dataset", context.objects.get(result.version.digest), media="application/json")
    run.output("dataset", result.version.digest)
    run.output("added", result.rows)
    run.output("corrected", result.corrected)
    run.output("returned", result.returned)
    warnings = []
    if taken["lost"]:
        warnings.append(
            f"{taken['lost']} labelled predictions are not in the journal and could not be taken in: retrain sooner, or "
            "raise [serving.journal] keep_days; bring the journals of several servers together first"
        )
    if result.left_out:
        warnings.append(
            f"{result.left_out} labels are no class of the target ({unknown[0].why})"
            if unknown
            else f"{result.left_out} labels have no value"
        )
    if result.corrected:
        warnings.append(
            f"{result.corrected} rows that were taken in before have got the label that was corrected since"
        )
    if result.unplaced:
        warnings.append(unplaced_told(result.unplaced, version.split))
    if result.by_request:
        warnings.append(by_request_told(result.by_request, version.split))
    if unreadable:
        warnings.append(f"{len(unreadable)} values could not be read and count as missing")
    if result.returned:
        warnings.append(f"{result.returned} rows look like sealed test rows and went to the test part, too")
    run.output("warnings", warnings)


def _asked_at(ids: list[str]) -> np.ndarray:
    """When the predictions with these ids were asked for, microseconds since 1970."""
    import numpy as np

    from penstock.serving.prediction_ids import parse_id

    parsed = [parse_id(one) for one in ids]
    assert all(one is not None for one in parsed)  # the journal made them
    return np.array([one.time_ms for one in parsed if one is not None], dtype=np.int64) * 1000


def append_labelled(stages: Stages, dataset: str, rows: LabelledRows) -> str:
    """The version with these rows added. They are kept sealed, as the journal does not keep them for good."""
    from penstock.data.sealed_bytes import seal_bytes

    context = stages.context
    had = labels_within(context, dataset)
    was = [had.get(i) if had.get(i) != label else None for i, label in zip(rows.ids, rows.labels, strict=True)]
    taken = {"format": 1, "ids": rows.ids, "rows": rows.rows, "labels": rows.labels, "was": was, "lost": rows.lost}
    sealed = seal_bytes(context.ledger, context.objects, canonical_json(taken))
    done = stages.do("append", append, {"dataset": dataset}, {"rows": sealed})
    added = str(done.outputs["dataset"])
    context.ledger.datasets.set_head(context.project.name, added)
    return added


def rows_within(context: Context, *datasets: str | None) -> LabelledRows:
    """All labelled rows that these versions and their ancestors have taken in, each with the label that it got last."""
    from penstock.feedback.rows import LabelledRows

    found: dict[str, tuple[dict[str, Any], Any]] = {}
    for dataset in datasets:
        line = (
            [
                r
                for r in context.ledger.datasets.log(dataset)
                if r.source.get("kind") == "labelled" and r.forgotten_at is None  # later ones have its rows
            ]
            if dataset
            else []
        )
        for record in reversed(line):  # oldest first: what came later holds
            taken = _unsealed(context, record.source["rows"])
            found |= dict(zip(taken["ids"], zip(taken["rows"], taken["labels"], strict=True), strict=True))
    ids = sorted(found)  # ids sort by time
    return LabelledRows(ids, [found[i][0] for i in ids], [found[i][1] for i in ids])


def labels_within(context: Context, dataset: str | None) -> dict[str, Any]:
    """Prediction id -> label of these rows."""
    rows = rows_within(context, dataset)
    return dict(zip(rows.ids, rows.labels, strict=True))


def _unsealed(context: Context, digest: str) -> dict[str, Any]:
    from penstock.data.sealed_bytes import unseal_bytes

    taken: dict[str, Any] = json.loads(unseal_bytes(context.ledger, context.objects, digest))
    return taken
