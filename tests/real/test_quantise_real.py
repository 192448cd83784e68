"""Fewer bits on real words, pixels and sentence models: answers stay near, and a row does not depend on its batch."""

from __future__ import annotations

import gzip
import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from penstock.bundle.frame import Frame, typed_array
from penstock.bundle.graph import open_session
from penstock.bundle.kinds import Kind, Task
from penstock.bundle.packing import pack
from penstock.bundle.specs import ColumnSpec
from penstock.evaluation.metrics import METRICS
from penstock.features.embedding import PACKAGE
from penstock.features.fit import fit_recipe
from penstock.features.fitted import FittedRecipe
from penstock.features.graph import model_of, packed_arguments
from penstock.features.recipe import Recipe
from penstock.learning.calibrate import NoCalibration
from penstock.learning.learner import Shape
from penstock.learning.learners.linear import Linear
from penstock.learning.model import Model
from penstock.packaging.quantising.calibrate import input_ranges
from penstock.packaging.quantising.forms import FORMS
from penstock.packaging.quantising.weights import find_weights

DATA = Path(os.environ.get("PENSTOCK_DATA", Path(__file__).parents[3] / "shared" / "data"))

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not here: set PENSTOCK_DATA to their folder"),
]


def messages() -> tuple[Frame, np.ndarray]:
    """Texts of `sms_spam`, and 1 where they are spam."""
    lines = (DATA / "sms_spam" / "SMSSpamCollection.tsv").read_text("utf-8").splitlines()[:3000]
    labels, texts = zip(*(line.split("\t", 1) for line in lines), strict=True)
    return texts_of(list(texts)), np.array([label == "spam" for label in labels]).astype(np.int64)


def texts_of(texts: list[str]) -> Frame:
    return Frame({"text": typed_array(texts, Kind.TEXT)}, {"text": Kind.TEXT}, len(texts))


def pictures() -> tuple[Frame, np.ndarray]:
    """784 pixels of 3,000 pictures, and one of ten classes."""
    folder = DATA / "fashion_mnist"
    pixels = np.frombuffer(gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16)
    labels = np.frombuffer(gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    table = pixels.reshape(-1, 784)[:3000].astype(np.float64)
    columns = {f"p{i}": table[:, i] for i in range(784)}
    return Frame(columns, dict.fromkeys(columns, Kind.NUMERIC), len(table)), labels[:3000].astype(np.int64)


def recipe_of(expression: str, frame: Frame, y: np.ndarray, task: Task) -> FittedRecipe:
    specs = [ColumnSpec(name, kind) for name, kind in frame.kinds.items()]
    return fit_recipe(Recipe.parse(f"outputs = [{expression}]"), None, frame, specs, y, task, 0)


@pytest.mark.parametrize("data", ["words", "pixels"])
def test_a_linear_model_keeps_its_quality_in_every_form(data: str) -> None:
    """8 bits cost less than a hundredth of ROC-AUC or accuracy, 4 bits less than three; every row alone is as in its batch."""
    frame, y = messages() if data == "words" else pictures()
    task = Task.BINARY if data == "words" else Task.MULTICLASS
    expression = '"tfidf(text)"' if data == "words" else ", ".join(f'"min_max({name})"' for name in frame.columns)
    train, valid = frame.take(slice(0, 2000)), frame.take(slice(2000, 3000))
    prepared = recipe_of(expression, train, y[:2000], task)
    X = prepared.transform(train)
    shape = Shape(2000, X.shape[1], task, int(y.max()) + 1, sparse=data == "words")
    model = Model(task, prepared, Linear().fit(X, y[:2000], shape=shape, params={}), NoCalibration())
    graph = model.onnx()
    ranges = input_ranges(find_weights(graph), pack(train.take(slice(0, 512)), model.layout))
    feeds = pack(valid, model.layout)
    metric = METRICS["roc_auc" if data == "words" else "accuracy"]
    exact = metric.score(y[2000:], open_session(graph).run(None, feeds)[0])
    assert exact > 0.75
    for name, form in FORMS.items():
        made = form.apply(find_weights(graph), ranges)
        session = open_session(made)
        answers = session.run(None, feeds)[0]
        assert metric.score(y[2000:], answers) > exact - (0.03 if name == "int4" else 0.01), name
        assert len(made) < len(graph)
        for i in range(0, 1000, 50):
            alone = session.run(None, {n: block[i : i + 1] for n, block in feeds.items()})[0]
            assert (alone[0] == answers[i]).all(), name


@pytest.mark.skipif(find_spec(PACKAGE) is None, reason=f"{PACKAGE} is not installed: it carries the sentence model")
def test_a_sentence_model_takes_a_quarter_of_the_room() -> None:
    """Its vectors point where they did, and a text alone has the bits that it has in a batch."""
    frame, y = messages()
    prepared = recipe_of('"embed(text)"', frame.take(slice(0, 20)), y[:20], Task.BINARY)
    inputs = packed_arguments(prepared.layout)
    graph = model_of(inputs, prepared.emit(inputs)).SerializeToString()
    ranges = input_ranges(find_weights(graph), pack(frame.take(slice(0, 20)), prepared.layout))
    feeds = pack(frame.take(slice(100, 120)), prepared.layout)
    exact = open_session(graph).run(None, feeds)[0]
    for name, least, share in (("int8-dynamic", 0.97, 0.27), ("int4", 0.85, 0.23)):
        made = FORMS[name].apply(find_weights(graph), ranges)
        session = open_session(made)
        vectors = session.run(None, feeds)[0]
        cosine = (vectors * exact).sum(axis=1) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(exact, axis=1)
        assert cosine.min() > least, name
        assert len(made) < share * len(graph)
        alone = session.run(None, {n: block[3:4] for n, block in feeds.items()})[0]
        assert (alone[0] == vectors[3]).all()
