"""Which point to try next: one small door, and behind it a grid, chance, evolution, or Optuna's Bayesian sampler.

A proposal depends on the seed, its number, and the values that were told so far, on nothing else: a batch that was
interrupted and is resumed proposes what it would have proposed.
"""

from __future__ import annotations

import itertools
import math
import random
import warnings
from collections.abc import Iterator
from typing import Any, Protocol, final

from penstock.errors import FlagError
from penstock.experiments.batches.space import Choices, Point, Range, Space
from penstock.experiments.flags.values import same

STRATEGIES = ("grid", "random", "bayesian", "evolutionary")
NEEDS_VALUES = frozenset({"bayesian", "evolutionary"})
"""Strategies that propose from what was measured."""
LARGEST_GRID = 10_000
"""Points that are tried without being asked for by number."""
STARTUP = 8
"""Trials that are drawn at random before there is enough to go by."""
POPULATION = 10
"""Trials that may be parents."""
REDRAWS = 100
"""Attempts at a point that was not tried yet, in a space that has only so many."""


class Sampler(Protocol):
    """Proposes points, and is told their values. Smaller values are better. Not for several threads at once."""

    def next(self, number: int) -> Point | None:
        """The point of trial `number`, from 1; None where all have been proposed."""
        ...

    def tell(self, number: int, point: Point, value: float | None) -> None:
        """What a trial gave, whether it was proposed here or in an earlier session. None where it has no value."""
        ...


def make_sampler(space: Space, strategy: str, *, seed: int, n: int | None, maximise: bool = False) -> Sampler:
    """The sampler of a strategy.

    Parameters
    ----------
    n : trials in all. A grid that has more points is tried at random ones of them.
    maximise : whether greater values are better; `tell` is then given values as they are.

    Raises
    ------
    FlagError : there is no such strategy, or it does not suit the space.
    """
    match strategy:
        case "grid":
            return _Signed(Grid(space, seed=seed, n=n), maximise)
        case "random":
            return _Signed(Random(space, seed=seed), maximise)
        case "evolutionary":
            return _Signed(Evolution(space, seed=seed), maximise)
        case "bayesian":
            return _Signed(Bayesian(space, seed=seed), maximise)
    raise FlagError(
        f"there is no search {strategy!r}",
        why=f"known are: {', '.join(STRATEGIES)}",
        way_out="write --search bayesian, which suits most searches",
    )


@final
class _Signed:
    """Gives a sampler values of which smaller ones are better, and numbers only.

    A trial that diverged (NaN or infinite) counts as the worst that was seen so far, so that the search learns to keep
    away from where it was; with nothing to compare it to, as without a value.
    """

    def __init__(self, inner: Sampler, maximise: bool) -> None:
        self._inner, self._sign = inner, -1.0 if maximise else 1.0
        self._worst: float | None = None

    def next(self, number: int) -> Point | None:
        return self._inner.next(number)

    def tell(self, number: int, point: Point, value: float | None) -> None:
        signed = None if value is None else value * self._sign
        if signed is not None and not math.isfinite(signed):
            signed = self._worst
        elif signed is not None:
            self._worst = signed if self._worst is None else max(self._worst, signed)
        self._inner.tell(number, point, signed)


@final
class Grid:
    """All combinations, the last flag fastest; `n` of them at random places where the grid has more."""

    def __init__(self, space: Space, *, seed: int, n: int | None) -> None:
        self._axes = {name: _listed(name, space) for name in space.dimensions}
        size = math.prod(len(axis) for axis in self._axes.values())
        if n is None and size > LARGEST_GRID:
            raise FlagError(
                f"the grid has {size:,} points",
                why=f"more than {LARGEST_GRID:,} are tried only where their number was asked for",
                way_out="add -n 100 for that many of them, or --search random",
            )
        chosen = range(size) if n is None or n >= size else random.Random(f"grid/{seed}").sample(range(size), n)
        self._left = iter(chosen)
        self._seen: set[tuple[Any, ...]] = set()

    def next(self, number: int) -> Point | None:
        for index in self._left:
            point = self._point(index)
            if _key(point) not in self._seen:
                return point
        return None

    def tell(self, number: int, point: Point, value: float | None) -> None:
        self._seen.add(_key(point))

    def _point(self, index: int) -> Point:
        point = {}
        for name, axis in reversed(self._axes.items()):
            index, place = divmod(index, len(axis))
            point[name] = axis[place]
        return {name: point[name] for name in self._axes}


