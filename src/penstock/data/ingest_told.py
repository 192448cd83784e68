"""What a person should know of how the rows of a source were dealt."""

from __future__ import annotations

import numpy as np

from penstock.bundle.decoder import Decoder
from penstock.data.request import Request
from penstock.data.split import TEST, VALID, SplitSettings
from penstock.data.versions import DatasetVersion, tells_parts


def of_empty_parts(split: SplitSettings, parts: np.ndarray) -> list[str]:
    """Parts that are to have rows and have none."""
    named = (("validation", VALID, split.valid), ("test", TEST, split.test))
    empty = [name for name, part, share in named if share > 0 and not (parts == part).any()]
    if not empty:
        return []
    told = "nothing is sealed, and nothing can be deployed" if empty[-1] == "test" else "nothing can be chosen by them"
    return [
        f"there are no {' and no '.join(empty)} rows: too few rows differ, as those that are written alike, or share a key or "
        f"a group, go together; {told}"
    ]


def of_redealing(old: DatasetVersion, request: Request, parts: np.ndarray) -> list[str]:
    """That all rows were dealt anew, and what that costs."""
    what = "target" if old.target.name != request.target else "split settings"
    told = [
        f"the {what} changed: all rows are dealt anew, and scores of earlier versions are not comparable. Rows that "
        "trained, validated or were opened before are not sealed; the envelopes that were still sealed are retired"
    ]
    sealed, dealt = int((parts == TEST).sum()), int((parts >= 0).sum())
    asked = request.split.test * dealt
    if sealed < asked / 2:
        told.append(
            f"{sealed} rows are sealed for tests, [split] test asks for {round(asked)}: the others have been seen "
            "already; bring new rows to fill envelopes with"
        )
    return told


def of_traffic(decoder: Decoder, split: SplitSettings) -> list[str]:
    """Where labelled traffic cannot join, as nobody could deal it."""
    if tells_parts(decoder, split):
        return []
    return [
        f"rows are dealt by {split.column!r}, which is not kept as it is: labelled traffic cannot join the data, since nobody "
        "could tell on which side of the seal it is"
    ]
