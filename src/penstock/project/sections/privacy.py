"""`[privacy]`: what becomes of personal columns."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.project.sections.section import Fault, Section

UNDECIDED = "undecided:"
"""Stands before an action that is only proposed: `penstock run` stops until it is gone."""


class PrivacySection(Section, frozen=True):
    columns: dict[str, str] = {}  # column -> action; see docs/privacy.md
    off: tuple[str, ...] = ()  # kinds of personal data that are not looked for

    def faults(self) -> Iterator[Fault]:
        from penstock.bundle.privacy.actions import parse_action
        from penstock.errors import DeclarationError

        for column, written in self.columns.items():
            try:
                parse_action(_action(written))
            except DeclarationError as error:
                yield f"columns.{column}", error.why, error.way_out

    @property
    def undecided(self) -> dict[str, str]:
        """Column -> the action that is proposed."""
        return {c: _action(written) for c, written in self.columns.items() if _is_open(written)}

    @property
    def decided(self) -> dict[str, str]:
        """Column -> action, as it is written."""
        return {c: written.strip() for c, written in self.columns.items() if not _is_open(written)}

    @property
    def kept(self) -> tuple[str, ...]:
        """Columns that were decided to be kept as they are."""
        return tuple(c for c, action in self.decided.items() if action.partition(":")[0].strip() == "keep")

    @property
    def actions(self) -> dict[str, str]:
        """Column -> what is done to its values; until it is decided nothing of a column is kept."""
        done = {c: action for c, action in self.decided.items() if c not in self.kept}
        return {**done, **dict.fromkeys(self.undecided, "drop")}


def _is_open(written: str) -> bool:
    return written.strip().startswith(UNDECIDED)


def _action(written: str) -> str:
    return written.strip().removeprefix(UNDECIDED).strip()
