"""Every learner that ships keeps the learner's contract."""

from __future__ import annotations

import pytest

from penstock import parts
from penstock.learning.learner import Learner
from penstock.testing.learner import LearnerContract


class TestEveryLearner(LearnerContract):
    """The contract, once per registered learner."""

    @pytest.fixture(params=parts.names("penstock.learners"))
    def learner(self, request: pytest.FixtureRequest) -> Learner:
        return parts.load("penstock.learners", request.param)()
