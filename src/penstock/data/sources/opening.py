"""From what is declared to a source: each kind is asked whether it is its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock import parts
from penstock.data.sources.kind import Around, SourceSettings
from penstock.errors import DeclarationError

if TYPE_CHECKING:
    from penstock.data.sources.declared import DeclaredSource

GROUP = "penstock.sources"


def open_source(settings: SourceSettings, around: Around) -> DeclaredSource:
    """The source of the one kind that claims it.

    Raises
    ------
    DeclarationError : no kind claims it, or two do. SourceError : there is nothing, or it is no table.
    """
    kinds = [parts.load(GROUP, name)() for name in parts.names(GROUP)]
    claiming = [kind for kind in kinds if kind.claims(settings, around)]
    if not claiming:
        scheme = f"the scheme {settings.scheme!r} is unknown" if settings.scheme else "no kind of source takes it"
        form = f" as {settings.format}" if settings.format else ""
        raise DeclarationError(
            f"{settings.place!r} is no source that can be read{form}",
            why=f"{scheme}; known kinds are {', '.join(parts.names(GROUP))}",
            way_out="name a file, a glob, a folder, a database (sqlite:///, postgresql://) or a bucket (s3://, gs://, az://)",
        )
    if len(claiming) > 1:
        raise DeclarationError(
            f"{settings.place!r} could be read in two ways",
            why=f"the kinds {' and '.join(kind.name for kind in claiming)} both claim it",
            way_out="remove the plug-in that is not meant, or name its maker the clash",
        )
    source: DeclaredSource = claiming[0].open(settings, around)
    return source
