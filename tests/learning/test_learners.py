"""Every learner that ships keeps the learner's contract."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from penstock import parts
from penstock.bundle.kinds import Task
from penstock.learning import learner as learner_module
from penstock.learning.learner import Deadline, Learner
from penstock.testing.learner import N_FEATURES, LearnerContract, graph_of, problem


class TestEveryLearner(LearnerContract):
    """The contract, once per registered learner."""

    @pytest.fixture(params=parts.names("penstock.learners"))
    def learner(self, request: pytest.FixtureRequest) -> Learner:
        return parts.load("penstock.learners", request.param)()

    def test_a_fit_that_the_clock_stopped_is_done_again_without_it(
        self, learner: Learner, task: Task, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Stopped at the same check, the same model: a learner looks at no clock but its deadline's."""
        X, y, shape = problem(task, n_rows=3_000)
        clock = Deadline(at=3.0)
        with monkeypatch.context() as patched:
            patched.setattr(learner_module, "time", SimpleNamespace(monotonic=itertools.count(1).__next__))
            stopped = learner.fit(X, y, shape=shape, params={}, budget=clock, seed=3)
        if clock.checks:
            assert clock.stopped_at == 3
        again = learner.fit(X, y, shape=shape, params={}, budget=Deadline(stop_at=clock.stopped_at), seed=3)
        assert graph_of(again, N_FEATURES) == graph_of(stopped, N_FEATURES)
        if clock.stopped_at:
            whole = learner.fit(X, y, shape=shape, params={}, seed=3)
            assert graph_of(whole, N_FEATURES) != graph_of(stopped, N_FEATURES)
