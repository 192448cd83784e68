"""Whether the live model can answer the decoded rows of another one's data: not where it predicts something else, or a column is read otherwise since."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.bundle.decoder import Decoder
    from penstock.bundle.runtime import Bundle
    from penstock.bundle.specs import ColumnSpec, TargetSpec


def why_not_comparable(live: Bundle, decoder: Decoder) -> str | None:
    """Why a live model cannot be held against one that is made of the rows of this decoder; None where it can."""
    other = _other_question(live.signature.target, decoder.target)
    if other is not None:
        return other
    columns = read_otherwise(live, decoder)
    if not columns:
        return None
    return (
        f"{_named(columns)} {'is' if len(columns) == 1 else 'are'} read in another way since "
        "(another kind, or another decision under [privacy.columns])"
    )


def not_judged(version: int, why: str) -> str:
    """What is told where there is no comparison."""
    return f"not judged: version {version}, which is live, cannot answer the same rows, as {why}"


def read_otherwise(bundle: Bundle, decoder: Decoder) -> list[str]:
    """Columns of a model that a decoder reads as another kind, protects in another way, or counts from another origin.

    Decoded rows have one form: what is dropped or hashed in them cannot be had for a model that takes it plain.
    """
    now = {spec.name: spec for spec in decoder.columns}
    taken = [column.name for column in bundle.signature.columns if column.name in now]
    return [name for name in taken if _form(bundle.decoder.spec(name)) != _form(now[name])]


def _other_question(was: TargetSpec, now: TargetSpec | None) -> str | None:
    """What differs in what is predicted. How the target's values are written does not matter."""
    if now is None or was.name != now.name:
        return f"it predicts {was.name!r}, and this one {'nothing' if now is None else repr(now.name)}"
    if was.task != now.task:
        return f"it predicts {was.name!r} by {was.task}, and this one by {now.task}"
    if was.classes != now.classes:
        more = [one for one in now.classes if one not in was.classes]
        less = [one for one in was.classes if one not in now.classes]
        told = [f"{_named(some)} {how}" for some, how in ((more, "new"), (less, "gone")) if some] or ["another order"]
        return f"it knows other classes of {was.name!r} ({', '.join(told)})"
    return None


def _named(names: Sequence[object]) -> str:
    return ", ".join(repr(name) for name in names[:5]) + (" ..." if len(names) > 5 else "")


def _form(spec: ColumnSpec) -> tuple[object, ...]:
    return spec.kind, None if spec.privacy is None else spec.privacy.action, spec.origin
