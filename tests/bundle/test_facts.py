"""What a bundle says of itself without its graph."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.bundle.facts import read_facts
from penstock.bundle.runtime import Bundle
from penstock.errors import BundleError
from penstock.testing.toy_bundle import write_toy_bundle


def test_facts_say_what_the_loaded_bundle_says(tmp_path: Path) -> None:
    """Also where the graph is gone."""
    bundle = Bundle.load(write_toy_bundle(tmp_path / "toy"))
    card = bundle.card
    (tmp_path / "toy" / "graph.onnx").unlink()
    facts = read_facts(tmp_path / "toy")
    assert (facts.digest, facts.manifest, facts.card) == (bundle.digest, bundle.manifest, card)
    assert facts.signature.to_json() == bundle.signature.to_json()
    assert facts.decoder.digest == bundle.decoder.digest
    assert list(facts.fallbacks) == list(bundle.fallbacks)


@pytest.mark.parametrize("name", ["manifest.json", "decoder.json", "signature.json"])
def test_what_is_damaged_says_nothing(tmp_path: Path, name: str) -> None:
    """Each file that is read is checked."""
    file = write_toy_bundle(tmp_path / "toy") / name
    file.write_bytes(file.read_bytes().replace(b"age", b"egg") + b" ")
    with pytest.raises(BundleError, match=name):
        read_facts(tmp_path / "toy")
