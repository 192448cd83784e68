"""A version as it is described: what its bundle says of itself, whether or not that is loaded."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from penstock.bundle.decoder import Decoder
from penstock.bundle.signature import Signature
from penstock.serving.slots import SlotEntry

if TYPE_CHECKING:
    from penstock.serving.arms import Arms
    from penstock.serving.follower import Loaded


class Says(Protocol):
    """What a `Bundle` and its `Facts` both say."""

    @property
    def digest(self) -> str: ...
    @property
    def manifest(self) -> dict[str, Any]: ...
    @property
    def decoder(self) -> Decoder: ...
    @property
    def signature(self) -> Signature: ...
    @property
    def fallbacks(self) -> Collection[str]: ...
    @property
    def card(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Known:
    """One version: the slot that holds it, or ``shelf``; its entry, and what its bundle says; the release, where it is live in one."""

    slot: str
    entry: SlotEntry
    bundle: Says
    arms: Arms | None = None

    @classmethod
    def of(cls, loaded: Loaded) -> Known:
        return cls(loaded.slot, loaded.entry, loaded.bundle, loaded.arms)
