"""Sentence models of the tests: a few thousand random weights, with a real tokeniser, made where they are needed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "free",
    "prize",
    "now",
    "call",
    "##s",
    "win",
    "home",
    "we",
    "ä",
    "中",
    "文",
    "0",
]
WIDTH, WIDE, HEADS, LAYERS, PLACES = 16, 32, 4, 2, 24


def tokeniser() -> str:
    """A WordPiece tokeniser as BERT has it, with padding and a truncation that must not matter."""
    special = [
        {
            "id": i,
            "special": True,
            "content": WORDS[i],
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
        }
        for i in range(4)
    ]
    return json.dumps(
        {
            "version": "1.0",
            "truncation": {"max_length": 20, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
            "padding": {
                "strategy": {"Fixed": 20},
                "direction": "Right",
                "pad_to_multiple_of": None,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "[PAD]",
            },
            "added_tokens": special,
            "normalizer": {
                "type": "BertNormalizer",
                "clean_text": True,
                "handle_chinese_chars": True,
                "strip_accents": False,
                "lowercase": True,
            },
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [
                    {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                    {"Sequence": {"id": "A", "type_id": 0}},
                    {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
                ],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {
                    word: {"id": word, "ids": [WORDS.index(word)], "tokens": [word]} for word in ("[CLS]", "[SEP]")
                },
            },
            "decoder": None,
            "model": {
                "type": "WordPiece",
                "unk_token": "[UNK]",
                "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100,
                "vocab": {word: i for i, word in enumerate(WORDS)},
            },
        }
    )


def bert_weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights under the names of a BERT model."""
    draw = np.random.default_rng(seed)
    shapes = {
        "embeddings.word_embeddings.weight": (len(WORDS), WIDTH),
        "embeddings.position_embeddings.weight": (PLACES, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        **_norm("embeddings.LayerNorm"),
    }
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}."
        for name in ("query", "key", "value"):
            shapes |= _dense(f"{at}attention.self.{name}", WIDTH, WIDTH)
        shapes |= _dense(f"{at}attention.output.dense", WIDTH, WIDTH) | _norm(f"{at}attention.output.LayerNorm")
        shapes |= _dense(f"{at}intermediate.dense", WIDTH, WIDE) | _dense(f"{at}output.dense", WIDE, WIDTH)
        shapes |= _norm(f"{at}output.LayerNorm")
    return {name: draw.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def bert_folder(folder: Path, seed: int = 0) -> Path:
    """A folder as sentence-transformers writes one, with weights in .safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(tokeniser(), encoding="utf-8")
    config = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": PLACES,
    }
    (folder / "config.json").write_text(json.dumps(config))
    write_safetensors(folder / "model.safetensors", bert_weights(seed))
    return folder


def onnx_folder(folder: Path, seed: int = 0, *, pooled: bool = False) -> Path:
    """A folder with a model.onnx of one attention layer, as exporters name its inputs and outputs."""
    import onnx
    import spox.opset.ai.onnx.v17 as op
    from spox import Tensor, argument, build

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(tokeniser(), encoding="utf-8")
    weights = bert_weights(seed)
    numbers = argument(Tensor(np.int64, ("batch", "pieces")))
    mask = argument(Tensor(np.int64, ("batch", "pieces")))
    x = op.gather(op.const(weights["embeddings.word_embeddings.weight"]), numbers, axis=0)  # (b, L, d)
    kept = op.unsqueeze(op.cast(mask, to=np.float32), op.const(np.array([1])))
    near = op.add(
        op.matmul(x, op.transpose(x, perm=[0, 2, 1])),
        op.mul(op.sub(kept, op.const(np.float32(1))), op.const(np.float32(1e9))),
    )
    made = op.matmul(op.softmax(near, axis=-1), x)
    if pooled:
        out = {"sentence_embedding": op.reduce_mean(made, axes=[1], keepdims=0)}
    else:
        out = {"last_hidden_state": made}
    onnx.save(build({"input_ids": numbers, "attention_mask": mask}, out), folder / "model.onnx")
    return folder


def write_safetensors(path: Path, arrays: dict[str, np.ndarray]) -> None:
    head, at, parts = {}, 0, []
    for name, array in arrays.items():
        body = array.tobytes()
        head[name] = {
            "dtype": {"float32": "F32", "float16": "F16"}[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [at, at + len(body)],
        }
        parts.append(body)
        at += len(body)
    said = json.dumps(head).encode()
    path.write_bytes(len(said).to_bytes(8, "little") + said + b"".join(parts))


def _dense(name: str, inner: int, outer: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outer, inner), f"{name}.bias": (outer,)}


def _norm(name: str) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (WIDTH,), f"{name}.bias": (WIDTH,)}
