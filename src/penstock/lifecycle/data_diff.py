"""`penstock data diff`: what changed from one version to another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from penstock.data.references import Reference, find_version
from penstock.errors import BadParameter, NotFound
from penstock.project.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np

    from penstock.data.shift import Shift
    from penstock.ledger.items import ItemVersion

SHOWN = 10


@dataclass(frozen=True)
class DataDiff:
    """Two versions.

    Attributes
    ----------
    rows : of tables: added, removed, changed, unchanged; None of what is no table. files : of items, by what became of them.
    columns : added, removed. shifts : columns whose values are distributed otherwise. notes : what was not looked at, and why.
    """

    first: str
    second: str
    kind: str
    rows: dict[str, Any] | None = None
    files: dict[str, list[str]] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)
    shifts: tuple[Shift, ...] = ()
    notes: tuple[str, ...] = ()

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "first": self.first,
            "second": self.second,
            "kind": self.kind,
            "rows": self.rows,
            "files": self.files,
            "columns": self.columns,
            "shifts": [shift.to_json() for shift in self.shifts],
            "notes": list(self.notes),
        }

    def to_text(self) -> str:
        lines = [f"{self.first} -> {self.second}"]
        if self.rows is not None:
            told = ", ".join(f"{self.rows[word]} {word}" for word in ("added", "removed", "changed", "unchanged"))
            lines.append(f"rows: {told}")
        for sign, word in (("+", "added"), ("~", "changed"), ("-", "removed")):
            paths = self.files.get(word, [])
            lines += [f"  {sign} {path}" for path in paths[:SHOWN]]
            if len(paths) > SHOWN:
                lines.append(f"  {sign} and {len(paths) - SHOWN} others")
        for word in ("added", "removed"):
            lines += [f"column {name} is {'new' if word == 'added' else 'gone'}" for name in self.columns.get(word, [])]
        lines += [f"column {n}: {a} is now {b}" for n, (a, b) in self.columns.get("kinds", {}).items()]
        beyond = sorted((s for s in self.shifts if s.beyond_chance), key=lambda s: -s.size)
        if beyond:
            lines += ["distributions that differ by more than chance:", *(shift.to_text() for shift in beyond)]
        elif self.shifts:
            lines.append("no distribution differs by more than chance")
        return "\n".join([*lines, *self.notes])


def diff_data(workspace: Workspace, first: str, second: str | None = None, *, key: str | None = None) -> DataDiff:
    """Compare two versions of one kind: data sets by their rows, items file by file, and tables among them row by row.

    Parameters
    ----------
    second : by default `first` is compared with the version before it (of a data set, its parent).
    key : column that tells the rows of tables apart; of data sets it is declared, and this is refused.

    Raises
    ------
    NotFound : there is no such version, or none before it. AccessError : one is restricted to others.
    BadParameter : a data set and an item cannot be compared, or the key is none.
    """
    new = find_version(workspace, first)
    old = _before(workspace, new)
    if second is not None:
        old, new = new, find_version(workspace, second)
    if (old.item is None) != (new.item is None):
        raise BadParameter(
            f"{old.name} and {new.name} cannot be compared",
            why="one is a version of the data set, the other of a data item",
            way_out="name two of one kind; `penstock data log` lists them",
        )
    if old.item is None or new.item is None:
        if key is not None:
            raise BadParameter(
                "the rows of a data set have the key that was declared",
                why=f"--key {key} was given",
                way_out="leave --key out",
            )
        return _datasets(workspace, old, new)
    return _items(workspace, old.item, new.item, key)


def _before(workspace: Workspace, new: Reference) -> Reference:
    if new.item is None:
        parent = workspace.ledger.datasets.get(new.digest).parent
        earlier = None if parent is None else Reference(parent, parent[7:19], None)
    else:
        earlier = None
        if new.item.number > 1:
            version = workspace.ledger.items.get(f"{new.item.name}@{new.item.number - 1}")
            earlier = Reference(version.digest, version.reference, version)
    return earlier or new


def _datasets(workspace: Workspace, old: Reference, new: Reference) -> DataDiff:
    """Rows are counted of all parts, also sealed ones; distributions are told of training rows alone."""
    from penstock.bundle.kinds import Kind
    from penstock.data.doors import read_part
    from penstock.data.shift import shift_of_numbers, shift_of_values
    from penstock.data.versions import diff, load_version

    if old.digest == new.digest:
        raise NotFound(f"{new.name} has no version before it", why="it is the first", way_out="name two versions")
    versions = [load_version(workspace.objects, reference.digest) for reference in (old, new)]
    found = diff(workspace.objects, *versions).to_json()
    frames = [read_part(workspace.ledger, workspace.objects, version, "train")[0] for version in versions]
    shifts = []
    for name, kind in frames[1].kinds.items():
        if frames[0].kinds.get(name) is not kind or kind is Kind.IDENTIFIER:
            continue
        before, now = (frame.columns[name] for frame in frames)
        if kind in (Kind.NUMERIC, Kind.DATETIME):
            shifts.append(shift_of_numbers(name, *(_plain(values, kind) for values in (before, now))))
        elif kind is not Kind.TEXT:
            shifts.append(shift_of_values(name, Counter(before.tolist()), Counter(now.tolist())))
    columns = {**found["columns"], "classes_added": found["classes_added"]}
    note = "distributions are those of the training rows; of sealed rows only counts are told"
    return DataDiff(old.name, new.name, "data set", found["rows"], {}, columns, tuple(shifts), (note,))


def _plain(values: np.ndarray, kind: Any) -> np.ndarray:
    import numpy as np

    from penstock.bundle.kinds import MISSING_TIME, Kind

    plain = values.astype(np.float64)
    return np.where(values == MISSING_TIME, np.nan, plain) if kind is Kind.DATETIME else plain


def _items(workspace: Workspace, old: ItemVersion, new: ItemVersion, key: str | None) -> DataDiff:
    from penstock.data.items.naming import path_of, place_of
    from penstock.data.items.tables import changed_rows, is_table
    from penstock.objects.tree import read_tree

    if old.digest == new.digest:
        raise NotFound(f"{new.reference} has no version before it", why="it is the first", way_out="name two versions")
    access = workspace.ledger.access
    for version in (old, new):
        access.read(version.digest, part="files", rows=version.files, name=version.reference)
    before, now = (read_tree(workspace.objects, version.digest) for version in (old, new))
    one = old.kind == new.kind == "file"
    pairs = {path: path for path in before.files.keys() & now.files.keys()}
    if one:
        pairs = dict(zip(before.files, now.files, strict=True))
    changed = sorted(p for p, q in pairs.items() if before.files[p].digest != now.files[q].digest)
    files = {
        "added": [] if one else sorted(now.files.keys() - before.files.keys()),
        "changed": changed,
        "removed": [] if one else sorted(before.files.keys() - now.files.keys()),
    }
    tables = [path for path in changed if is_table(path)]
    if len(tables) != 1 or len(changed) > 1:
        notes = () if not tables else ("several files changed: name items of one table each to compare their rows",)
        return DataDiff(old.reference, new.reference, old.kind, None, files, notes=notes)
    (path,) = tables
    with TemporaryDirectory(prefix="diff-", dir=workspace.state) as folder:
        places = [Path(folder, side, Path(path).name) for side in ("before", "now")]
        for place, tree, name in ((places[0], before, path), (places[1], now, pairs[path])):
            place.parent.mkdir()
            with place.open("wb") as file:
                file.writelines(tree.stream(tree.files[name]))
        found = changed_rows(*places, key=key)
    source = workspace.declaration.data.source
    shifts, notes = tuple(found["shifts"]), ()
    if source and place_of(workspace, path_of(workspace, source)) == new.place:
        shifts = ()
        notes = (
            "distributions are not told: rows that are sealed are in this file; compare the versions of the data set",
        )
    return DataDiff(old.reference, new.reference, "table", found["rows"], files, found["columns"], shifts, notes)
