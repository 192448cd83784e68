"""A bundle with another graph: its own examples, a stated tolerance, and no example so near a limit that a step takes it across."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from penstock.bundle.format import read_bundle, write_bundle
from penstock.bundle.runtime import TOLERANCE, Bundle
from penstock.errors import BundleError
from penstock.objects.digests import canonical_json
from penstock.packaging.quantising import rebuilt
from penstock.testing.toy_bundle import ROWS, ToyTask, write_toy_bundle


@pytest.fixture
def finish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The toy of version 1 with the graph of version 2, finished with a tolerance."""
    monkeypatch.setattr("penstock.packaging.card.render_card", lambda card: f"# {card['name']}\n")

    def finished(tolerance: float, task: ToyTask = "binary") -> Bundle:
        parent = Bundle.load(write_toy_bundle(tmp_path / f"{task}-1", task=task))
        other = Bundle.load(write_toy_bundle(tmp_path / f"{task}-2", task=task, version=2))
        draft = rebuilt.with_graph(parent, other.read("graph.onnx"), tmp_path / f"{task}-draft", key=None)
        frame, _ = parent.decoder.decode_rows(list(ROWS))
        return rebuilt.finished(
            draft,
            tmp_path / f"{task}-{tolerance}",
            tolerance=tolerance,
            reference=lambda heldout: {"format": 1, "rows": len(heldout)},
            valid=frame,
            card={"name": "toy"},
            audit_head="head",
            key=None,
        )

    return finished


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_its_examples_are_its_own_graphs(finish: Any, task: ToyTask) -> None:
    """Not the parent's: it answers them bit for bit."""
    bundle = finish(0.001, task)
    bundle.self_test(exact=True)
    examples = json.loads(bundle.read("examples.json"))
    assert examples["tolerance"] == 0.001
    assert examples["answers"]
    assert bundle.reference["rows"] == len(ROWS)
    assert bundle.manifest["audit_head"] == "head"


def test_a_tolerance_is_never_below_that_of_exact_bundles(finish: Any) -> None:
    assert json.loads(finish(0.0).read("examples.json"))["tolerance"] == TOLERANCE


def test_examples_near_a_limit_are_left_out(finish: Any) -> None:
    """With a tolerance as wide as all probabilities none is left that could be sure."""
    many, few = (len(json.loads(finish(width).read("examples.json"))["rows"]) for width in (0.001, 0.2))
    assert few < many
    assert json.loads(finish(1.0).read("examples.json"))["rows"] == []


def test_the_self_test_allows_what_the_bundle_states_and_no_more(finish: Any, tmp_path: Path) -> None:
    """As if another kind of processor answered: within the tolerance it starts, beyond it it is refused."""
    bundle = finish(0.01)
    files = read_bundle(bundle.folder).files
    examples = json.loads(files["examples.json"])
    for name, change, passes in (("near", 0.009, True), ("far", 0.011, False)):
        shifted = json.loads(canonical_json(examples))
        for answer in shifted["answers"]:
            answer["novelty"] += change
        folder = tmp_path / name
        write_bundle(folder, {**files, "examples.json": canonical_json(shifted)}, "head")
        other = Bundle.load(folder)
        if passes:
            other.self_test()
        else:
            with pytest.raises(BundleError, match="examples"):
                other.self_test()
        with pytest.raises(BundleError):
            other.self_test(exact=True)
