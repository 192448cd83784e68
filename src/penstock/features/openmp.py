"""OpenMP threads that sleep while they wait for each other.

LightGBM's threads meet many times for each tree, and GNU's OpenMP lets whoever waits for another spin. Where other programs use the cores
too, the one that is waited for does not get one meanwhile: 200 trees on 3,000 rows by two threads, on two cores that were busy, took 36 s
and 8 s of processor time spinning, 1 s and 0.3 s asleep.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any

ASLEEP = {"OMP_WAIT_POLICY": "PASSIVE"}
"""What OpenMP reads in the environment when a library brings it in."""

_SAID = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def asleep(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment of a process whose threads are to sleep while they wait; what it says of that itself stands.

    >>> asleep({"HOME": "/root"})
    {'HOME': '/root', 'OMP_WAIT_POLICY': 'PASSIVE'}
    >>> asleep({"GOMP_SPINCOUNT": "100"})
    {'GOMP_SPINCOUNT': '100'}
    """
    return dict(environment) if any(name in environment for name in _SAID) else {**environment, **ASLEEP}


def load_lightgbm() -> Any:
    """LightGBM, with threads that sleep where nothing has brought it in yet; the environment is as it was afterwards."""
    if "lightgbm" not in sys.modules:
        added = {name: text for name, text in asleep(os.environ).items() if name not in os.environ}
        os.environ.update(added)
        try:
            return importlib.import_module("lightgbm")
        finally:
            for name in added:
                del os.environ[name]
    return sys.modules["lightgbm"]
