"""The project folder: where things are, and its stores."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import ProjectError
from penstock.project.declaration import Declaration, load_declaration
from penstock.project.workspace import FILE, Workspace

if TYPE_CHECKING:
    from penstock.ledger.ledger import Ledger
    from penstock.objects.store import ObjectStore


class Project:
    """A folder with `penstock.toml`.

    Parameters
    ----------
    root : the folder. `Project.here` finds it from a folder inside it.

    Its stores are those of its `Workspace`.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).resolve()
        if not (self.root / FILE).is_file():
            raise ProjectError(
                f"there is no project in {self.root}",
                why=f"the folder has no {FILE}",
                way_out="make one with `penstock new DIR --data FILE --target COLUMN`, or go into its folder",
            )

    @classmethod
    def here(cls, start: Path | str | None = None) -> Project:
        """The project that holds `start` (default: the working folder)."""
        folder = Path(start or Path.cwd()).resolve()
        for candidate in (folder, *folder.parents):
            if (candidate / FILE).is_file():
                return cls(candidate)
        raise ProjectError(
            f"there is no project in {folder} or above it",
            why=f"none of these folders has a {FILE}",
            way_out="make one with `penstock new DIR --data FILE --target COLUMN`, or go into its folder",
        )

    @cached_property
    def declaration(self) -> Declaration:
        """`penstock.toml`, checked."""
        return load_declaration(self.root / FILE)

    @property
    def name(self) -> str:
        """The model's name in the registry."""
        return self.declaration.project.name or self.root.name

    @cached_property
    def workspace(self) -> Workspace:
        """The folder as a place of runs: its ledger and objects."""
        return Workspace(self.root)

    @property
    def state(self) -> Path:
        """The folder `.penstock/`."""
        return self.workspace.state

    @property
    def serving_state(self) -> Path:
        """What a server reads and writes: slots.json, bundles, journal."""
        return self.state / "serving"

    @property
    def journal_folder(self) -> Path:
        return self.serving_state / "journal"

    def privacy_key(self) -> bytes:
        """The secret behind hashes and shifted dates, made when it is first asked for."""
        from penstock.bundle.privacy.keys import SECRET, SIZE_BYTES

        return self.ledger.secret(SECRET, SIZE_BYTES)

    @property
    def recipe_file(self) -> Path:
        return self.root / self.declaration.recipe.file

    @property
    def contract_file(self) -> Path:
        return self.root / self.declaration.contract.file

    @property
    def objects(self) -> ObjectStore:
        return self.workspace.objects

    @property
    def ledger(self) -> Ledger:
        return self.workspace.ledger
