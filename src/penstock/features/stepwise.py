"""A fitted recipe, step by step: what each step makes of a row, by names that people know from the recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import spox

from penstock.bundle.graph import open_session
from penstock.features.graph import OUTPUT, Writer, packed_arguments
from penstock.features.plan import Block, Plan, Source

if TYPE_CHECKING:
    from penstock.features.fitted import FittedRecipe

MOST_NAMED = 3
LONGEST = 1_000
"""Characters of a call that is written out inside another one."""


@dataclass(frozen=True)
class StepOutput:
    """What one step of a recipe gives.

    Attributes
    ----------
    step : the call, as the recipe says it. names : of its outputs. values : shape (n_rows, n_outputs).
    """

    step: str
    names: tuple[str, ...]
    values: np.ndarray


@dataclass(frozen=True)
class Stepwise:
    """What all steps give, in the order in which they work, and the features that the learner is given, float32 (n_rows, d)."""

    steps: tuple[StepOutput, ...]
    feature_names: tuple[str, ...]
    features: np.ndarray


def step_outputs(fitted: FittedRecipe, feeds: Mapping[str, np.ndarray]) -> Stepwise:
    """What each step of a fitted recipe makes of some rows.

    Parameters
    ----------
    feeds : the packed inputs, by name: those of `fitted.layout`.
    """
    inputs = packed_arguments(fitted.layout)
    writer = Writer(inputs, fitted.layout, fitted.plan.nodes, fitted.fitted, offsets=fitted.offsets)
    nodes = [number for number in fitted.plan.nodes if fitted.fitted[number].names]
    outputs = {f"step_{number}": writer.node(number) for number in nodes}
    outputs[OUTPUT] = writer.block(fitted.plan.outputs)
    session = open_session(spox.build(dict(inputs), outputs).SerializeToString())
    made = dict(zip(outputs, session.run(list(outputs), dict(feeds)), strict=True))
    said = expressions(fitted.plan)
    steps = tuple(
        StepOutput(said[number], tuple(fitted.fitted[number].names), made[f"step_{number}"]) for number in nodes
    )
    return Stepwise(steps, fitted.names, made[OUTPUT])


def expressions(plan: Plan) -> dict[int, str]:
    """The call of each node, with those inside it, whose parameters are left out: ``standardise(impute(age))``.

    Of a long call inside another one only the step is named: steps on top of each other may double it each time.
    """
    inner: dict[int, str] = {}
    said: dict[int, str] = {}
    for number, node in plan.nodes.items():
        blocks = [_block(block, inner) for block in node.inputs]
        params = [
            f"{name}={value!r}" if not isinstance(value, str) else f"{name}={value}" for name, value in node.params
        ]
        said[number] = f"{node.step}({', '.join([*blocks, *params])})"
        within = f"{node.step}({', '.join(blocks)})"
        inner[number] = within if len(within) <= LONGEST else f"{node.step}(...)"
    return said


def _block(block: Block, inner: Mapping[int, str]) -> str:
    texts = [piece.name if isinstance(piece, Source) else inner[piece.node] for piece in block]
    if len(texts) > MOST_NAMED:
        return f"[{', '.join(texts[:MOST_NAMED])} and {len(texts) - MOST_NAMED} more]"
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
