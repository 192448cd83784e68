"""The URIs of the plug-in: ``penstock:///folder`` is a workspace, and below it lie the files of runs and of logged models."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from penstock.errors import DeclarationError, ProjectError
from penstock.project.workspace import STATE, Workspace

SCHEME = "penstock"
MODEL_PREFIX = "m-"
"""MLflow knows the id of a logged model by it; behind it comes the id of the run that keeps the model."""

_FILES = re.compile(rf"(?P<root>.+)/{re.escape(STATE)}/(?:runs|models)/(?P<id>[^/]+)/artifacts(?:/(?P<path>.*))?")


class FilesPlace(NamedTuple):
    """Where artifacts lie: the run of a workspace that keeps them, and the folder within its files ("" is all)."""

    root: Path
    run: str
    path: str


def workspace_of(uri: str) -> Workspace:
    """The workspace of a tracking URI. ``penstock:`` alone is the one around the working folder.

    Raises
    ------
    DeclarationError : it is no URI of Penstock. ProjectError : there is no such folder.

    >>> workspace_of("penstock:///").root
    PosixPath('/')
    """
    scheme, colon, rest = uri.partition(":")
    if scheme != SCHEME or not colon:
        raise DeclarationError(
            f"{uri!r} is no workspace of Penstock",
            why=f"its scheme is not {SCHEME!r}",
            way_out="write penstock:///absolute/folder",
        )
    path = unquote(rest.removeprefix("//"))
    if not path:
        return Workspace.here()
    root = Path(path).absolute()
    if not root.is_dir():
        raise ProjectError(
            f"there is no folder {str(root)!r}",
            why=f"the tracking URI is {uri!r}",
            way_out="make the folder, or write three slashes before an absolute path: penstock:///folder",
        )
    return Workspace(root)


def files_uri(root: Path, run_id: str, *, model: bool = False) -> str:
    """Where MLflow finds the artifacts of a run, or of a logged model.

    >>> files_uri(Path("/my shop"), "R1")
    'penstock:///my%20shop/.penstock/runs/R1/artifacts'
    """
    kind, name = ("models", MODEL_PREFIX + run_id) if model else ("runs", run_id)
    return f"{SCHEME}://{quote(root.as_posix())}/{STATE}/{kind}/{name}/artifacts"


def files_place(uri: str) -> FilesPlace:
    """What `files_uri` and what MLflow appends to it mean.

    Raises
    ------
    DeclarationError : it is no place of artifacts.

    >>> files_place("penstock:///my%20shop/.penstock/runs/R1/artifacts/plots/a")
    FilesPlace(root=PosixPath('/my shop'), run='R1', path='plots/a')
    """
    scheme, _, rest = uri.partition(":")
    found = _FILES.fullmatch(unquote(rest.removeprefix("//")))  # MLflow itself sometimes leaves the two slashes away
    if scheme != SCHEME or found is None:
        raise DeclarationError(
            f"{uri!r} is no place of artifacts",
            why=f"such a place looks like {files_uri(Path('/folder'), 'RUN')}",
            way_out="leave the artifact location of the experiment away: Penstock has its own",
        )
    return FilesPlace(Path(found["root"]), found["id"].removeprefix(MODEL_PREFIX), (found["path"] or "").strip("/"))
