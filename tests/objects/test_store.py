"""How a store is opened."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from penstock.errors import DeclarationError
from penstock.objects import digests, store
from penstock.objects.local import LocalStore
from penstock.objects.store import open_store


def test_a_folder_a_path_and_a_file_url_are_one_store(tmp_path: Path) -> None:
    """Also with a space in the name, and reopened by the store's own URL."""
    folder = tmp_path / "my objects"
    digest = open_store(folder).put(b"model")
    for place in (str(folder), folder, open_store(folder).url):
        assert open_store(place).get(digest) == b"model"
    assert isinstance(open_store(folder), LocalStore)


def test_a_container_without_its_account_is_told_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider's own words, and the way out."""
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(DeclarationError, match=r"(?s)cannot be opened.*[Aa]ccount.*environment variables"):
        open_store("az://container/prefix")


@pytest.mark.parametrize("module", [digests, store])
def test_the_examples_run(module: object) -> None:
    """What the docstrings show is what happens."""
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
