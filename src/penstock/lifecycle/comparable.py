"""Whether one model can answer the decoded rows of another one's data: not where a column is read in another way since."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.bundle.decoder import Decoder
    from penstock.bundle.runtime import Bundle
    from penstock.bundle.specs import ColumnSpec


def read_otherwise(bundle: Bundle, decoder: Decoder) -> list[str]:
    """Columns of a model that a decoder reads as another kind, protects in another way, or counts from another origin.

    Decoded rows have one form: what is dropped or hashed in them cannot be had for a model that takes it plain.
    """
    now = {spec.name: spec for spec in decoder.columns}
    taken = [column.name for column in bundle.signature.columns if column.name in now]
    return [name for name in taken if _form(bundle.decoder.spec(name)) != _form(now[name])]


def not_compared(version: int, columns: list[str]) -> str:
    """What is told where there is no comparison."""
    named = ", ".join(repr(name) for name in columns[:5]) + (" ..." if len(columns) > 5 else "")
    return (
        f"not compared with version {version}, which is live: {named} {'is' if len(columns) == 1 else 'are'} read in another way since "
        "(another kind, or another decision under [privacy.columns]), so that no row can be shown to both"
    )


def _form(spec: ColumnSpec) -> tuple[object, ...]:
    return spec.kind, None if spec.privacy is None else spec.privacy.action, spec.origin
