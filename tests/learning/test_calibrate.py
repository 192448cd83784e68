"""Calibration: better probabilities, the same order, the same answer in the graph."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax

from penstock.bundle.graph import open_session
from penstock.errors import NewerFormat
from penstock.learning import calibrate


def in_graph(calibrator: calibrate.Calibrator, p: np.ndarray) -> np.ndarray:
    """The graph's answer for float32 probabilities."""
    import spox

    x = spox.argument(spox.Tensor(np.float32, ("n", p.shape[1])))
    model = spox.build({"p": x}, {"q": calibrator.emit(x)}).SerializeToString()
    if isinstance(calibrator, calibrate.NoCalibration):
        return p
    return open_session(model).run(None, {"p": p.astype(np.float32)})[0]


def two_classes(n: int, distort: object, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Classes drawn from true log-odds, and probabilities that distort them."""
    rng = np.random.default_rng(seed)
    z = rng.normal(scale=2.0, size=n)
    y = (rng.random(n) < expit(z)).astype(np.int64)
    told = distort(z)  # type: ignore[operator]
    return np.stack([expit(-told), expit(told)], axis=1), y


DISTORTIONS = {
    "overconfident": lambda z: 3.0 * z,
    "shifted": lambda z: z + 2.0,
    "bent": lambda z: np.where(z > 0, 4.0 * z, 0.4 * z),
}


@pytest.mark.parametrize("name", DISTORTIONS)
def test_distorted_probabilities_are_put_right(name: str) -> None:
    """Log loss falls, the order of the rows stays, and the graph agrees within 1e-5."""
    p, y = two_classes(5_000, DISTORTIONS[name])
    fitted = calibrate.fit_calibrator(p, y)
    fresh, truth = two_classes(5_000, DISTORTIONS[name], seed=9)
    better = fitted.apply(fresh)
    assert calibrate._losses(better, truth).mean() < calibrate._losses(fresh, truth).mean() - 0.02
    order = np.argsort(calibrate.log_odds(fresh))
    assert (np.diff(calibrate.log_odds(better)[order]) >= 0).all()
    assert np.abs(in_graph(fitted, fresh) - better).max() < 1e-5


def test_a_bent_curve_takes_the_isotonic_form_and_a_straight_one_the_sigmoid() -> None:
    """The simplest form that does is chosen."""
    assert calibrate.fit_calibrator(*two_classes(6_000, DISTORTIONS["bent"])).to_json()["method"] == "isotonic"
    assert calibrate.fit_calibrator(*two_classes(6_000, DISTORTIONS["shifted"])).to_json()["method"] == "sigmoid"


def test_good_probabilities_are_left_alone() -> None:
    """Nothing is changed where nothing is gained."""
    kept = sum(
        calibrate.fit_calibrator(*two_classes(2_000, lambda z: z, seed=s)).to_json()["method"] == "none"
        for s in range(6)
    )
    assert kept >= 4


@pytest.mark.parametrize(("n", "n_positive"), [(30, 15), (500, 3), (500, 0)])
def test_too_few_rows_are_not_calibrated(n: int, n_positive: int) -> None:
    """A curve through a handful of rows would be noise."""
    y = np.zeros(n, np.int64)
    y[:n_positive] = 1
    p = np.full((n, 2), 0.5)
    assert calibrate.fit_calibrator(p, y).to_json() == {"format": 1, "method": "none"}


def test_several_classes_get_a_temperature() -> None:
    """Overconfident softmax scores are cooled to about their true temperature."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(4_000, 4))
    y = np.array([rng.choice(4, p=row) for row in softmax(scores, axis=1)])
    p = softmax(2.5 * scores, axis=1)
    fitted = calibrate.fit_calibrator(p, y)
    assert isinstance(fitted, calibrate.TemperatureCalibration)
    assert fitted.temperature == pytest.approx(2.5, rel=0.15)
    assert np.abs(in_graph(fitted, p) - fitted.apply(p)).max() < 1e-5


def test_a_class_of_two_rows_does_not_keep_the_others_from_their_temperature() -> None:
    """One temperature serves all classes: a rare class among many is no reason to leave all of them underconfident."""
    rng = np.random.default_rng(4)
    scores = rng.normal(scale=4.0, size=(3_000, 5))
    scores[:, 4] -= 30.0
    y = np.array([rng.choice(5, p=row) for row in softmax(scores, axis=1)])
    y[:2] = 4
    told = softmax(scores / 5.0, axis=1)
    fitted = calibrate.fit_calibrator(told, y)
    assert isinstance(fitted, calibrate.TemperatureCalibration)
    assert fitted.temperature < 0.5
    assert calibrate._losses(fitted.apply(told), y).mean() < calibrate._losses(told, y).mean() - 0.1


def test_certain_answers_stay_finite() -> None:
    """Probabilities of exactly 0 and 1 have no log-odds, but an answer."""
    curve = calibrate.LogOddsCalibration((-25.0, 0.0, 25.0), (0.5, 2.0), -12.0)
    edge = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    assert np.isfinite(curve.apply(edge)).all()
    assert np.abs(in_graph(curve, edge) - curve.apply(edge)).max() < 1e-5


CALIBRATORS = {
    "sigmoid": calibrate.LogOddsCalibration((-25.0, 25.0), (0.7,), -17.3),
    "isotonic": calibrate.LogOddsCalibration((-25.0, -1.0, 0.5, 25.0), (0.9, 0.3, 2.1), -21.0),
    "temperature": calibrate.TemperatureCalibration(1.7),
}


@pytest.mark.parametrize("name", CALIBRATORS)
def test_a_row_alone_has_the_bits_of_the_batch(name: str) -> None:
    """Whatever the number of rows beside it."""
    calibrator = CALIBRATORS[name]
    k = 7 if name == "temperature" else 2
    p = softmax(np.random.default_rng(0).normal(scale=4.0, size=(203, k)), axis=1).astype(np.float32)
    alone = np.concatenate([in_graph(calibrator, row[None]) for row in p])
    for rows in (203, 64, 5):
        np.testing.assert_array_equal(in_graph(calibrator, p[:rows]), alone[:rows])


def test_json_gives_the_calibrator_back_and_refuses_the_future() -> None:
    """Stored calibrations are read again; one from a later release is named."""
    for calibrator in (
        calibrate.NoCalibration(),
        calibrate.TemperatureCalibration(1.5),
        calibrate.LogOddsCalibration((-25.0, 25.0), (2.0,), -50.0),
    ):
        assert calibrate.from_json(calibrator.to_json()) == calibrator
    with pytest.raises(NewerFormat):
        calibrate.from_json({"format": 2, "method": "none"})
