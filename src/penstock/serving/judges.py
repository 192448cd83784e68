"""Whose words a label must use: those of the model that gave the prediction, not of whichever is live."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from penstock.bundle.decoder import Decoder
from penstock.bundle.facts import read_facts
from penstock.bundle.privacy.keys import find_key
from penstock.bundle.requests import RequestReader
from penstock.bundle.runtime import Bundle
from penstock.serving.shelf import Shelf

ReadKey = Callable[[object], str | None]


@dataclass(frozen=True)
class Judge:
    """What reads a label and a key of one version: its decoder, and how it reads a key."""

    decoder: Decoder
    read_key: ReadKey


Judges = Callable[[str, int], Judge | None]
"""The judge of a model's version; None where neither slots nor shelf hold that version."""


def judges_of(state_dir: Path, shelf: Shelf, loaded: Mapping[tuple[str, int], Bundle]) -> Judges:
    """The judges of what is loaded, and of what stands on the shelf, whose graph is not needed for that.

    What they give may raise `BundleError`: that version's bundle on the shelf is damaged.
    """
    known: dict[tuple[str, int], Judge | None] = {}

    def judge(model: str, version: int) -> Judge | None:
        place = (model, version)
        if place not in known:
            bundle = loaded.get(place)
            if bundle is not None:
                known[place] = Judge(bundle.decoder, bundle.read_key)
            else:
                entry = next((one for one in shelf.of(model) if one.version == version), None)
                known[place] = None if entry is None else _judge_in(state_dir / entry.path)
        return known[place]

    return judge


def _judge_in(folder: Path) -> Judge:
    facts = read_facts(folder)
    decoder = facts.decoder
    if decoder.needs_key:
        decoder = decoder.with_key(find_key(folder))
    return Judge(decoder, RequestReader(decoder, facts.signature).read_key)
