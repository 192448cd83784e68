"""Where a script runs: interpreter, packages, system, processor, graphics cards, and the variables that matter.

Fast on purpose, as it is part of every run: packages are read from the names of their ``.dist-info`` folders, and nothing is
asked of another process unless the script has an interpreter of its own.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.errors import ScriptError
from penstock.experiments.capture.secrets import Masker

VARIABLES = (
    "CUDA_*", "NVIDIA_*", "HIP_*", "ROCR_*", "OMP_*", "MKL_*", "OPENBLAS_*", "BLIS_*", "VECLIB_*", "NUMEXPR_*", "KMP_*", "GOMP_*",
    "TF_*", "TORCH*", "PYTORCH_*", "XLA_*", "JAX_*", "NCCL_*", "KERAS_*", "HF_*", "TRANSFORMERS_*", "LIGHTGBM_*", "RAY_*",
    "PYTHONHASHSEED", "PYTHONPATH", "PYTHONOPTIMIZE", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONWARNINGS", "PYTHONMALLOC",
    "VIRTUAL_ENV", "CONDA_DEFAULT_ENV", "CONDA_PREFIX", "LANG", "LC_*", "TZ", "LD_LIBRARY_PATH", "LD_PRELOAD", "SOURCE_DATE_EPOCH",
    "RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "SLURM_*", "CI", "GITHUB_SHA", "GITHUB_REF", "GITHUB_RUN_ID",
    "BUILD_NUMBER", "R_HOME", "R_LIBS*", "JULIA_*",
)  # fmt: skip
"""Variables that are recorded, as far as they are set; ``*`` stands for anything."""

_ASK = (
    "import json,sys;print(json.dumps({'python':sys.version.split()[0],'executable':sys.executable,"
    "'prefix':sys.prefix,'path':sys.path[1:]}))"
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python interpreter: version, program, prefix, and the folders in which it finds packages."""

    python: str
    executable: str
    prefix: str
    path: tuple[str, ...]

    @classmethod
    def here(cls) -> Interpreter:
        """The one that runs this line."""
        return cls(sys.version.split()[0], sys.executable, sys.prefix, tuple(p for p in sys.path if p))

    @classmethod
    def of(cls, python: str | Path) -> Interpreter:
        """Another one, which is started to tell.

        Raises
        ------
        ScriptError : it cannot be started, or is no Python.
        """
        if str(python) in ("", sys.executable):
            return cls.here()
        import subprocess  # seldom: most scripts run in our own interpreter

        try:
            done = subprocess.run(
                [str(python), "-c", _ASK], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL
            )
            return cls.from_json(json.loads(done.stdout))
        except (OSError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
            raise ScriptError(
                f"{str(python)!r} does not run as a Python interpreter",
                why=str(error) if isinstance(error, OSError) else "it did not answer as Python does",
                way_out="correct [run] python in penstock.toml, or --python",
            ) from error

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Interpreter:
        """From what `_ASK` prints; also what the script's own process tells when it starts."""
        return cls(body["python"], body["executable"], body["prefix"], tuple(p for p in body["path"] if p))

    def to_json(self) -> dict[str, Any]:
        return {"python": self.python, "executable": self.executable, "prefix": self.prefix, "path": list(self.path)}


def capture(
    interpreter: Interpreter | None = None,
    *,
    variables: Mapping[str, str] | None = None,
    names: Iterable[str] = (),
    masker: Masker | None = None,
    packages: bool = True,
) -> dict[str, Any]:
    """The environment of a run, as the ledger keeps it.

    Parameters
    ----------
    interpreter : that of the script; by default this one.
    variables : those of the script's process; by default this one's.
    names : variables to record beside the usual ones (``[run] variables``); ``*`` stands for anything.
    masker : keeps secrets out of the variables.
    packages : False for programs that are not Python.
    """
    interpreter = interpreter or Interpreter.here()
    masker = masker or Masker()
    body: dict[str, Any] = {
        "python": interpreter.python,
        "platform": platform_name(),
        "machine": _machine(),
        "os": _system(),
        "cpus": os.cpu_count(),
        "cpu": cpu_model(),
        "memory_bytes": memory_bytes(),
        "gpus": gpus(),
        "packages": installed(interpreter.path) if packages else {},
        "variables": chosen_variables(os.environ if variables is None else variables, names, masker),
    }
    if packages:
        body.update(executable=interpreter.executable, prefix=interpreter.prefix)
    return body


# ---- packages


def installed(path: Iterable[str]) -> dict[str, str]:
    """Name -> version of the packages in these folders; the first of a name counts, as in an import."""
    return {name: version for name, (version, _) in sorted(_distributions(path).items())}


def lock(path: Iterable[str]) -> str:
    """What has to be installed to have these packages again: a line ``name==version`` each, or ``name @ url``."""
    lines = []
    for name, (version, folder) in sorted(_distributions(path).items()):
        if name != "pip":
            lines.append(_direct(name, folder) or f"{name}=={version}")
    return "".join(f"{line}\n" for line in lines)


def _distributions(path: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Canonical name -> (version, folder of its metadata)."""
    found: dict[str, tuple[str, str]] = {}
    for folder in dict.fromkeys(path):
        try:
            entries = os.listdir(folder)
        except OSError:  # a zip file, or a folder that is not there: both are usual in sys.path
            continue
        for entry in entries:
            stem, dot, kind = entry.rpartition(".")
            if not dot or kind not in ("dist-info", "egg-info"):
                continue
            name, dash, version = stem.partition("-")
            place = os.path.join(folder, entry)
            if kind == "egg-info":
                version = version.partition("-py")[0] or _told_version(place)
            elif not dash:
                continue
            found.setdefault(canonical_name(name), (version, place))
    return found


def canonical_name(name: str) -> str:
    """The one way to write a package's name (PEP 503).

    >>> canonical_name("Ruamel_YAML.clib"), canonical_name("a-_-.b")
    ('ruamel-yaml-clib', 'a-b')
    """
    name = name.lower().replace("_", "-").replace(".", "-")
    while "--" in name:
        name = name.replace("--", "-")
    return name


def _told_version(place: str) -> str:
    for name in ("PKG-INFO", ""):
        try:
            text = Path(place, name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if told := re.search(r"(?m)^Version: *(\S+)", text):
            return told[1]
    return "unknown"


def _direct(name: str, folder: str) -> str | None:
    """The line of a package that came from elsewhere than an index; its commit or folder is part of it."""
    try:
        with open(os.path.join(folder, "direct_url.json"), "rb") as file:
            body = json.loads(file.read())
        url = str(body["url"])
    except (OSError, ValueError, KeyError):  # from an index: there is no such file
        return None
    if vcs := body.get("vcs_info"):
        url = f"{vcs.get('vcs', 'git')}+{url}@{vcs.get('commit_id', '')}"
    if inner := body.get("subdirectory"):
        url += f"#subdirectory={inner}"
    return f"{name} @ {Masker().mask(url)}"


# ---- the machine


def platform_name() -> str:
    """As `platform.platform()` says it; that module takes longer to import than a run may."""
    if sys.platform != "linux":
        import platform

        return platform.platform()
    system = os.uname()
    try:
        libc = (os.confstr("CS_GNU_LIBC_VERSION") or "").replace(" ", "")
    except (ValueError, OSError):  # musl has no such name
        libc = ""
    return f"{system.sysname}-{system.release}-{system.machine}-with-{libc or 'libc'}"


def _machine() -> str:
    if hasattr(os, "uname"):
        return os.uname().machine
    import platform

    return platform.machine()


def _system() -> str:
    """The distribution's own name, "" where it has none."""
    told = re.search(r'(?m)^PRETTY_NAME="?([^"\n]*)', _text("/etc/os-release"))
    return told[1] if told else ""


def cpu_model() -> str:
    """The processor as it calls itself; "" where the system does not tell."""
    told = re.search(r"(?m)^(?:model name|Model|Hardware|cpu model|cpu)\s*:\s*(.+)$", _text("/proc/cpuinfo"))
    if told:
        return " ".join(told[1].split())
    if sys.platform == "darwin":
        return _printed("sysctl", "-n", "machdep.cpu.brand_string")
    return os.environ.get("PROCESSOR_IDENTIFIER", "")  # Windows


def memory_bytes() -> int | None:
    """Memory that this process may use: the machine's, or the container's where that is less."""
    try:
        total: int | None = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        total = None
    limit = _text("/sys/fs/cgroup/memory.max").strip() or _text("/sys/fs/cgroup/memory/memory.limit_in_bytes").strip()
    if limit.isdigit() and (total is None or int(limit) < total):
        return int(limit)
    return total


def gpus(system: Path = Path("/")) -> list[str]:
    """Graphics cards by model, with the driver of NVIDIA's. Read from the system's own files: no tool is started."""
    found = []
    driver = re.search(r"Kernel Module.*?\s(\d+\.[\d.]+)", _text(str(system / "proc/driver/nvidia/version")))
    for information in _texts(system / "proc/driver/nvidia/gpus", "*/information"):
        model = re.search(r"(?m)^Model:\s*(.+)$", information)
        found.append((model[1].strip() if model else "NVIDIA") + (f" (driver {driver[1]})" if driver else ""))
    found += [name.strip() for name in _texts(system / "sys/class/drm", "card*/device/product_name") if name.strip()]
    return found


def chosen_variables(variables: Mapping[str, str], names: Iterable[str], masker: Masker) -> dict[str, str]:
    """The variables that matter, and those that were asked for; secrets among them are ``***``."""
    patterns = (*VARIABLES, *names)
    exact = {pattern for pattern in patterns if "*" not in pattern}
    begins = tuple(pattern[:-1] for pattern in patterns if pattern.find("*") == len(pattern) - 1)
    others = [p for p in patterns if "*" in p[:-1]]
    within = re.compile("|".join(re.escape(p).replace(r"\*", ".*") for p in others)) if others else None
    chosen = [
        name
        for name in sorted(variables)
        if name in exact or name.startswith(begins) or (within is not None and within.fullmatch(name))
    ]
    return {name: str(masker.value(name, variables[name])) for name in chosen}


def _texts(folder: Path, pattern: str) -> list[str]:
    return [_text(str(path)) for path in sorted(folder.glob(pattern))] if folder.is_dir() else []


def _text(path: str) -> str:
    """A small file of the system; "" where it has none, or not for us."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _printed(*command: str) -> str:
    import subprocess

    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
