"""The examples in the ledger's docstrings."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from penstock import ledger


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(ledger.__path__)])
def test_the_examples_run(name: str) -> None:
    """What the docstrings show is what happens."""
    assert doctest.testmod(importlib.import_module(f"penstock.ledger.{name}")).failed == 0
