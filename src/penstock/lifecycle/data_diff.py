"""`penstock data diff`: what changed from one version to another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from penstock.data.items.naming import names_version
from penstock.data.references import Reference, find_version
from penstock.errors import BadParameter, NotFound, SourceError
from penstock.project.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np

    from penstock.data.shift import Shift
    from penstock.ledger.items import ItemVersion
    from penstock.objects.tree import Tree

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
        if self.rows is None and not any(self.files.values()):
            lines.append("nothing has changed")
        return "\n".join([*lines, *self.notes])


def diff_data(workspace: Workspace, first: str, second: str | None = None, *, key: str | None = None) -> DataDiff:
    """Compare two versions of one kind: data sets by their rows, items file by file, and tables among them row by row.

    Parameters
    ----------
    second : by default `first` is compared with the version before it (of a data set, its parent). An item that is named without a
        version is compared with what lies on the disk: its newest version comes first.
    key : column that tells the rows of tables apart; by default the declared one, where both tables have it and it does. Of data sets it is
        declared, and this is refused.

    Raises
    ------
    NotFound : there is no such version, or none before it. AccessError : one is restricted to others.
    BadParameter : a data set and an item cannot be compared, or the key is none.
    """
    new = find_version(workspace, first)
    if second is None and new.item is not None and not names_version(workspace, first, new.item):
        return _working(workspace, new.item, key)
    if second is None:
        old = _before(workspace, new)
    else:
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
    """The version before one; NotFound where it is the first."""
    if new.item is None:
        parent = workspace.ledger.datasets.get(new.digest).parent
        earlier = None if parent is None else Reference(parent, parent[7:19], None)
    else:
        number = new.item.number
        before = [
            v for v in workspace.ledger.items.log(new.item.name) if v.number < number
        ]  # newest first; some may be forgotten
        earlier = Reference(before[0].digest, before[0].reference, before[0]) if before else None
    if earlier is None:
        raise NotFound(f"{new.name} has no version before it", why="it is the first", way_out="name two versions")
    return earlier


def _datasets(workspace: Workspace, old: Reference, new: Reference) -> DataDiff:
    """Rows are counted of all parts, also sealed ones; distributions are told of training rows alone."""
    from penstock.bundle.kinds import Kind
    from penstock.data.changes import diff
    from penstock.data.doors import read_part
    from penstock.data.origins import on_one_scale, origins_of
    from penstock.data.shift import shift_of_numbers, shift_of_values
    from penstock.data.versions import load_version

    versions = [load_version(workspace.objects, reference.digest) for reference in (old, new)]
    found = diff(workspace.objects, *versions).to_json()
    frames = [read_part(workspace.ledger, workspace.objects, version, "train")[0] for version in versions]
    origins = [origins_of(version.decoder.columns) for version in versions]
    shifts = []
    for name, kind in frames[1].kinds.items():
        if frames[0].kinds.get(name) is not kind or kind is Kind.IDENTIFIER:
            continue
        before, now = (frame.columns[name] for frame in frames)
        if kind in (Kind.NUMERIC, Kind.DATETIME):
            unit = "us" if kind is Kind.DATETIME else ""
            kept = tuple(known.get(name, 0) for known in origins)
            a, b, origin = on_one_scale(_plain(before, kind), _plain(now, kind), (kept[0], kept[1]))
            shifts.append(shift_of_numbers(name, a, b, unit=unit, origin=origin))
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
    from penstock.objects.tree import read_tree

    access = workspace.ledger.access
    for version in (old, new):
        access.read(version.digest, part="files", rows=version.files, name=version.reference)
    before, now = (read_tree(workspace.objects, version.digest) for version in (old, new))
    one = old.kind == new.kind == "file"
    pairs = {path: path for path in before.files.keys() & now.files.keys()}
    if one:
        pairs = dict(zip(before.files, now.files, strict=True))
    files = {
        "added": [] if one else sorted(now.files.keys() - before.files.keys()),
        "changed": sorted(p for p, q in pairs.items() if before.files[p].digest != now.files[q].digest),
        "removed": [] if one else sorted(before.files.keys() - now.files.keys()),
    }

    def put(path: str, place: Path) -> None:
        with place.open("wb") as file:
            file.writelines(now.stream(now.files[pairs[path]]))

    return _told(workspace, old, new.reference, new.place, before, files, put, key)


def _working(workspace: Workspace, item: ItemVersion, key: str | None) -> DataDiff:
    """The newest version of an item against what lies at its place, as `git diff` does."""
    from penstock.data.items.naming import path_of
    from penstock.data.items.scan import scan
    from penstock.data.items.state import compare
    from penstock.objects.tree import read_tree

    workspace.ledger.access.read(item.digest, part="files", rows=item.files, name=item.reference)
    path = path_of(workspace, item.place)
    found = scan(path)
    if found.kind != item.kind:
        raise NotFound(
            f"the {item.kind} of {item.name} is not at its place",
            why=f"{path} is {'not there' if found.kind == 'absent' else f'a {found.kind}'}",
            way_out=f"restore it with `penstock data checkout {item.reference}`, or name a version, such as {item.reference}",
        )
    added, changed, removed = compare(workspace, item, path, found)
    before = read_tree(workspace.objects, item.digest)
    if item.kind == "file" and added:  # it was added under another name
        added, changed, removed = [], list(before.files), []
    files = {"added": added, "changed": changed, "removed": removed}

    def put(name: str, place: Path) -> None:
        place.symlink_to(found.file_of(path, name).absolute())

    return _told(workspace, item, f"{item.place} on the disk", item.place, before, files, put, key)


def _told(
    workspace: Workspace,
    old: ItemVersion,
    second: str,
    place: str,
    before: Tree,
    files: dict[str, list[str]],
    put: Callable[[str, Path], None],
    key: str | None,
) -> DataDiff:
    """What became of files; where one table alone has changed, of its rows too. `put` puts the new one of a path somewhere."""
    from penstock.data.items.names import is_table
    from penstock.data.items.naming import path_of, place_of
    from penstock.data.items.tables import changed_rows

    changed = files["changed"]
    tables = [path for path in changed if is_table(path)]
    if len(changed) != 1 or not tables:
        notes = () if not tables else ("several files changed: name items of one table each to compare their rows",)
        return DataDiff(old.reference, second, old.kind, None, files, notes=notes)
    (path,) = tables
    declared = workspace.declaration.data.key
    with TemporaryDirectory(prefix="diff-", dir=workspace.state) as folder:
        places = [Path(folder, side, Path(path).name) for side in ("before", "now")]
        for one in places:
            one.parent.mkdir()
        with places[0].open("wb") as file:
            file.writelines(before.stream(before.files[path]))
        put(path, places[1])
        try:
            found = changed_rows(*places, key=key, declared=declared)
        except SourceError as error:
            if key is not None:
                raise
            what = error.what
            for side, name in zip(places, (old.reference, second), strict=True):
                what = what.replace(f"{side}", name)
            note = f"rows and columns are not compared: {what} ({error.why})"
            return DataDiff(old.reference, second, old.kind, None, files, notes=(note,))
    source = workspace.declaration.data.source
    shifts, told = tuple(found["shifts"]), list(found["notes"])
    if source and place_of(workspace, path_of(workspace, source)) == place:
        shifts = ()
        told.append(
            "distributions are not told: rows that are sealed are in this file; compare the versions of the data set"
        )
    return DataDiff(old.reference, second, "table", found["rows"], files, found["columns"], shifts, tuple(told))