@final
class Random:
    """Points by chance, none twice."""

    def __init__(self, space: Space, *, seed: int) -> None:
        self._space, self._seed = space, seed
        self._seen: set[tuple[Any, ...]] = set()

    def next(self, number: int) -> Point | None:
        rng = random.Random(f"random/{self._seed}/{number}")
        point = _new_point(self._space, rng, self._seen)
        if point is not None:
            self._seen.add(_key(point))
        return point

    def tell(self, number: int, point: Point, value: float | None) -> None:
        self._seen.add(_key(point))


@final
class Evolution:
    """A steady-state genetic algorithm: each new point has two good parents and a small change.

    The first points are random. Then parents are the better of two drawn from the best `POPULATION` trials so far; the
    child takes each flag from one of them, and about one flag is changed: a number moves by a tenth of its range
    (standard deviation), a choice is drawn anew. With one objective and so few trials this keeps every good trial for
    ever, where generations would forget it. Source: Whitley (1989), The GENITOR algorithm, ICGA.
    """

    def __init__(self, space: Space, *, seed: int) -> None:
        self._space, self._seed = space, seed
        self._valued: dict[int, tuple[float, Point]] = {}
        self._seen: set[tuple[Any, ...]] = set()

    def next(self, number: int) -> Point | None:
        rng = random.Random(f"evolution/{self._seed}/{number}")
        best = [self._valued[i][1] for i in sorted(self._valued, key=lambda i: (self._valued[i][0], i))][:POPULATION]
        point: Point | None = None
        if number > STARTUP and len(best) > 1:
            children = (self._child(best, rng) for _ in range(REDRAWS))
            point = next((child for child in children if _key(child) not in self._seen), None)
        if point is None:
            point = _new_point(self._space, rng, self._seen)
        if point is not None:
            self._seen.add(_key(point))
        return point

    def tell(self, number: int, point: Point, value: float | None) -> None:
        self._seen.add(_key(point))
        if value is not None:
            self._valued[number] = (value, point)

    def _child(self, best: list[Point], rng: random.Random) -> Point:
        mother, father = (best[min(rng.randrange(len(best)), rng.randrange(len(best)))] for _ in range(2))
        child = {name: (mother if rng.random() < 0.5 else father)[name] for name in self._space.dimensions}
        names = list(self._space.dimensions)
        changed = {name for name in names if rng.random() < 1 / len(names)} or {rng.choice(names)}
        for name in names:
            if name in changed:
                child[name] = _moved(self._space.dimensions[name], child[name], rng)
        return child


