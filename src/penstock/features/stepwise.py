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
    steps = tuple(
        StepOutput(expression(fitted.plan, number), tuple(fitted.fitted[number].names), made[f"step_{number}"])
        for number in nodes
    )
    return Stepwise(steps, fitted.names, made[OUTPUT])


def expression(plan: Plan, number: int, *, inner: bool = False) -> str:
    """The call of a node, with those inside it, whose parameters are left out: ``standardise(impute(age))``."""
    node = plan.nodes[number]
    said = () if inner else node.params
    params = [f"{name}={value!r}" if not isinstance(value, str) else f"{name}={value}" for name, value in said]
    return f"{node.step}({', '.join([*(_block(plan, block) for block in node.inputs), *params])})"


def _block(plan: Plan, block: Block) -> str:
    texts = [piece.name if isinstance(piece, Source) else expression(plan, piece.node, inner=True) for piece in block]
    if len(texts) > MOST_NAMED:
        return f"[{', '.join(texts[:MOST_NAMED])} and {len(texts) - MOST_NAMED} more]"
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
