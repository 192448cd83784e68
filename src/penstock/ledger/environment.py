"""Where a run happens: the environment, and the state of the project's source."""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

from penstock import __version__


@cache
def environment() -> dict[str, Any]:
    """Python, platform, processors, and the versions of the packages that Penstock itself asks for."""
    import platform

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "packages": _packages(),
    }


def _packages() -> dict[str, str]:
    """Name -> version, from the names of the folders in which packages are installed: `importlib.metadata` opens them all."""
    installed = _installed()
    own = installed.get("penstock")
    if own is None:  # run from a source tree that was never installed
        return {}
    found: dict[str, str] = {}
    with open(os.path.join(own[1], "METADATA"), encoding="utf-8") as file:
        for line in file:
            if line.startswith("Requires-Dist:"):
                name = re.split(r"[^A-Za-z0-9._-]", line.partition(":")[2].strip(), maxsplit=1)[0]
                if (package := installed.get(_normal(name))) is not None:  # an extra may not be installed
                    found[name.lower()] = package[0]
            elif not line.strip():
                break
    return dict(sorted(found.items()))


def _installed() -> dict[str, tuple[str, str]]:
    """Normalised name of an installed package -> its version, and the folder that says so. The first on the path counts."""
    found: dict[str, tuple[str, str]] = {}
    for place in sys.path:
        try:
            names = os.listdir(place or ".")
        except OSError:  # a zip file, or a folder that is not there
            continue
        for folder in names:
            if folder.endswith(".dist-info"):
                name, _, version = folder.removesuffix(".dist-info").partition("-")
                found.setdefault(_normal(name), (version, os.path.join(place, folder)))
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def source(folder: Path) -> dict[str, Any]:
    """The version of Penstock, and the commit of the project folder where it is in a Git repository.

    ``dirty`` tells whether tracked files differ from that commit. Without Git, or without a commit, both are None.
    """
    commit, dirty = _git(folder)
    return {"penstock": __version__, "commit": commit, "dirty": dirty}


def _git(folder: Path) -> tuple[str | None, bool | None]:
    import subprocess

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
