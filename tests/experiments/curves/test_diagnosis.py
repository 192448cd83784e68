"""What training curves say: found where it is there, and hardly ever where it is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from penstock.experiments.curves.curves import Curve, curves_of
from penstock.experiments.curves.diagnosis import diagnose
from penstock.experiments.curves.findings import ORDER, Finding
from penstock.experiments.curves.series_names import direction, pairs_of

RUNS = 200


def log_of(**series: Sequence[float]) -> list[dict[str, Any]]:
    """The lines of a log: a second per step."""
    n = len(next(iter(series.values())))
    return [{"elapsed_s": float(i), "step": i, **{k: float(v[i]) for k, v in series.items()}} for i in range(n)]


def found(**series: Sequence[float]) -> list[Finding]:
    return diagnose(curves_of(log_of(**series)))


def kinds(**series: Sequence[float]) -> set[str]:
    return {finding.kind for finding in found(**series)}


def falling(n: int, speed: float = 8.0, floor: float = 0.2) -> np.ndarray:
    return floor + (1 - floor) * np.exp(-speed * np.arange(n) / n)


def noise(rng: np.random.Generator, n: int, size: float, hangs_together: float) -> np.ndarray:
    """Normal noise; each value takes over a share of the one before."""
    steps = rng.normal(0, 1, n)
    for i in range(1, n):
        steps[i] = hangs_together * steps[i - 1] + np.sqrt(1 - hangs_together**2) * steps[i]
    return size * steps


def shares(make: Callable[[np.random.Generator], dict[str, Any]]) -> dict[str, float]:
    """In which part of many noisy runs each finding comes."""
    rng = np.random.default_rng(7)
    counts = Counter(kind for _ in range(RUNS) for kind in kinds(**make(rng)))
    return {kind: counts[kind] / RUNS for kind in ORDER}


@pytest.mark.parametrize("n", [10, 30, 100, 1000])
@pytest.mark.parametrize("size", [0.0, 0.01, 0.05])
def test_each_fault_is_named(n: int, size: float) -> None:
    """With noise of up to 5 % of the whole fall, where the fault is clearly larger."""
    rng = np.random.default_rng(3)
    t = np.arange(n) / n

    def made(values: np.ndarray) -> np.ndarray:
        return np.asarray(values + noise(rng, n, size, 0.0))

    assert kinds(loss=made(0.5 + 0.5 * np.exp(-10 * t) + 8 * np.maximum(0, t - 0.5) ** 2)) == {"diverging"}
    assert kinds(loss=made(np.full(n, 0.69))) == {"plateau"}
    if size < 0.05 or n > 30:
        assert kinds(loss=made(1 - 0.7 * t)) == {"underfitting"}
        risen = 0.3 + 0.6 * np.exp(-8 * t) + 0.6 * np.maximum(0, t - 0.4)
        assert kinds(loss=made(0.1 + 0.8 * np.exp(-5 * t)), val_loss=made(risen)) == {"overfitting"}
    if n >= 30 and size < 0.05:
        stairs = np.where(t < 0.1, 1 - 4 * t, np.where(t < 0.6, 0.6, np.maximum(0.2, 0.6 - 4 * (t - 0.6))))
        assert "plateau" in kinds(loss=made(stairs))


@pytest.mark.parametrize("n", [10, 30, 100, 1000])
@pytest.mark.parametrize("hangs_together", [0.0, 0.8])
def test_a_healthy_noisy_run_is_hardly_ever_called_ill(n: int, hangs_together: float) -> None:
    """False alarms of 200 runs at 5 % noise: at most 1 % each where noise is white, 3 % where it hangs together (0.8)."""

    def healthy(rng: np.random.Generator) -> dict[str, Any]:
        train, valid = falling(n), falling(n) + 0.05
        return {
            "train_loss": train + noise(rng, n, 0.05, hangs_together),
            "val_loss": valid + noise(rng, n, 0.05, hangs_together),
        }

    seen = shares(healthy)
    most = 0.01 if hangs_together == 0 else 0.03
    assert all(seen[kind] <= most for kind in ("overfitting", "diverging", "underfitting", "plateau")), seen
    assert seen["converged"] > 0.7


@pytest.mark.parametrize("n", [30, 100, 1000])
def test_noise_alone_is_a_plateau(n: int) -> None:
    """A series that only scatters has not moved: found in 9 of 10 runs, and taken for diverging in 1 of 50 at most."""

    def flat(rng: np.random.Generator) -> dict[str, Any]:
        return {"loss": 0.69 + noise(rng, n, 0.05, 0.0)}

    seen = shares(flat)
    assert seen["plateau"] > 0.9
    assert seen["diverging"] <= 0.02


def test_overfitting_says_since_when_and_what_it_cost() -> None:
    """The step of the best validation value, its value, and what training went on to."""
    t = np.arange(100) / 100
    valid = np.where(t < 0.4, 0.9 - 1.25 * t, 0.4 + 0.5 * (t - 0.4))
    (finding,) = found(train_loss=0.9 - 0.8 * t, valid_loss=valid)
    assert finding.kind == "overfitting"
    assert finding.metric == "valid_loss"
    assert finding.step == pytest.approx(40, abs=4)
    assert finding.elapsed_s == pytest.approx(40, abs=4)
    assert "best at step" in finding.why
    assert "while train_loss went on from 0.5" in finding.why
    assert finding.figures["best"] == pytest.approx(0.41, abs=0.02)


def test_more_is_better_for_an_accuracy() -> None:
    """An accuracy that falls after its best is overfitting; one that rises is not."""
    t = np.arange(60) / 60
    ill = found(train_accuracy=0.5 + 0.5 * t, val_accuracy=np.where(t < 0.5, 0.5 + 0.8 * t, 0.9 - 0.4 * (t - 0.5)))
    assert [f.kind for f in ill] == ["overfitting"]
    assert "best at step 31 (0.8967) and is 0.73 at the end" in ill[0].why
    assert kinds(train_accuracy=1.2 - falling(60), val_accuracy=1.1 - falling(60)) == {"converged"}


def test_convergence_tells_its_time() -> None:
    """e^-8t comes within 2 % of its end at half of the run."""
    (finding,) = found(loss=falling(200))
    assert finding.kind == "converged"
    assert finding.elapsed_s == pytest.approx(97, abs=10)
    assert "stays at 0.2005, to within 2 % of all its progress, since step 99" in finding.why
    assert "the last 50% of the run brought no more" in finding.why


def test_a_short_curve_that_still_falls_has_not_converged() -> None:
    """1/n over five epochs: its bend is no noise, and its last step still brought a fifth of what was left."""
    for n in (5, 6, 7):
        assert "converged" not in kinds(
            loss=[1 / i for i in range(1, n + 1)], val_loss=[1.1 / i for i in range(1, n + 1)]
        ), n
    assert "converged" in kinds(loss=[1.0, 0.3, 0.1, 0.1, 0.1, 0.1])


def test_a_number_that_is_none_is_always_told() -> None:
    """Which series, how many, since when, and whether it came back."""
    values = [1.0, 0.5, float("nan"), float("nan")]
    (finding,) = found(loss=values)
    assert finding.kind == "not-finite"
    assert finding.step == 2
    assert "2 of 4 values, first at step 2, and it ended so" in finding.why
    (finding,) = found(anything=[1.0, float("inf"), 2.0])
    assert "came back" in finding.why


@pytest.mark.parametrize(
    ("norms", "kind", "said"),
    [
        ({"grad_norm": 10.0 ** -np.linspace(0, 9, 100)}, "vanishing-gradients", "fell from"),
        ({"grad_norm": 10.0 ** np.linspace(0, 5, 100)}, "exploding-gradients", "grew from"),
        ({"grad_norm": np.r_[np.ones(50), 500.0, np.ones(50)]}, "exploding-gradients", "leapt to 500 at step 50"),
        ({"grad_norm/first": np.full(50, 1e-6), "grad_norm/last": np.ones(50)}, "vanishing-gradients", "first"),
    ],
)
def test_gradients(norms: dict[str, np.ndarray], kind: str, said: str) -> None:
    """Along the run, and between layers."""
    (finding,) = found(**norms)
    assert finding.kind == kind
    assert said in finding.why


def test_norms_that_fall_as_a_loss_does_are_no_finding() -> None:
    """Training ends with smaller gradients; that alone is health."""
    rng = np.random.default_rng(0)
    norms = falling(200, floor=0.01) * np.exp(rng.normal(0, 0.5, 200))
    assert not {"vanishing-gradients", "exploding-gradients"} & kinds(grad_norm=norms)


def test_a_run_that_goes_on_is_not_judged_by_its_end() -> None:
    """Nothing about convergence, underfitting or plateaus while it runs."""
    curves = curves_of(log_of(loss=1 - 0.7 * np.arange(50) / 50))
    assert [f.kind for f in diagnose(curves)] == ["underfitting"]
    assert diagnose(curves, finished=False) == []


def test_few_points_are_not_judged() -> None:
    """Four are no curve."""
    assert found(loss=[1.0, 2.0, 3.0, 4.0]) == []


def test_a_curve_of_a_million_values_stays_small() -> None:
    """At most 1,024 points, which hold the mean, least and greatest of all that they stand for."""
    curve = Curve("loss")
    for i in range(1_000_000):
        curve.add(i, float(i % 10), i / 1000)
    points = curve.points
    assert len(points) <= 1024
    assert curve.count == 1_000_000
    assert points[-1].step == 999_999
    assert all(p.low == 0 and p.high == 9 and p.value == pytest.approx(4.5, abs=0.02) for p in points[:-1])


def test_lines_without_a_step_count() -> None:
    """The first line is step 0; epochs are steps too; texts and booleans are no series."""
    curves = curves_of([{"elapsed_s": 0.1, "loss": 3, "note": "x", "ok": True}, {"elapsed_s": 0.2, "loss": 2.5}])
    assert [p.step for p in curves["loss"].points] == [0, 1]
    assert list(curves) == ["loss"]
    assert [p.step for p in curves_of([{"epoch": 4, "acc": 0.1}])["acc"].points] == [4]


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["loss", "val_loss"], [("loss", "val_loss")]),
        (["train/loss", "valid/loss"], [("train/loss", "valid/loss")]),
        (["trainAcc", "testAcc"], [("trainAcc", "testAcc")]),
        (["eval.f1"], [(None, "eval.f1")]),
        (["loss", "train_loss", "val_loss"], [("train_loss", "val_loss"), ("loss", None)]),
        (["learning_rate", "epoch_time"], []),
    ],
)
def test_partners_are_known_by_their_names(names: list[str], pairs: list[tuple[str | None, str | None]]) -> None:
    """However they are spelled."""
    assert [(p.train, p.valid) for p in pairs_of(names)] == pairs


def test_names_tell_which_way_is_better() -> None:
    """Losses and errors fall, scores rise, all else is not judged."""
    less, more = ("val_rmse", "cross_entropy", "train/nll"), ("top1", "validation.AUC", "eval_f1", "mean reward")
    assert {direction(n) for n in less} == {-1}
    assert {direction(n) for n in more} == {1}
    assert {direction(n) for n in ("lr", "temperature", "grad_norm", "entropy", "lossless")} == {0}
