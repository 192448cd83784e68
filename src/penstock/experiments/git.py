"""The state of the repository in which a run happens: commit, branch, and what is not committed."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock import __version__
from penstock.experiments.secrets import MASK, Masker

DIFF_BYTES = 5 * 2**20
"""Of a diff, this much is kept."""

_TIMEOUT_S = 20
_SECRET_FILES = (
    ".env",
    ".env.*",
    "*.pem",
    "*.key",
    "*credentials*",
    "*secrets*",
    ".netrc",
    ".pgpass",
    ".pypirc",
    ".npmrc",
)
_ASSIGNMENT = re.compile(rb"""(["']?)([A-Za-z_][A-Za-z0-9_.-]*)\1(\s*(?::=|[:=])\s*)(["'])((?:(?!\4).)+)\4""")


@dataclass(frozen=True, slots=True)
class Commit:
    """What is checked out. `dirty`: tracked files differ from the commit. `branch` is None where no branch is checked out."""

    commit: str
    branch: str | None
    dirty: bool


def commit_of(folder: Path) -> Commit | None:
    """The commit of the repository around a folder; None without one, without a commit, or without Git."""
    if repository(folder) is None:
        return None
    told = _git(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no", "--", ".")
    if told is None:
        return None
    lines = told.decode("utf-8", "replace").splitlines()
    heads = dict(line[2:].partition(" ")[::2] for line in lines if line.startswith("# branch."))
    commit = heads.get("branch.oid", "")
    if not re.fullmatch(r"[0-9a-f]{40,64}", commit):
        return None
    branch = heads.get("branch.head", "")
    return Commit(
        commit,
        branch=None if branch in ("", "(detached)") else branch,
        dirty=any(not line.startswith("#") for line in lines),
    )


def source(folder: Path) -> dict[str, Any]:
    """As the ledger records it: ``{"penstock", "commit", "dirty", "branch"}``."""
    found = commit_of(folder)
    if found is None:
        return {"penstock": __version__, "commit": None, "dirty": None}
    return {"penstock": __version__, "commit": found.commit, "dirty": found.dirty, "branch": found.branch}


def diff(folder: Path, masker: Masker | None = None, *, limit_bytes: int = DIFF_BYTES) -> bytes:
    """What of the repository is not committed, as ``git diff HEAD``; b"" where all is.

    Secrets are masked, and so is what is assigned to a secret name; files that look like keys are left out. A longer diff
    is cut, and says so.
    """
    if repository(folder) is None:
        return b""
    apart = [f":(exclude,top,glob)**/{name}" for name in _SECRET_FILES]
    command = ["git", "diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv", "--", ":/", *apart]
    try:
        with subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            env=_quiet(),
        ) as process:
            assert process.stdout is not None
            data = process.stdout.read(limit_bytes + 1)
            if len(data) > limit_bytes:
                process.kill()
    except OSError:  # no Git
        return b""
    if len(data) > limit_bytes:
        data = data[: data.rfind(b"\n", 0, limit_bytes) + 1] + b"[the rest of the diff is left out]\n"
    masker = masker or Masker()

    def hide(found: re.Match[bytes]) -> bytes:
        if not masker.is_secret(found[2].decode()):
            return found[0]
        return found[1] + found[2] + found[1] + found[3] + found[4] + MASK.encode() + found[4]

    return _ASSIGNMENT.sub(hide, masker.mask_bytes(data))


def listed(folder: Path) -> list[str] | None:
    """Files of the repository below a folder, relative to it: tracked ones, and others that are not ignored.

    None where there is no repository, or where it ignores the folder itself. A folder with a ``/`` behind it is a
    repository within this one.
    """
    if repository(folder) is None:
        return None
    told = _git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".")
    if told is None:
        return None
    names = sorted({os.fsdecode(name) for name in told.split(b"\0") if name})
    if not names and _git(folder, "check-ignore", "-q", ".") is not None:
        return None
    return names


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


def _git(folder: Path, *arguments: str) -> bytes | None:
    """What Git prints; None where it is not installed, fails, or takes too long."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
            env=_quiet(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _quiet() -> dict[str, str]:
    """Git takes no lock (the user may commit meanwhile), and asks nothing."""
    return {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_PAGER": "cat"}
