"""Real tables from file to served model: every way in gives the same answer."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

DATA = Path(os.environ.get("PENSTOCK_DATA", Path(__file__).parents[3] / "shared" / "data"))

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not here: set PENSTOCK_DATA to their folder"),
]


@pytest.fixture(scope="module")
def real() -> ModuleType:
    """The benchmark `benchmarks/real.py`, which is a script and in no package."""
    path = Path(__file__).parents[2] / "benchmarks" / "real.py"
    spec = importlib.util.spec_from_file_location("benchmarks_real", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name", ["titanic", *(pytest.param(name, marks=pytest.mark.slow) for name in ("california_housing", "sms_spam"))]
)
def test_serve_predict_and_learner_agree_on_raw_rows(real: ModuleType, name: str) -> None:
    """A class, a number and a text: row by row, in batches and from a file, bit for bit"""
    outcome = real.measure(name, DATA, seed=0, budget="2 trials")
    assert outcome.checks["rows"] >= 891
    assert outcome.checks["equal"]
    assert outcome.parity <= 1e-5
