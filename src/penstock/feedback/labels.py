"""Labels from files, and what is known of them. They are kept in the journal, beside the predictions that they speak of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from penstock.errors import LabelError
from penstock.project.live import live_bundle
from penstock.project.project import Project
from penstock.serving.instants import iso_of, parse_instant
from penstock.serving.journal import read
from penstock.serving.judges import judges_of
from penstock.serving.labels import accept_labels, read_labels
from penstock.serving.prediction_ids import parse_id
from penstock.serving.shelf import read_shelf

FIELDS = ("id", "key", "model", "label", "author", "at")


@dataclass(frozen=True)
class ImportResult:
    """Outcome of `penstock label import`."""

    accepted: int
    rejected: list[dict[str, Any]]

    @property
    def exit_code(self) -> int:
        return 1 if self.rejected else 0

    def to_json(self) -> dict[str, Any]:
        return {"accepted": self.accepted, "rejected": self.rejected}

    def to_text(self) -> str:
        lines = [f"{self.accepted} labels accepted, {len(self.rejected)} rejected"]
        lines += [f"  row {r['index'] + 1}: {r['why']} ({r['code']})" for r in self.rejected[:10]]
        if len(self.rejected) > 10:
            lines.append(f"  and {len(self.rejected) - 10} more; --json lists all")
        lines.append("next: penstock monitor, or penstock retrain")
        return "\n".join(lines)


def import_labels(project: Project, file: Path | str, *, author: str | None = None) -> ImportResult:
    """Take labels from a table with the columns `label` and `id` or `key`, and optionally `model`, `author` and `at`.

    The project's own names are taken, too: that of the target for `label`, that of the key column for `key`. Importing the same file again changes nothing; a label that differs is a correction.

    Raises
    ------
    LabelError : the table has no column `label`, or neither `id` nor `key`, or one that is unknown.
    """
    from penstock.objects.tabular import ReadOptions
    from penstock.objects.text_rows import read_text

    path = Path(file)
    table = read_text(path, ReadOptions())
    data = project.declaration.data
    table = table.rename_columns(_as_fields(table.column_names, key=data.key, target=data.target))
    names = set(table.column_names)
    if "label" not in names or not names & {"id", "key"} or names - set(FIELDS):
        raise LabelError(
            f"{path.name} is no table of labels",
            why=f"its columns are {', '.join(table.column_names)}",
            way_out=f"name them label (or {data.target}), id or key{f' (or {data.key})' if data.key else ''}, "
            "and optionally model, author and at",
        )
    items = []
    for row in table.to_pylist():
        item = {name: value for name, value in row.items() if value not in (None, "")}
        if data.key == "id" and "key" not in item and parse_id(item.get("id", "")) is None:
            item = {"key" if name == "id" else name: value for name, value in item.items()}
        items.append({"author": author, **item} if author else item)
    entry, bundle = live_bundle(project)
    others = judges_of(project.serving_state, read_shelf(project.serving_state), {(entry.model, entry.version): bundle})
    result = accept_labels(
        project.journal_folder, items, bundle.decoder, bundle.read_key, model=entry.model, others=others
    )
    record_label_events(project)
    return ImportResult(result.accepted, [r.to_json() for r in result.rejected])


def _as_fields(names: list[str], *, key: str | None, target: str) -> list[str]:
    """Columns that are called as in the data set, called as a label's fields are.

    >>> _as_fields(["customer", "churned"], key="customer", target="churned")
    ['key', 'label']
    """
    own = {
        name: field for name, field in ((key, "key"), (target, "label")) if field not in names and name not in FIELDS
    }
    return [own.get(name, name) for name in names]


def record_label_events(project: Project) -> None:
    """Bring the audit trail up to date: one event for the labels, corrections included, that came since the last one.

    A server knows no ledger; so labels that came over HTTP are recorded when the next command looks at them.
    """
    audit = project.ledger.audit
    told = [e.details["through"] for e in audit.events() if e.what == "label" and e.subject == project.name]
    since = parse_instant(told[-1]) + timedelta(microseconds=1) if told else None
    records = list(read(project.journal_folder, since=since, kinds=("label",)))
    if records:
        labels = [label for record in records for label in record.labels]
        authors = Counter(label["author"] or "unnamed" for label in labels)
        through = iso_of(max(record.at for record in records))
        audit.append("label", project.name, {"labels": len(labels), "authors": dict(authors), "through": through})


@dataclass(frozen=True)
class LabelStatus:
    """Outcome of `penstock label status`. `unmatched` labels are of predictions that are not in the journal: deleted, or of another server."""

    predictions: int
    labels: int
    values: dict[str, int]
    unmatched: int = 0

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "predictions": self.predictions,
            "labels": self.labels,
            "values": self.values,
            "unmatched": self.unmatched,
        }

    def to_text(self) -> str:
        values = ", ".join(f"{value} {count}" for value, count in self.values.items())
        said = f"{self.labels} of {self.predictions} journalled predictions have a label"
        said += f": {values}" if values else ""
        if self.unmatched:
            said += f"\nnot in this journal: the predictions of {self.unmatched} more: deleted by age or size, or of another server"
        return said


def label_status(project: Project) -> LabelStatus:
    """Count predictions of the project's own model, and their labels: not those of others that its server answers for."""
    labels = read_labels(project.journal_folder)
    record_label_events(project)
    predictions = 0
    values: Counter[str] = Counter()
    for record in read(project.journal_folder, kinds=("predict",)):
        is_own = record.model == project.name
        predictions += len(record.answers) if is_own else 0
        for answer in record.answers:
            label = labels.pop(answer["id"], None)
            if is_own and label is not None:
                values[str(label.label)] += 1
    return LabelStatus(predictions, values.total(), dict(values.most_common(20)), len(labels))
