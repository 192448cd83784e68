"""Every registered step is held to the contract, with its defaults and with each of its words and flags."""

from __future__ import annotations

from typing import Any

import pytest

from penstock import parts
from penstock.features.bounds import Flag, OneOf
from penstock.features.step import GROUP
from penstock.testing.step import StepContract


def _variants() -> list[Any]:
    variants = []
    for name in parts.names(GROUP):
        if name == "embed":  # held to the contract in steps/test_embed.py: it needs a model
            continue
        step = parts.load(GROUP, name)
        variants.append(pytest.param(step(), id=name))
        for parameter, bound in step.bounds.items():
            words: tuple[Any, ...] = ()
            if isinstance(bound, OneOf):
                words = bound.words
            if isinstance(bound, Flag):
                words = (True, False)
            for word in words:
                if word != getattr(step(), parameter):
                    variants.append(pytest.param(step(**{parameter: word}), id=f"{name}-{parameter}-{word}"))
    return variants


@pytest.mark.parametrize("step", _variants())
class TestEveryStep(StepContract):
    """The duties are in penstock.testing.step."""


def test_each_step_is_registered_under_its_own_name() -> None:
    """The name in a recipe is the name on the class."""
    for name in parts.names(GROUP):
        assert parts.load(GROUP, name).name == name
