"""Which lineage a source belongs to. (Imports no arrays: where nothing is to be done, nothing else of this package loads.)"""

from __future__ import annotations

import json
from typing import Any

from penstock.objects.store import ObjectStore


def redealt_from(objects: ObjectStore, head: str | None, target: str, split: dict[str, Any]) -> str | None:
    """Digest of the version whose rows are dealt anew, if a source is read for this target and split; None if none is.

    It stays the same for all later versions that are dealt in the same way. (Reads the manifest alone.)
    """
    if head is None:
        return None
    manifest = json.loads(objects.get(head))
    if manifest["decoder"]["target"]["name"] == target and manifest["split"] == split:
        found: str | None = manifest.get("redealt_from")
        return found
    return head
