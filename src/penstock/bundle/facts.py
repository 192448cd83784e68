"""What a bundle says of itself, read without its graph: for whoever describes it, judges labels by it, and does not ask it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from penstock.bundle.answers import LATE, MISSING
from penstock.bundle.decoder import Decoder
from penstock.bundle.format import BundleFiles, open_bundle, parse_object, read_file
from penstock.bundle.signature import Signature


@dataclass(frozen=True)
class Facts:
    """A bundle without what answers.

    Attributes
    ----------
    decoder : without the privacy key; fallbacks : the reasons for which another model answers.
    """

    files: BundleFiles
    decoder: Decoder
    signature: Signature
    fallbacks: Collection[str]

    @property
    def digest(self) -> str:
        return self.files.digest

    @property
    def manifest(self) -> dict[str, Any]:
        return self.files.manifest

    @cached_property
    def card(self) -> dict[str, Any]:
        """The model card, `card.json`."""
        return parse_object(read_file(self.files, "card.json"), "card.json", self.files.folder)


def read_facts(folder: Path) -> Facts:
    """What the bundle in a folder says of itself. Each file that is read is checked; the graph is not looked at.

    Raises
    ------
    BundleError : one of those files is missing or damaged. NewerFormat : written by a later release.
    """
    files = open_bundle(folder)
    by_digest = {entry["digest"]: name for name, entry in files.manifest["files"].items()}

    def said(name: str) -> dict[str, Any]:
        return parse_object(read_file(files, name), name, files.folder)

    return Facts(
        files,
        Decoder.from_json(said("decoder.json")),
        Signature.from_json(said("signature.json"), lambda digest: read_file(files, by_digest[digest])),
        tuple(why for why in (LATE, MISSING) if f"fallback-{why}.json" in files.manifest["files"]),
    )
