"""A folder in which runs are kept: any folder with scripts, and every project."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from penstock.ledger.ledger import Ledger
    from penstock.objects.store import ObjectStore
    from penstock.project.declaration import Declaration

FILE = "penstock.toml"
STATE = ".penstock"


@final
class Workspace:
    """A folder and its stores. No ceremony: it needs neither a declaration nor data.

    Parameters
    ----------
    root : the folder. `Workspace.here` finds it from a folder inside it.

    The stores are those of the folder unless the environment names others: `PENSTOCK_LEDGER` (a PostgreSQL or SQLite
    URL) and `PENSTOCK_OBJECTS` (``s3://``, ``gs://``, ``az://`` or a folder). Relative ones begin at the root.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).resolve()
        self._state: Path | None = None

    @classmethod
    def here(cls, start: Path | str | None = None) -> Workspace:
        """The nearest folder from `start` (default: the working folder) upwards that has `penstock.toml` or `.penstock/`.

        Where there is none, `start` itself: its first run makes it one.
        """
        folder = Path(start or Path.cwd()).resolve()
        for candidate in (folder, *folder.parents):
            if (candidate / FILE).is_file() or (candidate / STATE).is_dir():
                return cls(candidate)
        return cls(folder)

    @cached_property
    def declaration(self) -> Declaration:
        """`penstock.toml`, checked; all defaults where there is none."""
        from penstock.project.declaration import Declaration, load_declaration

        file = self.root / FILE
        return load_declaration(file, needs_data=False) if file.is_file() else Declaration()

    @property
    def is_declared(self) -> bool:
        """Whether there is a `penstock.toml`. Where there is none, whoever asks this first need not load what reads it."""
        return (self.root / FILE).is_file()

    @property
    def name(self) -> str:
        """Under which its runs are listed; of a project, the model's name in the registry."""
        return self.declaration.project.name or self.root.name

    @property
    def state(self) -> Path:
        """The folder `.penstock/`."""
        return self._state or self.root / STATE

    @property
    def runs_folder(self) -> Path:
        """One folder per run, by its id: what it logs while it happens."""
        return self.state / "runs"

    @cached_property
    def objects(self) -> ObjectStore:
        from penstock.objects.store import open_store

        place = os.environ.get("PENSTOCK_OBJECTS") or str(self.state / "objects")
        return open_store(place if "://" in place else self.root / place)

    @cached_property
    def ledger(self) -> Ledger:
        from penstock.ledger.ledger import Ledger

        self._make_state()
        url = os.environ.get("PENSTOCK_LEDGER") or f"sqlite:///{self.state / 'ledger.db'}"
        return Ledger.open(_rooted(url, self.root), self.objects, state=self.state)

    def copied_to(self, root: Path) -> Workspace:
        """A copy of the folder in another place: with a declaration of its own, but the same runs and objects."""
        other = Workspace(root)
        other._state = self.state
        other.objects = self.objects
        other.ledger = self.ledger
        return other

    def _make_state(self) -> None:
        """The state folder, which keeps itself out of Git."""
        if not self.state.is_dir():
            self.state.mkdir(parents=True, exist_ok=True)
            (self.state / ".gitignore").write_text("*\n", encoding="utf-8")


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
