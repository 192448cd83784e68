"""The files of a run for people: listed, printed, or laid out in a folder and opened."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import BadParameter, NotFound, SourceError
from penstock.experiments.looking.run_files import RunFiles, What, size_text
from penstock.experiments.sheets import Listing, clean

if TYPE_CHECKING:
    from penstock.ledger.record import RunRecord
    from penstock.project.workspace import Workspace


@dataclass(frozen=True)
class Opened:
    """Where the files of a run were laid out; `shown` is what was opened there, None where nothing could be."""

    run: str
    folder: str
    files: int
    shown: str | None
    why: str = ""

    exit_code = 0

    def to_json(self) -> dict[str, Any]:
        return {"run": self.run, "folder": self.folder, "files": self.files, "shown": self.shown, "why": self.why}

    def to_text(self) -> str:
        files = "1 file" if self.files == 1 else f"{self.files} files"
        return f"{files} in {self.folder}" + (f"; {self.why}" if self.why else "")


def what_of(*, inputs: bool, source: bool) -> What:
    """Which files are meant; BadParameter where both are asked for."""
    if inputs and source:
        raise BadParameter(
            "--inputs and --source name two lists", why="a command shows one of them", way_out="give one of the two"
        )
    return "input" if inputs else "source" if source else "output"


def list_files(workspace: Workspace, run: str, path: str | None = None, *, what: What = "output") -> Listing:
    """The files of a run, or those below a folder of it."""
    record = workspace.ledger.get(run)
    files = RunFiles(workspace, record, what).files
    if path is not None:
        below = path.rstrip("/") + "/"
        chosen = [f for f in files if f.path == path or f.path.startswith(below)]
        if not chosen:
            raise NotFound(
                f"run {record.id} has no file {path!r}",
                why=f"it has {len(files)} others",
                way_out=f"list all with `penstock ls {record.id}`",
            )
        files = chosen
    body = {
        "run": record.id,
        "files": [{"path": f.path, "size_bytes": f.size_bytes, "digest": f.digest} for f in files],
    }
    rows = [(size_text(f.size_bytes), clean(f.path)) for f in files]
    empty = {"output": "it kept no files", "input": "no file that it read was kept", "source": "no source"}[what]
    left = record.outputs.get("files_left_out") if what == "output" else record.inputs.get("files_left_out")
    return Listing(body, ("size", "file"), rows, empty, f"{len(left)} more were too large to keep" if left else "")


def read_file(workspace: Workspace, run: str, path: str, *, what: What = "output") -> tuple[str, bytes]:
    """The id of a run, and the bytes of one of its files.

    Raises
    ------
    AccessError : it may hold rows of a version of the data that is restricted to others.
    """
    record = workspace.ledger.get(run)
    _ask(workspace, record, what)
    return record.id, RunFiles(workspace, record, what).read(path)


def open_files(
    workspace: Workspace,
    run: str,
    path: str | None = None,
    *,
    what: What = "output",
    into: Path | None = None,
    show: bool = True,
) -> Opened:
    """Lay the files of a run out in a folder, and open it, or one file, with the program that the system has for it.

    Parameters
    ----------
    into : an empty or new folder; by default one of this run under ``.penstock/opened``.

    Raises
    ------
    AccessError : they may hold rows of a version of the data that is restricted to others.
    """
    record = workspace.ledger.get(run)
    _ask(workspace, record, what)
    files = RunFiles(workspace, record, what)
    if path is not None and all(f.path != path and not f.path.startswith(path.rstrip("/") + "/") for f in files.files):
        files.read(path)  # names the nearest
    folder = into.absolute() if into is not None else workspace.state / "opened" / record.id / what
    if into is not None and folder.is_dir() and any(folder.iterdir()):
        raise SourceError(
            f"{into} is not empty", why="files of yours might be replaced", way_out="name a new or an empty folder"
        )
    number = files.extract(folder)
    place = folder if path is None else folder / path
    why = _open(place) if show else "not opened, as asked"
    return Opened(record.id, str(folder), number, None if why else str(place), why)


def _ask(workspace: Workspace, record: RunRecord, what: What) -> None:
    """What a run read and made may hold rows of the versions that it took; its source does not."""
    if what != "source":
        from penstock.experiments.looking.carried import ask_for_carried

        ask_for_carried(workspace, [record], verb="")


def _open(place: Path) -> str:
    """Open with the system's program; why not, where it cannot be."""
    if sys.platform == "win32":
        os.startfile(place)  # type: ignore[attr-defined,unused-ignore]
        return ""
    if sys.platform == "darwin":
        program = "open"
    elif os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        program = "xdg-open"
    else:
        return "there is no screen to open them on"
    try:
        subprocess.Popen(
            [program, str(place)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except OSError as error:
        return f"{program} could not be started: {error.strerror}"
    return ""
