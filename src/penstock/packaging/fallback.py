"""Models that answer instead: when the model itself would be too late, or when a row lacks a field. They ship in its bundle.

A fallback is a graph and a signature of its own behind the bundle's one decoder: `fallback-late.onnx` and `fallback-late.json`, and the
same with `missing`. It has its own novelty, threshold and interval, is held to parity, and answers the bundle's examples in its self-test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.bundle.signature import Signature
from penstock.errors import RequestError
from penstock.objects.digests import canonical_json
from penstock.packaging.answer import answer_graph

if TYPE_CHECKING:
    from penstock.bundle.runtime import Bundle
    from penstock.packaging.novelty import FittedNovelty


@dataclass(frozen=True)
class Fallback:
    """One of them, before it is packaged.

    Attributes
    ----------
    why : "late" or "missing", as answers say it.
    learner : that it was fitted with, for the card.
    model : ONNX bytes, packed inputs -> `probabilities` or `value`.
    """

    why: str
    learner: str
    model: bytes
    signature: Signature
    novelty: FittedNovelty

    def files(self, answers: Sequence[Mapping[str, Any]] = ()) -> dict[str, bytes]:
        """Its files in the bundle, by name; `answers` are those to the bundle's examples."""
        its = self.signature
        described = {
            "format": 1,
            "kind": "fallback",
            "learner": self.learner,
            "signature": its.to_json(),
            "answers": list(answers),
        }
        return {
            f"fallback-{self.why}.onnx": answer_graph(self.model, its.layout, its.task, self.novelty, its.decision),
            f"fallback-{self.why}.json": canonical_json(described),
        }


def is_answered(bundle: Bundle, row: Mapping[str, Any]) -> bool:
    """Whether a row has what must not be missing; any other reason to refuse it is raised."""
    try:
        bundle.check([row])
    except RequestError as error:
        if error.code == "missing-value":
            return False
        raise
    return True
