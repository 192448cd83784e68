"""A fresh virtual environment with the packages that a run had, as far as they can be had."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from penstock.errors import ProjectError
from penstock.experiments.capture.environment import canonical_name

_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:==([^\s;]+)| @ (\S+))")
_TOO_LONG_S = 3600
_TOLD = (
    r"No matching distribution found for ([A-Za-z0-9._-]+)",
    r"satisfies the requirement ([A-Za-z0-9._-]+)",
    r"Failed building wheel for ([A-Za-z0-9._-]+)",
    r"[Ff]ailed to build (?:installable wheels for .*\()?`?([A-Za-z0-9._-]+)",
    r"there is no version of ([A-Za-z0-9._-]+)",
    r"Because ([A-Za-z0-9._-]+) (?:was not found|has no)",
    r"Failed to (?:download|fetch)[^`]*`([A-Za-z0-9._-]+)",
)
"""How pip and uv say which package they could not have."""


@dataclass(frozen=True)
class Fresh:
    """The environment that was made.

    Attributes
    ----------
    python : its interpreter.
    not_installed : ``{"package", "why"}`` of what it lacks, or has in another version.
    """

    python: str
    not_installed: list[dict[str, str]] = field(default_factory=list)


def make_environment(
    folder: Path,
    lock: str,
    version: str | None,
    *,
    recorded: str | None = None,
    moved: tuple[Path, Path] | None = None,
) -> Fresh:
    """Make a virtual environment in `folder`, with `uv` where it is installed, else with `venv` and `pip`.

    Packages come from where pip or uv is set to find them; nothing but what the lock names is installed.

    Parameters
    ----------
    lock : lines ``name==version`` or ``name @ url`` (`penstock.experiments.capture.environment.lock`).
    version : of the interpreter, such as ``3.11.7``; the nearest that is installed is taken.
    recorded : the interpreter that the run had, which may be on another machine.
    moved : a folder that a package was installed from, and where its copy is now.

    Raises
    ------
    ProjectError : no environment can be made at all.
    """
    uv = shutil.which("uv")
    python, note = _interpreter(version, recorded)
    command = [uv, "venv", "--quiet", "--python", python, str(folder)] if uv else [python, "-m", "venv", str(folder)]
    made = _run(command)
    inside = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if made.returncode != 0 or not inside.exists():
        raise ProjectError(
            "no fresh environment can be made",
            why=_last(made.stdout),
            way_out="install uv, or the venv module of Python, or use `--env same`",
        )
    installer = (
        [uv, "pip", "install", "--python", str(inside)] if uv else [str(inside), "-m", "pip", "install", "--no-input"]
    )
    wanted, not_installed = _wanted(lock, moved)
    not_installed = [*note, *not_installed, *_install([*installer, "--no-deps"], wanted, folder)]
    return Fresh(str(inside), not_installed)


def _interpreter(version: str | None, recorded: str | None) -> tuple[str, list[dict[str, str]]]:
    """The interpreter that is nearest to a version, and what to say of it: the recorded one, that of its name, or ours.

    What is found is asked for its version: a name may be that of a shim with nothing behind it.
    """
    here = sys.version.split()[0]
    if version is None or version == here:
        return sys.executable, []
    short = ".".join(version.split(".")[:2])
    candidates = [path for path in (recorded, shutil.which(f"python{short}")) if path]
    told = {path: _version_of(path) for path in candidates} | {sys.executable: here}
    for fits in (lambda one: one == version, lambda one: one.startswith(f"{short}.")):
        found = next((path for path, one in told.items() if fits(one)), None)
        if found is not None:
            break
    else:
        return sys.executable, [{"package": f"python=={version}", "why": f"it is not installed; {here} was used"}]
    used = told[found]
    return found, [] if used == version else [{"package": f"python=={version}", "why": f"{used} was used"}]


def _version_of(python: str) -> str:
    """What an interpreter says of itself; "" where it does not run."""
    asked = _run([python, "-c", "import sys;print(sys.version.split()[0])"])
    return asked.stdout.strip() if asked.returncode == 0 else ""


def _wanted(lock: str, moved: tuple[Path, Path] | None) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Name -> line of what can be tried, and what cannot. Only plain lines are taken: an option in a lock is no package."""
    wanted: dict[str, str] = {}
    refused: list[dict[str, str]] = []
    for line in lock.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None:
            refused.append({"package": line.strip()[:100], "why": "this line names no package"})
            continue
        name, _, url = found.groups()
        if url and url.startswith("file:"):
            place = Path(unquote(urlsplit(url).path))
            if moved is not None and place.is_relative_to(moved[0]):
                place = moved[1] / place.relative_to(moved[0])
            if not place.exists():
                refused.append({"package": name, "why": f"it was installed from {place}, which is not there"})
                continue
            line = f"{name} @ {place.as_uri()}"
        elif url and "***" in url:
            refused.append(
                {"package": name, "why": "it was installed from an address with a password, which was not recorded"}
            )
            continue
        wanted[canonical_name(name)] = line.strip()
    return wanted, refused


def _install(installer: Sequence[str], wanted: dict[str, str], folder: Path) -> list[dict[str, str]]:
    """Install all at once; leave out what the installer names as missing, and try again; at last one by one."""
    missing: list[dict[str, str]] = []
    file = folder / "penstock-lock.txt"
    wanted = dict(wanted)
    while wanted:
        file.write_text("\n".join(wanted.values()) + "\n", encoding="utf-8")
        done = _run([*installer, "-r", str(file)])
        if done.returncode == 0:
            return missing
        named = [canonical_name(name) for told in _TOLD for name in re.findall(told, done.stdout)]
        guilty = next((name for name in named if name in wanted), None)
        if guilty is None:
            return missing + _one_by_one(installer, wanted)
        missing += _other_version(installer, wanted.pop(guilty), _reason(done.stdout))
    return missing


def _one_by_one(installer: Sequence[str], wanted: dict[str, str]) -> list[dict[str, str]]:
    missing = []
    for line in wanted.values():
        done = _run([*installer, line])
        if done.returncode != 0:
            missing += _other_version(installer, line, _reason(done.stdout))
    return missing


def _other_version(installer: Sequence[str], line: str, why: str) -> list[dict[str, str]]:
    """A build of its own (``2.1+cpu``) may be had as the public release of that version."""
    public, plus, _ = line.partition("+")
    if plus and "==" in public and _run([*installer, public]).returncode == 0:
        return [{"package": line, "why": f"it is not to be had; {public} was installed"}]
    return [{"package": line, "why": why}]


def _run(command: Sequence[str | None]) -> subprocess.CompletedProcess[str]:
    variables = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }
    words = [str(word) for word in command]
    try:
        return subprocess.run(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=_TOO_LONG_S,
            env={**variables, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(words, 1, str(error), "")


def _reason(printed: str) -> str:
    lines = [line.strip() for line in printed.splitlines() if re.match(r"\s*(ERROR|error|×|Because|╰)", line)]
    return (lines[-1] if lines else _last(printed))[:300]


def _last(printed: str) -> str:
    return next((line.strip() for line in reversed(printed.splitlines()) if line.strip()), "it does not say why")[:300]
