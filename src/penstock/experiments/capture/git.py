"""The state of the repository in which a run happens: commit, branch, and what is not committed."""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock import __version__
from penstock.experiments.capture.matters import ending, secret_file
from penstock.experiments.capture.secrets import MASK, Masker

DIFF_BYTES = 5 * 2**20
"""Of a diff, this much is kept."""

_TIMEOUT_S = 20.0
_MASK = MASK.encode()
_QUOTED = (
    rb"""(["']?)(?<![A-Za-z0-9_])([A-Za-z_][A-Za-z0-9_.-]{0,99})\1([ \t]*(?::=|[:=])[ \t]*)(?:(["'])((?:(?!\4).)+)\4"""
)
_IN_CODE = _QUOTED + rb")"
_IN_TEXT = _QUOTED + rb"""|((?<=[=:])[^\s"']\S*|(?<=[ \t])[^\s"'#].*))"""
"""In YAML, an INI file or a shell script a value needs no quotes: it ends with the word after ``=``, else with the line."""
_CODE = frozenset((
    "py", "pyi", "pyx", "pxd", "r", "jl", "m", "c", "h", "cc", "cpp", "cxx", "hpp", "cu", "cuh", "rs", "go", "java", "kt",
    "scala", "js", "mjs", "ts", "tsx", "jsx", "lua", "pl", "rb", "php", "swift", "f", "f90", "f95",
))  # fmt: skip
"""Endings of languages in which a word without quotes is a name, and no value."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What is checked out, as far as a folder goes. `branch` is None where no branch is checked out.

    `changed` are the tracked files below the folder that differ from the commit, relative to the top of the repository.
    """

    commit: str
    branch: str | None
    changed: tuple[str, ...]

    @property
    def dirty(self) -> bool:
        return bool(self.changed)


@dataclass(frozen=True, slots=True)
class State:
    """The repository around a folder, as a run records it.

    Attributes
    ----------
    source : as the ledger has it: ``{"penstock", "commit", "dirty", "branch"}``, and ``not_told`` where Git failed.
    diff : what below the folder is not committed; b"" where all is. not_told : what of this Git did not tell, and why.
    """

    source: dict[str, Any]
    diff: bytes = b""
    not_told: str = ""


def state_of(folder: Path, masker: Masker | None = None, *, limit_bytes: int = DIFF_BYTES) -> State:
    """Commit, branch, and what is not committed in a folder. Both are about the folder: a file beside it makes neither dirty.

    In the diff secrets are masked, and so is what is assigned to a secret name; of files that look like keys only the names are
    told. A longer diff is cut, and says so.
    """
    told = _source(None)
    try:
        found = commit_of(folder)
        told = _source(found)
        diff = _diff(folder, found, masker or Masker(), limit_bytes) if found is not None and found.dirty else b""
    except GitFailed as error:
        return State({**told, "not_told": str(error)}, not_told=str(error))
    return State(told, diff)


def source(folder: Path) -> dict[str, Any]:
    """The same without the diff, as the ledger has it."""
    try:
        return _source(commit_of(folder))
    except GitFailed as error:
        return {**_source(None), "not_told": str(error)}


def _source(found: Commit | None) -> dict[str, Any]:
    if found is None:
        return {"penstock": __version__, "commit": None, "dirty": None}
    return {"penstock": __version__, "commit": found.commit, "dirty": found.dirty, "branch": found.branch}


class GitFailed(Exception):
    """Git could not be asked: it is not installed, refuses, or takes too long."""


