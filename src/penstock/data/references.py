"""What people write for a version: of a data item, or of the project's data set."""

from __future__ import annotations

import re
from dataclasses import dataclass

from penstock.errors import NotFound
from penstock.ledger.items import ItemVersion
from penstock.project.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Reference:
    """A version. `item` is None where it is one of a data set."""

    digest: str
    name: str
    item: ItemVersion | None


def find_version(workspace: Workspace, text: str) -> Reference:
    """The version of a text: ``NAME[@VERSION]`` of an item, or a digest of a data set, or the beginning of it (`data log` shows it).

    ``current`` is the version that the project is at.

    Raises
    ------
    NotFound : there is none.
    """
    datasets = workspace.ledger.datasets
    if text == "current":
        head = datasets.head(workspace.name)
        if head is None:
            raise NotFound("this project has no data set yet", why="nothing was ingested", way_out="run `penstock run`")
        return Reference(head, head[7:19], None)
    if re.fullmatch(r"(sha256:)?[0-9a-f]{4,64}", text):
        try:
            digest = datasets.get(text if text.startswith("sha256:") else f"sha256:{text}").digest
            return Reference(digest, digest[7:19], None)
        except NotFound:
            if text not in workspace.ledger.items.names():
                raise
    from penstock.data.items.naming import find_item

    item = find_item(workspace, text)
    return Reference(item.digest, item.reference, item)
