"""The text of a suggested recipe: TOML for a person to read and edit, with the reasons as comments."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from penstock.features.recipe import toml_text

LISTED = 100
"""Columns whose comment is written out."""
WIDE = 118


@dataclass(frozen=True)
class Reason:
    """Why a column is used or left out; `warning` is what a person should look at first."""

    column: str
    used: bool
    why: str
    warning: str | None = None


@dataclass(frozen=True)
class Output:
    """A line of the recipe's outputs, and why it is there."""

    expression: str
    why: str


def recipe_text(
    outputs: Sequence[Output],
    groups: Mapping[str, str],
    reasons: Sequence[Reason],
    target: str,
    n_rows: int,
    few_rows: str | None,
) -> str:
    """The whole file."""
    lines = [
        f"# Which columns the model sees, and how, to predict {_inline(target)}. Suggested from {n_rows:,} training rows;",
        "# yours to edit. A column is named alone (the learner then finishes it) or inside a step: standardise, one_hot,",
        "# ordinal, impute, missing_indicator, quantile_bin, date_parts, tfidf.",
        "",
    ]
    warned = [reason for reason in reasons if reason.warning and reason.used]
    if warned:
        lines += ["# Look at first:", *(f"#   {_inline(r.column)}: {_inline(r.warning or '')}" for r in warned), ""]
    if few_rows is not None:
        lines += [*_comment(f"Few rows: {few_rows}"), ""]
    lines.append("outputs = [")
    for output in outputs:
        lines += [*_comment(output.why, "    "), f"    {toml_text(output.expression)},"]
    lines.append("]")
    if groups:
        lines += ["", "[groups]", *(f"{name} = {toml_text(group)}" for name, group in groups.items())]
    lines += ["", *_listing("Used", [r for r in reasons if r.used])]
    out = [r for r in reasons if not r.used]
    if out:
        lines += ["", *_listing("Left out", out)]
    return "\n".join(lines) + "\n"


def share(part: float) -> str:
    """A share above 0 in words."""
    return "under 0.1 %" if part < 0.001 else f"{100 * part:.1f} %"


def _comment(text: str, before: str = "") -> list[str]:
    lines = textwrap.wrap(_inline(text), WIDE - len(before) - 2, break_long_words=False, break_on_hyphens=False)
    return [f"{before}# {line}" for line in lines]


def _listing(title: str, reasons: Sequence[Reason]) -> list[str]:
    width = min(30, max((len(_inline(r.column)) for r in reasons[:LISTED]), default=0))
    lines = [f"# {title}:"]
    for reason in reasons[:LISTED]:
        note = f" ({_inline(reason.warning)})" if reason.warning and not reason.used else ""
        lines.append(f"#   {_inline(reason.column):<{width}}  {_inline(reason.why)}{note}")
    if len(reasons) > LISTED:
        lines.append(f"#   and {len(reasons) - LISTED:,} more")
    return lines


def _inline(text: str) -> str:
    """A text that may stand in a comment: one line, no control characters."""
    return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]", " ", text)
