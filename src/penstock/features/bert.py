"""BERT encoders (Devlin et al. 2019) in standard operators: from their weights to vectors of the pieces of one text.

The model is written for one text at a time, without padding and so without a mask: each piece looks at all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.errors import RecipeError
from penstock.features.ops import floats, ints, op

if TYPE_CHECKING:
    from spox import Var

_ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu")


def emit_bert(numbers: Var, config: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> Var:
    """Vectors of the pieces of one text.

    Parameters
    ----------
    numbers : int64 (L,), the numbers of the pieces. config, weights : as the model's ``config.json`` and file hold them.

    Returns
    -------
    float32 (L, d).

    Raises
    ------
    RecipeError : it is another kind of model, or a weight is lacking.
    """
    for key, wanted in (("model_type", ("bert",)), ("position_embedding_type", ("absolute",))):
        if config.get(key, wanted[0]) not in wanted:
            raise _strange(f"its {key} is {config[key]!r}, and {' or '.join(wanted)} is what is known")
    activation = config.get("hidden_act", "gelu")
    if activation not in _ACTIVATIONS:
        raise _strange(f"its hidden_act is {activation!r}, and {', '.join(_ACTIVATIONS)} are known")
    writer = _Bert(config, weights, activation)
    return writer.encode(numbers)


class _Bert:
    def __init__(self, config: Mapping[str, Any], weights: Mapping[str, np.ndarray], activation: str) -> None:
        self.weights, self.activation = weights, activation
        self.prefix = "bert." if "bert.embeddings.word_embeddings.weight" in weights else ""
        try:
            self.heads, self.layers = int(config["num_attention_heads"]), int(config["num_hidden_layers"])
        except KeyError as error:
            raise _strange(f"its config.json does not say {error}") from error
        self.epsilon = float(config.get("layer_norm_eps", 1e-12))

    def encode(self, numbers: Var) -> Var:
        word = self._weight("embeddings.word_embeddings.weight")
        place = self._weight("embeddings.position_embeddings.weight")
        kind = self._weight("embeddings.token_type_embeddings.weight")[0]
        places = op.slice(floats(place), ints([0]), op.shape(numbers), ints([0]))  # (L, d)
        x = op.add(op.add(op.gather(floats(word), numbers, axis=0), places), floats(kind))
        x = self._normed(x, "embeddings.LayerNorm")
        for layer in range(self.layers):
            at = f"encoder.layer.{layer}."
            x = self._normed(op.add(x, self._attended(x, at)), at + "attention.output.LayerNorm")
            wide = self._activated(self._dense(x, at + "intermediate.dense"))
            x = self._normed(op.add(x, self._dense(wide, at + "output.dense")), at + "output.LayerNorm")
        return x

    def _attended(self, x: Var, at: str) -> Var:
        """What each piece takes from all: (L, d)."""
        width = self._weight(at + "attention.self.query.weight").shape[0] // self.heads
        query, key, value = (
            self._in_heads(x, f"{at}attention.self.{name}", width) for name in ("query", "key", "value")
        )
        near = op.mul(op.matmul(query, op.transpose(key, perm=[0, 2, 1])), floats(1 / np.sqrt(width)))  # (heads, L, L)
        seen = op.matmul(op.softmax(near, axis=-1), value)  # (heads, L, width)
        joined = op.reshape(op.transpose(seen, perm=[1, 0, 2]), ints([-1, self.heads * width]))
        return self._dense(joined, at + "attention.output.dense")

    def _in_heads(self, x: Var, name: str, width: int) -> Var:
        split = op.reshape(self._dense(x, name), ints([-1, self.heads, width]))
        return op.transpose(split, perm=[1, 0, 2])  # (heads, L, width)

    def _dense(self, x: Var, name: str) -> Var:
        matrix = np.ascontiguousarray(self._weight(f"{name}.weight").T)  # (in, out)
        return op.add(op.matmul(x, floats(matrix)), floats(self._weight(f"{name}.bias")))

    def _normed(self, x: Var, name: str) -> Var:
        scale, shift = self._weight(f"{name}.weight"), self._weight(f"{name}.bias")
        normed, _, _ = op.layer_normalization(x, floats(scale), floats(shift), axis=-1, epsilon=self.epsilon)
        return normed

    def _activated(self, x: Var) -> Var:
        if self.activation == "relu":
            return op.relu(x)
        return op.gelu(x, approximate="none" if self.activation == "gelu" else "tanh")

    def _weight(self, name: str) -> np.ndarray:
        try:
            return self.weights[self.prefix + name]
        except KeyError as error:
            raise _strange(f"its weights have no {name!r}") from error


def _strange(why: str) -> RecipeError:
    return RecipeError(
        "the sentence model is none that can be written as a graph",
        why=why,
        way_out="export it to model.onnx, and lay that into its folder",
    )
