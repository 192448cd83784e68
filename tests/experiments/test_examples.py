"""The examples in the docstrings of what looks at runs."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = (
    "sheets",
    *(f"curves.{name}" for name in ("curve_chart", "curves", "diagnosis", "noise", "series_names")),
    *(f"looking.{name}" for name in ("comparison", "diff", "listing", "open_files", "properties")),
    *(f"looking.{name}" for name in ("run_files", "show", "terminal_chart", "watch")),
    "keeping.trash",
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name: str) -> None:
    """What the docstrings show is what happens."""
    assert doctest.testmod(importlib.import_module(f"penstock.experiments.{name}")).failed == 0
