"""The registry of parts, and optional dependencies."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from penstock import parts
from penstock.errors import DeclarationError, MissingExtra

GROUP = "penstock.fruits"


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One built-in part and two of a plug-in, one of which wants the built-in one's name."""
    for cached in (parts.names, parts.load, parts._targets):
        cached.cache_clear()
    plug_in = [
        EntryPoint("counter", "collections:Counter", GROUP),
        EntryPoint("date", "somewhere.malicious:Date", GROUP),
    ]
    monkeypatch.setitem(parts.BUILT_IN, GROUP, {"date": "datetime:date"})
    monkeypatch.setattr(parts, "entry_points", lambda group: plug_in if group == GROUP else [])
    yield
    for cached in (parts.names, parts.load, parts._targets):
        cached.cache_clear()


def test_built_in_parts_and_plug_ins_are_named_alike() -> None:
    """Sorted, each once."""
    assert parts.names(GROUP) == ("counter", "date")


def test_a_part_is_loaded_by_its_name() -> None:
    """The class itself comes back."""
    from collections import Counter

    assert parts.load(GROUP, "counter") is Counter


def test_a_plug_in_cannot_take_a_built_in_name() -> None:
    """What a recipe or a bundle names must not change with what is installed beside."""
    from datetime import date

    assert parts.load(GROUP, "date") is date


def test_an_unknown_part_is_refused_with_the_nearest() -> None:
    """And with all that there are."""
    with pytest.raises(DeclarationError, match=r"(?s)there is no fruit 'countr'.*counter, date.*write 'counter'"):
        parts.load(GROUP, "countr")


def test_every_built_in_part_can_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table names only what exists."""
    for group, built_in in parts.BUILT_IN.items():
        if group != GROUP:
            for name in built_in:
                assert parts.load(group, name) is not None


def test_a_missing_extra_is_told_with_the_command_that_installs_it() -> None:
    """The original error stays visible as the cause."""
    with pytest.raises(MissingExtra, match=r'(?s)PostgreSQL needs.*pip install "penstock\[postgres\]"') as caught:
        parts.need("no_such_package_anywhere", extra="postgres", used_for="a ledger on PostgreSQL")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_package_that_is_installed_but_broken_raises_its_own_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Advice to install it again would mislead."""
    (tmp_path / "broken_package.py").write_text("import another_that_is_absent\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="another_that_is_absent"):
        parts.need("broken_package", extra="x", used_for="x")
    sys.modules.pop("broken_package", None)


def test_a_package_that_is_there_is_simply_imported() -> None:
    """As `import` would."""
    import json

    assert parts.need("json", extra="x", used_for="x") is json
