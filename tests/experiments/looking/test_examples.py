"""The examples in the docstrings of what looks at runs."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = (
    *("comparison", "curve_chart", "curves", "diagnosis", "diff", "listing", "noise", "open_files", "properties"),
    *("run_files", "series_names", "sheets", "show", "terminal_chart", "trash", "watch"),
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name: str) -> None:
    """What the docstrings show is what happens."""
    assert doctest.testmod(importlib.import_module(f"penstock.experiments.{name}")).failed == 0
