"""Threads that wait for each other sleep."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

LOAD = "import os; from penstock.features.openmp import load_lightgbm; load_lightgbm(); print(os.environ.get('OMP_WAIT_POLICY'))"


def loaded(**said: str) -> tuple[str, str]:
    """What a new process that loads LightGBM has in its environment then, and what OpenMP says that it goes by."""
    rest = {n: v for n, v in os.environ.items() if n not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        env={**rest, "OMP_DISPLAY_ENV": "TRUE", **said},
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    if "OMP_WAIT_POLICY" not in done.stderr:
        pytest.skip("LightGBM has an OpenMP here that does not say what it goes by")
    return done.stdout.strip(), done.stderr


def test_lightgbms_threads_sleep_and_the_environment_is_as_it_was() -> None:
    """What the process starts later is not told."""
    environment, told = loaded()
    assert environment == "None"
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in told


def test_what_the_user_says_stands() -> None:
    """On a machine that does nothing else, spinning is a little faster."""
    environment, told = loaded(OMP_WAIT_POLICY="ACTIVE")
    assert environment == "ACTIVE"
    assert "OMP_WAIT_POLICY = 'ACTIVE'" in told
