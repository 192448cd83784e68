"""Which candidate to try next: Optuna's samplers behind one small door."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.errors import DeclarationError
from penstock.learning.learner import Space

STRATEGIES = ("bayesian", "evolutionary", "grid", "random")
RANK_WEIGHT = 0.4
"""Each learner is asked this many times as often as the next better one."""
GIVE_UP_AFTER = 3
"""Failures in a row of a learner that never succeeded."""


@dataclass(frozen=True)
class Proposal:
    """A learner and its parameters; `ask` is the sampler's own record of it."""

    learner: str
    params: dict[str, Any]
    ask: Any = None


class Proposer:
    """Defaults of every learner first, their further starts next, then what the strategy makes of the results.

    Parameters
    ----------
    spaces : by learner, in the order in which their defaults are tried.
    maximise : whether a greater value is better.

    Raises
    ------
    DeclarationError : there is no such strategy.
    """

    def __init__(self, strategy: str, spaces: Mapping[str, Space], *, seed: int, maximise: bool) -> None:
        check_strategy(strategy)
        self.strategy, self.spaces, self.maximise = strategy, dict(spaces), maximise
        self._rng = np.random.default_rng(seed)
        starts = [Proposal(name, space.complete(start)) for name, space in spaces.items() for start in space.starts]
        self._starts = deque([*(Proposal(name, space.defaults) for name, space in spaces.items()), *starts])
        self._best: dict[str, float] = {}
        self._failures = dict.fromkeys(spaces, 0)
        self._studies = {} if strategy == "grid" else {n: self._study(i + seed) for i, n in enumerate(spaces)}
        self._grid = self._grid_points() if strategy == "grid" else deque()

    def next(self) -> Proposal | None:
        """The next candidate; None when a grid is used up, or no learner works."""
        while self._starts:
            start = self._starts.popleft()
            if self._works(start.learner):
                return start
        if self.strategy == "grid":
            return self._grid.popleft() if self._grid else None
        tunable = [n for n, space in self.spaces.items() if space.dimensions and self._works(n)]
        if not tunable:
            return None
        learner = str(self._rng.choice(tunable, p=self._weights(tunable)))
        ask = self._studies[learner].ask(self.spaces[learner].distributions())
        return Proposal(learner, dict(ask.params), ask)

    def tell(self, proposal: Proposal, value: float | None) -> None:
        """The result of a candidate; None where it failed."""
        learner = proposal.learner
        if learner not in self.spaces:
            return
        self._starts = deque(p for p in self._starts if (p.learner, p.params) != (learner, proposal.params))
        self._grid = deque(p for p in self._grid if (p.learner, p.params) != (learner, proposal.params))
        if value is None:
            self._failures[learner] += 1
        else:
            self._failures[learner] = 0
            better = max if self.maximise else min
            self._best[learner] = better(value, self._best.get(learner, value))
        if self.strategy != "grid":
            self._tell_study(proposal, value)

    def _tell_study(self, proposal: Proposal, value: float | None) -> None:
        from optuna.trial import TrialState, create_trial

        study, space = self._studies[proposal.learner], self.spaces[proposal.learner]
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        if proposal.ask is not None:
            study.tell(proposal.ask, value, state=state)
        elif space.dimensions and set(proposal.params) == set(space.dimensions):
            study.add_trial(
                create_trial(params=proposal.params, distributions=space.distributions(), value=value, state=state)
            )

    def _works(self, learner: str) -> bool:
        return learner in self._best or self._failures[learner] < GIVE_UP_AFTER

    def _weights(self, learners: Sequence[str]) -> np.ndarray:
        """The better a learner's best trial, the more often it is asked; all alike for a random search."""
        if self.strategy == "random":
            return np.full(len(learners), 1.0 / len(learners))
        worst = -np.inf if self.maximise else np.inf
        ranked = sorted(learners, key=lambda n: self._best.get(n, worst), reverse=self.maximise)
        weights = np.array([RANK_WEIGHT ** ranked.index(n) for n in learners])
        return weights / weights.sum()

    def _grid_points(self) -> deque[Proposal]:
        """All points of all learners, in a random order that mixes them."""
        points = [Proposal(name, point) for name, space in self.spaces.items() for point in space.grid()[1:]]
        return deque(points[i] for i in self._rng.permutation(len(points)))

    def _study(self, seed: int) -> Any:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler: Any
            match self.strategy:
                case "bayesian":  # Bergstra et al. (2011); multivariate: Falkner et al. (2018)
                    sampler = optuna.samplers.TPESampler(
                        seed=seed, n_startup_trials=6, multivariate=True, constant_liar=True
                    )
                case "evolutionary":  # Deb et al. (2002), with one objective a plain genetic algorithm
                    sampler = optuna.samplers.NSGAIISampler(seed=seed, population_size=10)
                case _:
                    sampler = optuna.samplers.RandomSampler(seed=seed)
            return optuna.create_study(sampler=sampler, direction="maximize" if self.maximise else "minimize")


def check_strategy(strategy: str) -> None:
    """
    Raises
    ------
    DeclarationError : there is no such strategy.
    """
    if strategy not in STRATEGIES:
        raise DeclarationError(
            f"there is no search strategy {strategy!r}",
            why=f"known are: {', '.join(STRATEGIES)}",
            way_out="write 'bayesian', which suits almost every search",
        )
