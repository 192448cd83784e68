"""Where a server keeps what it needs: the folder `serving` in the state folder of a project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ServingFolder:
    """The folder that a server works in. Whoever deploys and every worker know its inside by this class alone."""

    root: Path

    @property
    def slots(self) -> Path:
        return self.root / "slots.json"

    @property
    def shelf(self) -> Path:
        return self.root / "shelf.json"

    @property
    def shelved(self) -> Path:
        """Copies of the bundles that the shelf names, in a folder for each model."""
        return self.root / "shelf"

    @property
    def servers(self) -> Path:
        """Held (flock, shared) by each server that runs."""
        return self.root / "servers.lock"

    @property
    def turn(self) -> Path:
        """Held (flock) by the one worker that loads a bundle."""
        return self.root / "turn.lock"

    @property
    def lock(self) -> Path:
        """Held (flock) while slots.json is read, changed and replaced."""
        return self.root / "slots.lock"

    @property
    def changes(self) -> Path:
        """Every change of slots.json, one line each."""
        return self.root / "changes.jsonl"

    @property
    def arms(self) -> Path:
        """What is counted of the arms of a release: a folder for each, with a file for each process."""
        return self.root / "arms"

    @property
    def acks(self) -> Path:
        return self.root / "acks"

    @property
    def bundles(self) -> Path:
        return self.root / "bundles"

    @property
    def journal(self) -> Path:
        return self.root / "journal"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics"

    @property
    def levels(self) -> Path:
        """What was counted when, for service levels; outlives the server."""
        return self.root / "levels"

    @property
    def tokens(self) -> Path:
        """Who may ask, with digests of their tokens; read and written by the owner alone."""
        return self.root / "tokens.json"

    @property
    def rates(self) -> Path:
        """How much of its rate each consumer has used, shared by the workers."""
        return self.root / "rates"
