"""The files of a run: what it wrote, what it read, its source, its console. Of a run that goes on, what is there by now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, final

from penstock.errors import NotFound
from penstock.ledger.status import RUNNING

if TYPE_CHECKING:
    from penstock.ledger.record import RunRecord
    from penstock.objects.tree import Tree
    from penstock.project.workspace import Workspace

What = Literal["output", "input", "source"]
OUTPUT = "files"
"""Name of the tree of what a run wrote, and of the folder in which it writes."""
CONSOLE = "console.log"


@dataclass(frozen=True, slots=True)
class RunFile:
    """One file. `digest` is None while the run goes on."""

    path: str
    size_bytes: int
    digest: str | None


@final
class RunFiles:
    """The files of one run, by path.

    Parameters
    ----------
    what : ``output`` (written files and other artifacts), ``input`` (files that it read and that were kept) or ``source``.

    Raises
    ------
    NotFound : the run has no snapshot of its source.
    """

    def __init__(self, workspace: Workspace, record: RunRecord, what: What = "output") -> None:
        self._objects, self._record = workspace.objects, record
        self._folder = workspace.ledger.folder_of(record.id)
        self._tree = self._tree_of(what)
        self._single = self._singles() if what == "output" else {}
        self._live = dict(self._in_folder()) if what == "output" and record.status == RUNNING else {}
        self.files = sorted(self._listed(), key=lambda file: file.path)

    def read(self, path: str) -> bytes:
        """The bytes of a file. NotFound names the nearest path where there is none of that name."""
        if path in self._live:
            try:
                return self._live[path].read_bytes()
            except FileNotFoundError:
                raise self._absent(path) from None
        if self._tree is not None and path in self._tree.files:
            return self._tree.read(path)
        if path in self._single:
            return self._objects.get(self._single[path].digest or "")
        raise self._absent(path)

    def extract(self, folder: Path) -> int:
        """Write all files below a folder; gives their number."""
        written = self._tree.extract(folder) if self._tree is not None else 0
        rest = [f.path for f in self.files if self._tree is None or f.path not in self._tree.files]
        for path in rest:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.read(path))
        return written + len(rest)

    def _tree_of(self, what: What) -> Tree | None:
        from penstock.objects.tree import read_tree

        if what == "source":
            digest = self._record.inputs.get("source")
            if not isinstance(digest, str):
                raise NotFound(
                    f"run {self._record.id} has no snapshot of its source",
                    why="it is no run of a script, or it was recorded elsewhere",
                    way_out="its commit is what `penstock show` prints under source",
                )
            return read_tree(self._objects, digest)
        artifact = self._record.artifacts.get(OUTPUT if what == "output" else "inputs")
        return (
            None
            if artifact is None or not _is_tree(artifact["media"])
            else read_tree(self._objects, artifact["digest"])
        )

    def _singles(self) -> dict[str, RunFile]:
        found = {}
        for name, artifact in self._record.artifacts.items():
            if not _is_tree(artifact["media"]):
                path = CONSOLE if name == "console" else name
                found[path] = RunFile(path, artifact["size_bytes"], artifact["digest"])
        return found

    def _in_folder(self) -> Iterator[tuple[str, Path]]:
        for file in sorted((self._folder / OUTPUT).rglob("*")):
            if file.is_file() and not file.is_symlink():
                yield file.relative_to(self._folder / OUTPUT).as_posix(), file
        if (self._folder / CONSOLE).is_file():
            yield CONSOLE, self._folder / CONSOLE

    def _listed(self) -> Iterator[RunFile]:
        seen = set()
        if self._tree is not None:
            for file in self._tree.files.values():
                seen.add(file.path)
                yield RunFile(file.path, file.size, file.digest)
        for path, place in self._live.items():
            if path not in seen:
                seen.add(path)
                yield RunFile(path, place.stat().st_size, None)
        yield from (file for path, file in self._single.items() if path not in seen)

    def _absent(self, path: str) -> NotFound:
        import difflib

        known = [file.path for file in self.files]
        near = difflib.get_close_matches(path, known, 1, 0.4)
        return NotFound(
            f"run {self._record.id} has no file {path!r}",
            why=f"the nearest of {len(known)} is {near[0]!r}" if near else f"it has {len(known)} files",
            way_out=f"write {near[0]!r}" if near else f"list them with `penstock ls {self._record.id}`",
        )


def _is_tree(media: str) -> bool:
    from penstock.objects.tree import MEDIA

    return media == MEDIA


def size_text(size_bytes: int) -> str:
    """A size for people.

    >>> size_text(12), size_text(4096), size_text(3 * 2**30)
    ('12 B', '4.0 KiB', '3.0 GiB')
    """
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
