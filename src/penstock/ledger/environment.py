"""Where a run happens: the environment, and the state of the project's source."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from penstock import __version__


@cache
def environment() -> dict[str, Any]:
    """Python, platform, processors, and the versions of the packages that Penstock itself asks for."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "packages": _packages(),
    }


def _packages() -> dict[str, str]:
    found: dict[str, str] = {}
    for requirement in _requirements():
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        try:
            found[name.lower()] = metadata.version(name)
        except metadata.PackageNotFoundError:  # an extra that is not installed
            continue
    return dict(sorted(found.items()))


def _requirements() -> list[str]:
    try:
        return metadata.requires("penstock") or []
    except metadata.PackageNotFoundError:  # run from a source tree that was never installed
        return []


def source(folder: Path) -> dict[str, Any]:
    """The version of Penstock, and the commit of the project folder where it is in a Git repository.

    ``dirty`` tells whether tracked files differ from that commit. Without Git, or without a commit, both are None.
    """
    commit, dirty = _git(folder)
    return {"penstock": __version__, "commit": commit, "dirty": dirty}


def _git(folder: Path) -> tuple[str | None, bool | None]:
    command = ["git", "status", "--porcelain=v2", "--branch", "--untracked-files=no", "--", "."]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None, None
    oid = re.search(r"^# branch\.oid ([0-9a-f]{40,64})$", done.stdout, re.MULTILINE)
    if done.returncode != 0 or oid is None:
        return None, None
    return oid[1], any(not line.startswith("#") for line in done.stdout.splitlines())
