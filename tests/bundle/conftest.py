"""Toy bundles, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.bundle.runtime import Bundle
from penstock.testing.toy_bundle import write_toy_bundle


@pytest.fixture(scope="session")
def toy_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Task -> folder of a toy bundle; read only."""
    root = tmp_path_factory.mktemp("bundles")
    return {task: write_toy_bundle(root / task, task=task) for task in ("binary", "multiclass", "regression")}


@pytest.fixture(scope="session", params=["binary", "multiclass", "regression"])
def bundle(request: pytest.FixtureRequest, toy_folders: dict[str, Path]) -> Bundle:
    """A loaded toy bundle of each task."""
    return Bundle.load(toy_folders[request.param])


@pytest.fixture(scope="session")
def binary(toy_folders: dict[str, Path]) -> Bundle:
    """The loaded toy bundle with two classes."""
    return Bundle.load(toy_folders["binary"])
