"""Looking through a source for personal columns, batch by batch, in bounded memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from penstock.data.privacy.detect import LONG, TEXT_WORDS, TEXTS, PersonalColumn, detect_column, evenly
from penstock.data.source import Batch, Source
from penstock.errors import PrivacyUndecided

if TYPE_CHECKING:
    import pyarrow as pa

VALUES_OF_A_BATCH = 2000


def survey(source: Source, *, off: Iterable[str] = ()) -> list[PersonalColumn]:
    """The personal columns of a source, in its order.

    Raises
    ------
    SourceError : as `Source.batches`.
    """
    return survey_batches(source.names, source.batches(), off=off)


def survey_batches(names: Iterable[str], batches: Iterable[Batch], *, off: Iterable[str] = ()) -> list[PersonalColumn]:
    """The same of batches that are in memory already."""
    values: dict[str, dict[str, None]] = {name: {} for name in names}
    for batch in batches:
        for name, seen in values.items():
            seen.update(dict.fromkeys(_some(batch.table.column(name).dictionary)))
            if len(seen) > 2 * TEXTS:
                values[name] = dict.fromkeys(evenly(list(seen), TEXTS))
    found = (detect_column(name, seen, off=off) for name, seen in values.items())
    return [one for one in found if one is not None]


def undecided(
    found: Iterable[PersonalColumn], decided: Collection[str], ignored: Collection[str] = ()
) -> list[PersonalColumn]:
    """Those of which nobody has decided, hints like what is sure. `ignored`: columns of which nothing is kept anyway."""
    return [one for one in found if one.name not in decided and one.name not in ignored]


def refuse_undecided(found: list[PersonalColumn], target: str) -> None:
    """Stop where personal columns are undecided.

    Raises
    ------
    PrivacyUndecided : with the lines for the declaration; `found` holds what was found.
    """
    if not found:
        return
    from penstock.project.scaffold import toml

    lines = "\n".join(f"    {toml(c.name)} = {toml(proposal(c, target))}    # {c.evidence[0].why}" for c in found)
    sure, one = any(c.is_sure for c in found), len(found) == 1
    what = ("column holds" if one else "columns hold") if sure else f"column{'' if one else 's'} may hold"
    error = PrivacyUndecided(
        f"{len(found)} {what} personal data, and nobody has decided what becomes of them: "
        f"{', '.join(repr(c.name) for c in found)}",
        why="until then no version is made of the source",
        way_out=f"write into penstock.toml, or accept this with `penstock data privacy --accept`:\n    [privacy.columns]\n{lines}",
    )
    error.found = tuple(found)
    raise error


def proposal(found: PersonalColumn, target: str) -> str:
    """What is proposed, as it is written; a target cannot be changed, only kept with a reason."""
    return "keep: it is what is predicted" if found.name == target else found.action


def _some(dictionary: pa.StringArray) -> list[str]:
    """Values of a batch at even distances, more of them where they are texts."""
    n = len(dictionary)
    few = _at(dictionary, min(n, 200))
    present = [text for text in few if text]
    words = sum(len(text.split()) for text in present)
    length = sum(map(len, present))
    texts = bool(present) and (words >= TEXT_WORDS * len(present) or length >= LONG * len(present))
    return [text for text in _at(dictionary, min(n, TEXTS if texts else VALUES_OF_A_BATCH)) if text]


def _at(dictionary: pa.StringArray, count: int) -> list[str | None]:
    import numpy as np
    import pyarrow as pa

    n = len(dictionary)
    if count == n:
        values: list[str | None] = dictionary.to_pylist()
        return values
    places = np.arange(count, dtype=np.int64) * n // max(count, 1)
    some: list[str | None] = dictionary.take(pa.array(places)).to_pylist()
    return some
