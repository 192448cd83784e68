"""`penstock data log`: versions of the project's data set, and of named files and folders, in one list."""

from __future__ import annotations

from typing import Any

from penstock.errors import NotFound
from penstock.experiments.looking.run_files import size_text
from penstock.experiments.sheets import Listing
from penstock.project.workspace import Workspace


def data_log(workspace: Workspace, item: str | None = None, *, removed: bool = False) -> Listing:
    """Versions of the data set that the project is at and of its ancestors, and of all data items, newest first.

    Parameters
    ----------
    item : the versions of this one alone. removed : those in the bin instead, of data items alone.

    Raises
    ------
    NotFound : there is neither a data set nor an item, or no item of this name.
    """
    ledger = workspace.ledger
    sets: list[dict[str, Any]] = []
    rows: list[tuple[str, tuple[str, ...]]] = []
    restrictions = {r.digest: r for r in ledger.access.all()}
    restricted = {digest: f"restricted to {', '.join(r.users)}" for digest, r in restrictions.items()}
    digest = ledger.datasets.head(workspace.name) if item is None and not removed else None
    while digest is not None:
        record = ledger.datasets.get(digest)
        sets.append(record.to_json())
        count = sum(record.details.get("rows", {}).values())
        changed = _changes(record.details.get("diff"))
        told = f"forgotten {record.forgotten_at[:10]}" if record.forgotten_at else changed
        what = "; ".join(filter(None, (told, restricted.get(record.digest))))
        rows.append((record.created_at, (record.digest[7:19], _time(record.created_at), f"{count} rows", "", what)))
        digest = record.parent
    if item is None:
        versions = ledger.items.log(removed=removed)
    else:
        from penstock.data.items.naming import find_item

        versions = ledger.items.log(find_item(workspace, item, removed=removed).name, removed=removed)
    for v in versions:
        new = size_text(int(v.details.get("new_bytes", 0)))
        holds = f"{v.files} file{'' if v.files == 1 else 's'}, {size_text(v.size_bytes)}"
        gone = f"removed {v.removed_at[:10]}" if v.removed_at else ""
        told = "; ".join(filter(None, (v.message, f"{new} stored", gone, restricted.get(v.digest))))
        rows.append((v.at, (v.reference, _time(v.at), holds, v.who, told)))
    if not rows and not removed:
        raise NotFound(
            "there is neither a data set nor a data item here yet",
            why="nothing was ingested or added",
            way_out="run `penstock run` in a project, or `penstock data add PATH`",
        )
    rows.sort(key=lambda row: row[0], reverse=True)
    header = ("version", "made (UTC)", "holds", "who", "what is new")
    shown = {*(record["digest"] for record in sets), *(version.digest for version in versions)}
    body = {
        "versions": sets,
        "items": [version.to_json() for version in versions],
        "restricted": {digest: r.users for digest, r in restrictions.items() if digest in shown},
    }
    return Listing(body, header, [row for _, row in rows], "nothing is in the bin")


def _time(instant: str) -> str:
    return instant[:19].replace("T", " ")


def _changes(diff: dict[str, Any] | None) -> str:
    """``+150 -3 rows, column zip is new``."""
    if diff is None:
        return ""
    rows, columns = diff["rows"], diff["columns"]
    found = [f"+{rows['added']} -{rows['removed']} rows"]
    if rows["changed"]:
        found.append(f"{rows['changed']} changed")
    found += [f"column {name} is new" for name in columns["added"]]
    found += [f"column {name} is gone" for name in columns["removed"]]
    return ", ".join(found)