def commit_of(folder: Path) -> Commit | None:
    """The commit of the repository around a folder; None without one, or without a commit. Raises: GitFailed."""
    if repository(folder) is None:
        return None
    told = _git(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no", "--no-renames", "-z", "--", ".")
    lines = [os.fsdecode(line) for line in told.split(b"\0") if line]
    heads = dict(line[2:].partition(" ")[::2] for line in lines if line.startswith("# branch."))
    commit = heads.get("branch.oid", "")
    if not re.fullmatch(r"[0-9a-f]{40,64}", commit):
        return None
    branch = heads.get("branch.head", "")
    return Commit(
        commit,
        branch=None if branch in ("", "(detached)") else branch,
        changed=tuple(line.split(" ", 10 if line[0] == "u" else 8)[-1] for line in lines if not line.startswith("#")),
    )


def _diff(folder: Path, commit: Commit, masker: Masker, limit_bytes: int) -> bytes:
    """``git diff HEAD`` of a folder. Raises: GitFailed."""
    secret = [name for name in commit.changed if secret_file(name)]
    apart = [f":(exclude,top,literal){name}" for name in secret]
    options = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames")
    data = _git(folder, "diff", "HEAD", *options, "--", ".", *apart, limit_bytes=limit_bytes + 1)
    if len(data) > limit_bytes:
        data = data[: data.rfind(b"\n", 0, limit_bytes) + 1] + b"[the rest of the diff is left out]\n"
    parts = re.split(rb"(?m)^(?=diff --git )", masker.mask_bytes(data))
    left_out = [f"[{name} differs, and is left out: it looks like keys or passwords]\n" for name in secret]
    return b"".join(_without_assigned(part, masker) for part in parts) + os.fsencode("".join(left_out))


def _without_assigned(part: bytes, masker: Masker) -> bytes:
    """The diff of one file, without what is assigned to secret names."""
    name = os.fsdecode(part.partition(b"\n")[0].rstrip(b'"'))

    def hide(found: re.Match[bytes]) -> bytes:
        if not masker.is_secret(found[2].decode()):
            return found[0]
        quote = found[4] or b""
        return found[1] + found[2] + found[1] + found[3] + quote + _MASK + quote

    return re.sub(_IN_CODE if ending(name) in _CODE else _IN_TEXT, hide, part)


def listed(folder: Path) -> list[str] | None:
    """Files of the repository below a folder, relative to it: tracked ones, and others that are not ignored.

    None where there is no repository, or where it ignores the folder itself. A folder with a ``/`` behind it is a
    repository within this one.
    """
    if repository(folder) is None:
        return None
    try:
        told = _git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".")
    except GitFailed:
        return None
    names = sorted({os.fsdecode(name) for name in told.split(b"\0") if name})
    return names if names or not _ignored(folder) else None


def repository(folder: Path) -> Path | None:
    """The top of the repository around a folder, as far as can be seen without starting Git."""
    if "GIT_DIR" in os.environ:
        return folder
    ceilings = {Path(p) for p in os.environ.get("GIT_CEILING_DIRECTORIES", "").split(os.pathsep) if p}
    folder = folder.resolve()
    for candidate in (folder, *folder.parents):
        if candidate in ceilings and candidate != folder:
            return None
        if (candidate / ".git").exists():
            return candidate
    return None


def _ignored(folder: Path) -> bool:
    try:
        _git(folder, "check-ignore", "-q", ".")
    except GitFailed:
        return False
    return True


def _git(folder: Path, *arguments: str, limit_bytes: int = -1) -> bytes:
    """What Git prints, or the first of it; ended after `_TIMEOUT_S`. Raises: GitFailed."""
    import subprocess  # not needed where there is no repository

    try:
        process = subprocess.Popen(
            ["git", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            env=_quiet(),
        )
    except OSError as error:
        raise GitFailed(f"git cannot be run: {error.strerror}") from error
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(_TIMEOUT_S, end)
    timer.start()
    try:
        with process:
            assert process.stdout is not None
            data = process.stdout.read(limit_bytes)
            whole = limit_bytes < 0 or len(data) < limit_bytes
            if not whole:
                process.kill()
    finally:
        timer.cancel()
    if late.is_set():
        raise GitFailed(f"git {arguments[0]} took longer than {_TIMEOUT_S:g} s")
    if whole and process.returncode:
        raise GitFailed(f"git {arguments[0]} failed with exit status {process.returncode}")
    return data


def _quiet() -> dict[str, str]:
    """Git takes no lock (the user may commit meanwhile), and asks nothing."""
    return {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_PAGER": "cat"}
