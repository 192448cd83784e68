"""What leaves the house is whole, and no more than is needed."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from penstock.bundle.packing import Layout
from penstock.bundle.preparing import Prepared
from penstock.errors import ExportError
from penstock.packaging.exports.closure import OPTIONAL, RUNTIME, SERVER, closure, needed, others, pinned, with_needs


def test_the_runtime_of_a_bundle_needs_numpy_and_onnxruntime_alone() -> None:
    """Also in what functions import."""
    sources = closure("penstock.bundle.runtime")
    assert others(sources) - set(OPTIONAL.values()) == set(RUNTIME)
    assert {name.split(".")[1] for name in sources} == {"bundle", "errors", "objects", "parts"}


def test_the_server_loads_no_ledger_and_no_training_stage() -> None:
    """The modules of the server, and the distributions that they import."""
    sources = closure("penstock.serving.server", "penstock.serving.supervisor")
    assert {name.split(".")[1] for name in sources} == {"bundle", "errors", "logic", "objects", "parts", "serving"}
    extras = {*OPTIONAL.values(), "google", "opentelemetry"}  # google.protobuf comes with gRPC
    assert others(sources) - extras <= set(SERVER)


def test_every_package_of_a_module_comes_with_it() -> None:
    """A module without its package cannot be imported."""
    sources = closure("penstock.bundle.runtime")
    assert all(name.rpartition(".")[0] in {*sources, "penstock"} for name in sources)


def test_what_is_installed_is_pinned() -> None:
    """One line for each, with a version."""
    assert [line.partition("==")[0] for line in pinned(SERVER)] == list(SERVER)
    assert all(line.partition("==")[2][0].isdigit() for line in pinned(SERVER))


def installed(folder: Path, name: str, *requires: str) -> None:
    about = folder / f"{name.replace('-', '_')}-1.dist-info"
    about.mkdir()
    lines = [f"Name: {name}", "Version: 1", *(f"Requires-Dist: {line}" for line in requires)]
    (about / "METADATA").write_text("\n".join(lines))


def test_all_that_is_needed_in_turn_comes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rings end, names go by one spelling, an extra brings what it asks for, and what is for another system stays out."""
    installed(tmp_path, "Top", "mid.dle[fast]>=1", 'absent; sys_platform == "nowhere"', "last; extra == 'docs'")
    installed(tmp_path, "mid-dle", "TOP", "speed; extra == 'fast'", "slow; extra == 'slow'")
    installed(tmp_path, "speed", "gone; extra == 'fast'")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    assert with_needs(("numpy", "Top")) == ("numpy", "Top", "mid-dle", "speed")
    assert pinned(with_needs(("Top",))) == ["Top==1", "mid-dle==1", "speed==1"]
    installed(tmp_path, "broken", "absent")
    importlib.invalidate_caches()
    with pytest.raises(ExportError, match="absent is not installed here"):
        with_needs(("broken",))


@pytest.mark.parametrize("module", ["penstock.bundle.runtime", "penstock.serving.server"])
def test_what_only_readers_of_types_need_stays_at_home(module: str) -> None:
    """Imports under TYPE_CHECKING never run."""
    assert "pyarrow" not in others(closure(module))


def test_what_only_some_models_need_is_required_where_they_do() -> None:
    """Pillow, of models whose decoder makes pixels of images, also within another function."""
    tree = Prepared("pixels_grey", ("photo",), (8, 8))
    assert needed(Layout(strings=("photo",))) == ()
    assert needed(Layout(strings=("photo",), prepared=(("p", Prepared("tokens", (tree,))),))) == ("pillow",)