@final
class Bayesian:
    """Optuna's tree-structured Parzen estimator. Bergstra et al. (2011); all flags together: Falkner et al. (2018).

    In a space that has only so many points none is tried twice: for one that was, another is drawn at random.
    """

    def __init__(self, space: Space, *, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._seed = space, seed
        self._study = optuna.create_study(direction="minimize", sampler=self._sampler(0))
        self._asked: dict[int, Any] = {}
        self._distributions = {name: _distribution(d) for name, d in space.dimensions.items()}
        self._seen: set[tuple[Any, ...]] = set()

    def next(self, number: int) -> Point | None:
        from optuna.trial import TrialState

        self._study.sampler = self._sampler(
            number
        )  # a new one: what it proposes does not depend on how many it has made
        trial = self._study.ask(self._distributions)
        point: Point | None = {name: self._outside(name, trial.params[name]) for name in self._space.dimensions}
        if point is not None and _key(point) in self._seen:
            self._study.tell(trial, state=TrialState.FAIL)
            point = _new_point(self._space, random.Random(f"bayesian/{self._seed}/{number}"), self._seen)
        else:
            self._asked[number] = trial
        if point is not None:
            self._seen.add(_key(point))
        return point

    def tell(self, number: int, point: Point, value: float | None) -> None:
        from optuna.trial import TrialState, create_trial

        self._seen.add(_key(point))
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        asked = self._asked.pop(number, None)
        if asked is not None:
            self._study.tell(asked, value, state=state)
            return
        params = {name: self._inside(name, point[name]) for name in self._space.dimensions}
        self._study.add_trial(create_trial(params=params, distributions=self._distributions, value=value, state=state))

    def _sampler(self, number: int) -> Any:
        import optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.TPESampler(
                seed=random.Random(f"bayesian/{self._seed}/{number}").getrandbits(31),
                n_startup_trials=STARTUP,
                multivariate=True,
                constant_liar=True,
            )

    def _outside(self, name: str, param: Any) -> Any:
        dimension = self._space.dimensions[name]
        return dimension.values[param] if isinstance(dimension, Choices) else param

    def _inside(self, name: str, value: Any) -> Any:
        dimension = self._space.dimensions[name]
        return _place(dimension, value) if isinstance(dimension, Choices) else value


def _distribution(dimension: Range | Choices) -> Any:
    """A choice is drawn as its place in the list: its values may be of any kind."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(dimension, Choices):
        return CategoricalDistribution(tuple(range(len(dimension.values))))
    if dimension.whole:
        return IntDistribution(int(dimension.low), int(dimension.high))
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _listed(name: str, space: Space) -> tuple[Any, ...]:
    """The values of a dimension of a grid."""
    dimension = space.dimensions[name]
    if isinstance(dimension, Choices):
        return dimension.values
    if dimension.whole:
        return tuple(range(int(dimension.low), int(dimension.high) + 1))
    points = ",".join(f"{dimension.at(i / 4):.4g}" for i in range(5))
    raise FlagError(
        f"{name}={space.words.get(name, '')} has no end of values, and a grid tries all",
        why="only lists, range[...] and int[...] can be tried as a grid",
        way_out=f"write {name}=[{points}], or --search random",
    )


def _new_point(space: Space, rng: random.Random, seen: set[tuple[Any, ...]]) -> Point | None:
    """A random point that was not proposed yet; None where there is none left."""
    for _ in range(REDRAWS):
        point = {name: _drawn(dimension, rng) for name, dimension in space.dimensions.items()}
        if _key(point) not in seen:
            return point
    return next((point for point in _all(space) if _key(point) not in seen), None)


def _all(space: Space) -> Iterator[Point]:
    """Every point of a space that has only so many, in order; nothing of any other."""
    if space.size is None:
        return
    axes = [_listed(name, space) for name in space.dimensions]
    for values in itertools.product(*axes):
        yield dict(zip(space.dimensions, values, strict=True))


def _drawn(dimension: Range | Choices, rng: random.Random) -> Any:
    return rng.choice(dimension.values) if isinstance(dimension, Choices) else dimension.at(rng.random())


def _moved(dimension: Range | Choices, value: Any, rng: random.Random) -> Any:
    """A value near another one, and never the same where there is any other."""
    if isinstance(dimension, Choices):
        others = [i for i in range(len(dimension.values)) if i != _place(dimension, value)]
        return dimension.values[rng.choice(others)] if others else value
    share = dimension.share(value) + rng.gauss(0.0, 0.1)
    share = abs(share) % 2.0  # reflected at both ends
    moved = dimension.at(min(2.0 - share if share > 1.0 else share, 1.0))
    if moved == value and dimension.whole:
        return int(value) + 1 if value < dimension.high else int(value) - 1
    return moved


def _place(dimension: Choices, value: Any) -> int:
    """Where a value stands in a list; equal numbers and booleans (1 and true) are told apart."""
    return next(i for i, one in enumerate(dimension.values) if same(one, value))


def _key(point: Point) -> tuple[Any, ...]:
    return tuple(repr(value) for value in point.values())
