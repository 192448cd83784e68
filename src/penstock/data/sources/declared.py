"""What the kinds of sources open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from penstock.data.source import Source


class DeclaredSource(Source, Protocol):
    """A source that a declaration names, with what a run tells of it beside its rows."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should look at; complete once `batches` was read to its end. No credentials, no values of rows."""
        ...

    @property
    def contents(self) -> Mapping[str, str]:
        """What the source consists of: name of a file -> its digest. Empty where it is one thing."""
        ...

    @property
    def kept(self) -> str | None:
        """Digest under which the rows themselves are kept, where the place cannot be asked for them again; else None."""
        ...
