"""What every learner must do, as tests. A plug-in inherits `LearnerContract` and supplies the fixture `learner`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from penstock.bundle.kinds import Task
from penstock.errors import BadParameter
from penstock.learning.learner import Deadline, FittedLearner, Learner, Shape

TOLERANCE = 1e-5
N_FEATURES = 6


def answers_of_graph(fitted: FittedLearner, X: np.ndarray) -> np.ndarray:
    """What the learner's own piece of graph answers for dense rows X."""
    return answering(fitted, X.shape[1])(X)


def answering(fitted: FittedLearner, n_features: int) -> Callable[[np.ndarray], np.ndarray]:
    """The learner's own piece of graph as a function of dense rows."""
    from penstock.bundle.graph import open_session

    session = open_session(graph_of(fitted, n_features))
    return lambda X: session.run(None, {"x": X})[0]


def graph_of(fitted: FittedLearner, n_features: int) -> bytes:
    """The learner's ONNX bytes: ``x`` float32 (n, d) -> ``answer``."""
    import spox

    x = spox.argument(spox.Tensor(np.float32, ("n", n_features)))
    return spox.build({"x": x}, {"answer": fitted.emit(x)}).SerializeToString(deterministic=True)


def problem(task: Task, *, n_rows: int = 240, n_classes: int = 3, missing: bool = False, seed: int = 0) -> Any:
    """X (n, 6) float32, y and shape of a small problem that can be learnt."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, N_FEATURES)).astype(np.float32)
    signal = X[:, 0] + 0.5 * X[:, 1] * X[:, 2] + 0.3 * rng.normal(size=n_rows)
    if task is Task.REGRESSION:
        y: np.ndarray = (signal - signal.mean()) / signal.std()
        n_classes = 0
    else:
        n_classes = 2 if task is Task.BINARY else n_classes
        y = np.searchsorted(np.quantile(signal, np.arange(1, n_classes) / n_classes), signal).astype(np.int64)
    if missing:
        X[rng.random(X.shape) < 0.15] = np.nan
    return X, y, Shape(n_rows, N_FEATURES, task, n_classes)


class LearnerContract:
    """The duties of `penstock.learning.learner.Learner`."""

    @pytest.fixture
    def learner(self) -> Learner:
        raise NotImplementedError("supply a fixture `learner`")

    @pytest.fixture(params=list(Task), ids=str)
    def task(self, request: pytest.FixtureRequest, learner: Learner) -> Task:
        if request.param not in learner.tasks:
            pytest.skip(f"{learner.name} is not for {request.param} tasks")
        return request.param

    def test_it_declares_what_it_is(self, learner: Learner, task: Task) -> None:
        """A learner has a name, advice with a reason, and defaults inside its own bounds."""
        shape = Shape(500, N_FEATURES, task, 3 if task is Task.MULTICLASS else 2)
        assert isinstance(learner, Learner)
        assert learner.name
        assert learner.advise(shape).why
        space = learner.space(shape)
        assert space.complete(space.defaults) == space.defaults
        assert all(set(space.complete(start)) == set(space.defaults) for start in space.starts)
        assert set(space.distributions()) == set(space.defaults)

    def test_the_graph_answers_as_the_learner(self, learner: Learner, task: Task) -> None:
        """The graph's answer on fresh rows is within 1e-5 of the learner's."""
        X, y, shape = problem(task)
        fitted = learner.fit(X, y, shape=shape, params={}, seed=1)
        fresh, _, _ = problem(task, n_rows=3_000, seed=5)
        self._same(fitted, fresh, shape)

    def test_a_row_alone_is_answered_as_within_a_batch(self, learner: Learner, task: Task) -> None:
        """Batch and single rows agree bit for bit."""
        X, y, shape = problem(task)
        fitted = learner.fit(X, y, shape=shape, params={}, seed=1)
        answer = answering(fitted, N_FEATURES)
        alone = np.concatenate([answer(X[i : i + 1]) for i in range(64)])
        np.testing.assert_array_equal(answer(X[:64]), alone)

    def test_missing_values_are_answered_alike(self, learner: Learner, task: Task) -> None:
        """NaN in training and in fresh rows, where the learner takes NaN at all."""
        if not learner.takes_missing:
            pytest.skip(f"the tail of {learner.name} imputes")
        X, y, shape = problem(task, missing=True)
        fresh, _, _ = problem(task, n_rows=1_000, missing=True, seed=6)
        self._same(learner.fit(X, y, shape=shape, params={}, seed=1), fresh, shape)
        complete, y, shape = problem(task)
        self._same(learner.fit(complete, y, shape=shape, params={}, seed=1), fresh, shape)

    def test_extreme_values_are_answered_alike(self, learner: Learner, task: Task) -> None:
        """The largest float32 numbers give finite answers, the same on both sides, without a warning."""
        X, y, shape = problem(task)
        fitted = learner.fit(X, y, shape=shape, params={}, seed=1)
        largest = np.finfo(np.float32).max
        odd = np.vstack(
            [X[:20] * np.float32(1e6), np.full((1, N_FEATURES), largest), np.full((1, N_FEATURES), -largest)]
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self._same(fitted, odd.astype(np.float32), shape)

    def test_the_same_input_gives_the_same_bytes(self, learner: Learner, task: Task) -> None:
        """Two fits give identical ONNX bytes, and neither changes its input."""
        X, y, shape = problem(task)
        before = X.copy(), y.copy()
        first = graph_of(learner.fit(X, y, shape=shape, params={}, seed=3), N_FEATURES)
        second = graph_of(learner.fit(X, y, shape=shape, params={}, seed=3), N_FEATURES)
        assert first == second
        np.testing.assert_array_equal(X, before[0])
        np.testing.assert_array_equal(y, before[1])

    def test_its_own_params_give_the_model_again(self, learner: Learner, task: Task) -> None:
        """A fit with the returned params returns them again, and the same model each time."""
        X, y, shape = problem(task, n_rows=600)
        kept = learner.fit(X, y, shape=shape, params={}, seed=3).params
        again = learner.fit(X, y, shape=shape, params=kept, seed=3)
        assert again.params == kept
        assert graph_of(again, N_FEATURES) == graph_of(learner.fit(X, y, shape=shape, params=kept, seed=3), N_FEATURES)

    @pytest.mark.parametrize("present", [(0, 2), (1,), (0,)])
    def test_a_class_without_rows_is_improbable_not_refused(self, learner: Learner, present: tuple[int, ...]) -> None:
        """Folds of rare classes: K probabilities come out all the same."""
        if Task.MULTICLASS not in learner.tasks:
            pytest.skip(f"{learner.name} is not for classes")
        X, y, shape = problem(Task.MULTICLASS)
        keep = np.isin(y, present)
        fitted = learner.fit(X[keep], y[keep], shape=shape, params={}, seed=1)
        self._same(fitted, X, shape)
        absent = [k for k in range(3) if k not in present]
        assert fitted.predict(X)[:, absent].max() < 0.02

    def test_sparse_features_are_taken_like_dense_ones(self, learner: Learner, task: Task) -> None:
        """CSR in, and the dense graph gives the same answers."""
        from scipy.sparse import csr_matrix

        X, y, shape = problem(task)
        X[np.abs(X) < 0.7] = 0.0
        sparse = Shape(shape.n_rows, shape.n_features, task, shape.n_classes, sparse=True)
        fitted = learner.fit(csr_matrix(X), y, shape=sparse, params={}, seed=1)
        np.testing.assert_allclose(answers_of_graph(fitted, X), fitted.predict(csr_matrix(X)), atol=TOLERANCE)

    def test_a_spent_budget_still_gives_a_model(self, learner: Learner, task: Task) -> None:
        """A deadline that has passed ends the fit early, with an answer."""
        X, y, shape = problem(task)
        fitted = learner.fit(X, y, shape=shape, params={}, budget=Deadline.after(0.0), seed=1)
        self._same(fitted, X, shape)

    def test_importance_is_a_share_per_feature(self, learner: Learner, task: Task) -> None:
        """Not negative, one number per feature, summing to 1 or to 0."""
        X, y, shape = problem(task)
        weight = learner.fit(X, y, shape=shape, params={}, seed=1).importance()
        assert weight.shape == (N_FEATURES,)
        assert (weight >= 0).all()
        assert weight.sum() == pytest.approx(1.0) or weight.sum() == 0.0

    def test_an_unknown_parameter_is_named(self, learner: Learner, task: Task) -> None:
        """A misspelt parameter is an error, not ignored."""
        X, y, shape = problem(task)
        with pytest.raises(BadParameter, match="no_such"):
            learner.fit(X, y, shape=shape, params={"no_such": 1}, seed=1)

    def _same(self, fitted: FittedLearner, X: np.ndarray, shape: Shape) -> None:
        own = fitted.predict(X)
        answer = answers_of_graph(fitted, X)
        width = shape.n_classes if shape.task.is_classification else 1
        assert own.shape == answer.shape == (len(X), width)
        assert own.dtype == np.float64
        assert answer.dtype == np.float32
        assert np.isfinite(own).all()
        assert (np.abs(own - answer) <= TOLERANCE * np.maximum(1.0, np.abs(own))).all()
        if shape.task.is_classification:
            np.testing.assert_allclose(own.sum(axis=1), 1.0, atol=1e-9)
            np.testing.assert_allclose(answer.sum(axis=1), 1.0, atol=TOLERANCE)
