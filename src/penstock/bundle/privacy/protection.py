"""What a decoder declares of a personal column: the action, and how raw values are read for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penstock.bundle.privacy.actions import Action, parse_action


@dataclass(frozen=True, slots=True)
class Mask:
    """What is taken out of texts: `tag` stands in its place, in brackets.

    `needs` is a quick regular expression that a text must hold for `pattern` to be tried. Both are in the part of regular
    expressions that Python and ECMAScript share, so that any decoder masks alike.
    """

    tag: str
    needs: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Protection:
    """How raw values become protected ones, before anything else looks at them.

    Parameters
    ----------
    action : as in the declaration, such as ``"hash"`` or ``"band:10"``; see `penstock.bundle.privacy.actions`.
    missing, decimal, thousands, formats : how raw values are read, as in `ColumnSpec`, whose own say how protected ones are.
    numeric_text : as in `ColumnSpec`, of what is hashed or cut, and of the subject by which dates are shifted: 1 and "1.0" are one value.
    masks : of ``mask:hits``, in the order in which they are applied.
    """

    action: str
    missing: tuple[str, ...] = ()
    decimal: str = "."
    thousands: str = ""
    formats: tuple[str, ...] = ()
    numeric_text: bool = False
    masks: tuple[Mask, ...] = ()

    @property
    def parsed(self) -> Action:
        return parse_action(self.action)

    @property
    def subject(self) -> str:
        """The column whose value decides how far dates are shifted; "" where one number does for all."""
        action = self.parsed
        return action.argument if action.name == "shift" else ""

    def to_json(self) -> dict[str, Any]:
        """Only what differs from the defaults, beside the action."""
        plain: dict[str, Any] = {"action": self.action}
        if self.missing:
            plain["missing"] = list(self.missing)
        if self.decimal != ".":
            plain["decimal"] = self.decimal
        if self.thousands:
            plain["thousands"] = self.thousands
        if self.formats:
            plain["formats"] = list(self.formats)
        if self.numeric_text:
            plain["numeric_text"] = True
        if self.masks:
            plain["masks"] = [{"tag": m.tag, "needs": m.needs, "pattern": m.pattern} for m in self.masks]
        return plain

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Protection:
        return cls(
            **{
                **plain,
                "missing": tuple(plain.get("missing", ())),
                "formats": tuple(plain.get("formats", ())),
                "masks": tuple(Mask(**mask) for mask in plain.get("masks", ())),
            }
        )
