"""The project folder: where things are, and its stores."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import ProjectError
from penstock.project.declaration import Declaration, load_declaration

if TYPE_CHECKING:
    from penstock.ledger.ledger import Ledger
    from penstock.objects.store import ObjectStore

FILE = "penstock.toml"
STATE = ".penstock"


class Project:
    """A folder with `penstock.toml`.

    Parameters
    ----------
    root : the folder. `Project.here` finds it from a folder inside it.

    The stores are those of the folder unless the environment names others: `PENSTOCK_LEDGER` (a PostgreSQL or SQLite
    URL) and `PENSTOCK_OBJECTS` (``s3://``, ``gs://``, ``az://`` or a folder). Relative ones begin at the project's root.
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

    @property
    def state(self) -> Path:
        """The folder `.penstock/`."""
        return self.root / STATE

    @property
    def serving_state(self) -> Path:
        """What a server reads and writes: slots.json, bundles, journal."""
        return self.state / "serving"

    @property
    def journal_folder(self) -> Path:
        return self.serving_state / "journal"

    @property
    def source(self) -> Path:
        """The declared source, relative to the project's root."""
        return self.root / self.declaration.data.source

    @property
    def recipe_file(self) -> Path:
        return self.root / self.declaration.recipe.file

    @cached_property
    def objects(self) -> ObjectStore:
        from penstock.objects.store import open_store

        place = os.environ.get("PENSTOCK_OBJECTS") or str(self.state / "objects")
        return open_store(place if "://" in place else self.root / place)

    @cached_property
    def ledger(self) -> Ledger:
        from penstock.ledger.ledger import Ledger

        self.state.mkdir(parents=True, exist_ok=True)
        url = os.environ.get("PENSTOCK_LEDGER") or f"sqlite:///{self.state / 'ledger.db'}"
        return Ledger.open(_rooted(url, self.root), self.objects, state=self.state)


def _rooted(url: str, root: Path) -> str:
    """A ledger's URL, where a relative file begins at `root`.

    >>> _rooted("sqlite:///ledger.db", Path("/shop")), _rooted("sqlite:////abs.db", Path("/shop"))
    ('sqlite:////shop/ledger.db', 'sqlite:////abs.db')
    """
    if "://" not in url:
        return f"sqlite:///{root / url}"
    scheme, _, file = url.partition(":///")
    if not scheme.startswith("sqlite") or file in ("", ":memory:"):
        return url
    return f"{scheme}:///{root / file}"
