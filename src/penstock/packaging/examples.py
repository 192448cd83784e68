"""Rows that a bundle carries to test itself. No row of the data set is among them: every field is drawn on its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from penstock.bundle.decoder import Decoder, Frame
from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.bundle.numbers import number_text

MOST_WORDS = 30
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def example_rows(
    frame: Frame, decoder: Decoder, columns: list[str], *, n: int = 16, seed: int = 0
) -> list[dict[str, Any]]:
    """JSON rows whose fields are drawn independently from training values; the last two lack fields.

    Parameters
    ----------
    frame : training rows.
    columns : the model's inputs.
    """
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = [{} for _ in range(n)]
    for name in columns:
        present = np.flatnonzero(~frame.missing(name))
        if not len(present):
            drawn: list[Any] = [None] * n
        elif frame.kinds[name] is Kind.TEXT:
            drawn = _texts(frame[name][present], n, rng)
            if (privacy := decoder.spec(name).privacy) is not None:
                drawn = [{privacy.action: text} for text in drawn]
        else:
            drawn = [raw_value(frame[name][i], decoder, name) for i in rng.choice(present, n)]
        for row, value in zip(rows, drawn, strict=True):
            row[name] = value
    for name in columns[::2]:
        rows[-2][name] = None
    rows[-1] = {}
    return rows


def _texts(seen: np.ndarray, n: int, rng: np.random.Generator) -> list[str]:
    """Texts of usual length, every word from another text: a whole one may say what nobody outside may read."""
    lengths = [min(len(text.split()), MOST_WORDS) for text in rng.choice(seen, n)]
    words = ([str(text).split() or [""] for text in rng.choice(seen, length)] for length in lengths)
    return [" ".join(str(rng.choice(each)) for each in texts) for texts in words]


def raw_value(value: Any, decoder: Decoder, name: str) -> Any:
    """A decoded value as the JSON value that decodes to it; a personal one as it may be kept, marked by its action."""
    spec = decoder.spec(name)
    if spec.privacy is not None:
        kept = raw_value(value, decoder.inner, name)
        if kept is None or spec.is_withheld:
            return None
        return {spec.privacy.action: kept if isinstance(kept, str) else number_text(kept)}
    if spec.kind is Kind.NUMERIC:
        if np.isnan(value):
            return None
        number = float(value)
        whole = int(number) + spec.origin if number.is_integer() and (abs(number) < 2**53 or spec.origin) else None
        number += spec.origin
        plain: int | float = number if whole is None else whole
        return None if str(plain) in spec.missing else plain
    if spec.kind is Kind.DATETIME:
        if value == MISSING_TIME:
            return None
        instant = _EPOCH + timedelta(microseconds=int(value))
        pattern = spec.formats[0] if spec.formats else "iso"
        if pattern == "iso":
            return instant.isoformat().replace("+00:00", "Z")
        return instant.astimezone(ZoneInfo(spec.timezone)).strftime(pattern)
    return value
