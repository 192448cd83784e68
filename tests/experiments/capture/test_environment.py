"""The environment of a script: packages, machine, variables."""

from __future__ import annotations

import platform
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import pytest

from penstock.errors import ScriptError
from penstock.experiments.capture.environment import Interpreter, canonical_name, capture, gpus, installed, lock


def test_all_packages_are_told_as_the_standard_library_tells_them() -> None:
    """Only faster: from the names of folders."""
    expected: dict[str, str] = {}
    for one in metadata.distributions():
        expected.setdefault(canonical_name(one.metadata["Name"]), one.version)
    assert installed(sys.path) == expected


def test_the_platform_is_told_as_python_tells_it() -> None:
    """Records of both kinds can be compared."""
    here = capture(variables={})
    assert (here["python"], here["platform"], here["machine"]) == (
        platform.python_version(),
        platform.platform(),
        platform.machine(),
    )
    assert here["executable"] == sys.executable
    assert here["cpus"] >= 1
    assert here["memory_bytes"] is None or here["memory_bytes"] > 2**20
    assert isinstance(gpus(), list)


def test_variables_that_matter_are_told_and_secrets_are_not() -> None:
    """A random seed of the hash function changes results; a token changes nothing and belongs to nobody else."""
    variables = {"PYTHONHASHSEED": "0", "CUDA_VISIBLE_DEVICES": "", "HF_TOKEN": "hf_x", "HOME": "/home/ada", "MY_X": "1",
                 "LD_LIBRARY_PATH": "/lib"}  # fmt: skip
    assert capture(variables=variables, names=["MY_*"])["variables"] == {
        "CUDA_VISIBLE_DEVICES": "",
        "HF_TOKEN": "***",
        "LD_LIBRARY_PATH": "/lib",
        "MY_X": "1",
        "PYTHONHASHSEED": "0",
    }


@pytest.mark.parametrize(
    "version",
    [
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC version:  gcc\n",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  535.104.05  Release Build  (dvs-builder)\n",
    ],
)
def test_graphics_cards_are_told_with_their_driver(tmp_path: Path, version: str) -> None:
    """As the drivers of NVIDIA and AMD write it into the system's files (from their documentation; no card is at hand)."""
    nvidia = tmp_path / "proc" / "driver" / "nvidia"
    for bus in ("0000:01:00.0", "0000:02:00.0"):
        (nvidia / "gpus" / bus).mkdir(parents=True)
        (nvidia / "gpus" / bus / "information").write_text(
            "Model: \t\t NVIDIA H100 PCIe\nIRQ:   \t\t 47\nGPU UUID: \t GPU-1\n"
        )
    (nvidia / "version").write_text(version)
    card = tmp_path / "sys" / "class" / "drm" / "card0" / "device"
    card.mkdir(parents=True)
    (card / "product_name").write_text("AMD Instinct MI300X\n")
    assert gpus(tmp_path) == ["NVIDIA H100 PCIe (driver 535.104.05)"] * 2 + ["AMD Instinct MI300X"]
    assert gpus(tmp_path / "none") == []


def test_another_program_has_no_packages() -> None:
    """Those of Penstock's own interpreter would mislead."""
    body = capture(variables={}, packages=False)
    assert body["packages"] == {}
    assert "executable" not in body


def test_an_interpreter_of_its_own_is_asked(tmp_path: Path) -> None:
    """A virtual environment has its own packages."""
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    found = Interpreter.of(python)
    assert found.prefix == str(tmp_path / "env")
    assert "pytest" not in capture(found, variables={})["packages"]
    assert Interpreter.from_json(found.to_json()) == found


@pytest.mark.parametrize("program", ["/nowhere/python", "/bin/true"])
def test_what_is_no_python_is_refused(program: str) -> None:
    """Before anything is recorded."""
    with pytest.raises(ScriptError, match="does not run as a Python interpreter"):
        Interpreter.of(program)


def test_the_lock_says_where_a_package_came_from(tmp_path: Path) -> None:
    """An index, a commit, a folder: each has a line that can be installed."""
    for name, direct in {
        "Plain_Pkg-1.0+cpu": None,
        "repo-2.0": '{"url": "https://ada:pw9@git.example/r.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}',
        "mine-3": '{"url": "file:///src/mine", "dir_info": {"editable": true}, "subdirectory": "py"}',
        "pip-24": None,
    }.items():
        folder = tmp_path / f"{name}.dist-info"
        folder.mkdir()
        if direct:
            (folder / "direct_url.json").write_text(direct)
    (tmp_path / "old.egg-info").mkdir()
    (tmp_path / "old.egg-info" / "PKG-INFO").write_text("Name: old\nVersion: 0.9\n")
    assert lock([str(tmp_path), str(tmp_path / "missing")]).splitlines() == [
        "mine @ file:///src/mine#subdirectory=py",
        "old==0.9",
        "plain-pkg==1.0+cpu",
        "repo @ git+https://ada:***@git.example/r.git@abc",
    ]


def test_the_capture_is_fast() -> None:
    """It is part of the overhead of every run."""
    code = "import time,penstock.experiments.capture.environment as e;t=time.perf_counter();e.capture();print(time.perf_counter()-t)"
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(times) < 0.05
