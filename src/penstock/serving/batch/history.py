"""Columns that look back, in a batch job: each row sees the earlier rows of its file, and of a file of earlier rows."""

from __future__ import annotations

import numpy as np

from penstock.bundle.decoder import Decoder
from penstock.bundle.frame import Frame
from penstock.bundle.history import History
from penstock.bundle.runtime import Bundle
from penstock.errors import SchemaMismatch
from penstock.serving.batch.columns import encoded, listed
from penstock.serving.batch.inputs import Input


def behind(history: History | None, given: Input, earlier: Frame | None) -> dict[str, np.ndarray]:
    """The columns that look back and that the table does not have, by name: float64 (n,).

    They are worked out for all rows before the first is answered: what they read is in memory, and nothing else.
    """
    if history is None:
        return {}
    there = set(given.names)
    able = [past for past in history.columns if past.name not in there and there.issuperset(past.needs)]
    if not able:
        return {}
    read = Decoder(tuple(s for s in history.specs if s.name in there and (earlier is None or s.name in earlier)), None)
    able = [past for past in able if set(past.needs) <= {spec.name for spec in read.columns}]
    frames = _frames(read, given)
    if not frames or not able:
        return {}
    before = 0 if earlier is None else len(earlier)
    if earlier is not None:
        frames.insert(0, earlier.select([spec.name for spec in read.columns]))
    frame = History(tuple(able), history.specs).onto(Frame.concat(frames))
    return {past.name: frame[past.name][before:] for past in able}


def earlier_rows(bundle: Bundle, given: Input) -> Frame:
    """What columns that look back read of a table of earlier rows.

    Raises
    ------
    SchemaMismatch : the model does not look back, or no such column can be worked out from the table.
    """
    history = bundle.decoder.history
    if history is None:
        raise SchemaMismatch(
            "the model has no column that looks back at earlier rows",
            why="so that no history says anything to it",
            way_out="leave --history out; such columns are declared as [history] in penstock.toml",
        )
    read = Decoder(tuple(spec for spec in history.specs if spec.name in given.names), None)
    there = {spec.name for spec in read.columns}
    if not any(there.issuperset(past.needs) for past in history.columns):
        raise SchemaMismatch(
            f"the history {given.name} has nothing to look back at",
            why=f"it has {listed(given.names)}; columns that look back read {listed([s.name for s in history.specs])}",
            way_out="give earlier rows with the columns of key, time and value",
        )
    frames = _frames(read, given)
    return Frame.concat(frames) if frames else Frame({}, {}, 0)


def _frames(read: Decoder, given: Input) -> list[Frame]:
    names = [spec.name for spec in read.columns]
    return [read.decode_columns({name: encoded(batch.column(name)) for name in names})[0] for batch in given.batches()]
