"""A recipe to start from, with the reason for each column, from the training rows alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from penstock.bundle.frame import Frame
from penstock.bundle.images import is_image_url
from penstock.bundle.kinds import INPUT_KINDS, MISSING_TIME, Kind, Task
from penstock.bundle.specs import ColumnSpec
from penstock.features.column_facts import LEAK_SHARE, Facts, column_facts
from penstock.features.language import NAME, quote
from penstock.features.recipe import BUILT_IN_GROUPS, toml_text

IMAGE_SIDE = 16
"""Pixels of an image as the model sees it, on each side."""
MANY_VALUES = 50
"""Values from which the rare ones of a categorical column are put together."""
MOST_VALUES = 100
"""Values of such a column that are told apart."""
MOSTLY_MISSING = 0.99
NARROW = 10
"""Training rows for each feature below which a model may learn them by heart."""
LISTED = 100
"""Columns whose comment is written out where nothing is special about them."""

_ORDER = (Kind.NUMERIC, Kind.BINARY, Kind.CATEGORICAL, Kind.DATETIME, Kind.TEXT)


_HIDDEN = (
    "personal, and nothing of it is kept; where that changes in [privacy.columns], `penstock recipe suggest` looks anew"
)
_DEALT = "rows are dealt by it: no other part has any of the values that would be learned"


@dataclass(frozen=True)
class Reason:
    """Why a column is used or left out; `warning` is what a person should look at first."""

    column: str
    used: bool
    why: str
    warning: str | None = None


@dataclass(frozen=True)
class Suggestion:
    """The text of recipe.toml, and the reason for each column, in the order of the table."""

    text: str
    reasons: tuple[Reason, ...]


def suggest(
    specs: Sequence[ColumnSpec],
    frame: Frame,
    y: np.ndarray | None,
    task: Task,
    target_name: str,
    warnings: Mapping[str, Iterable[str]] | None = None,
    *,
    group: str | None = None,
) -> Suggestion:
    """Suggest a recipe.

    Parameters
    ----------
    specs : the columns, without the target.
    frame : training rows. y : their target, class numbers or float64.
    warnings : what is known of columns beside this, by name; it goes into their comments.
    group : the column by whose groups rows are dealt.
    """
    facts = column_facts(frame, [spec.name for spec in specs], y, task)
    notes = {name: "; ".join(lines) for name, lines in (warnings or {}).items()}
    apart = {spec.name: _HIDDEN for spec in specs if spec.is_withheld}
    if group is not None:
        apart.setdefault(group, _DEALT)
    reasons = tuple(
        Reason(fact.name, False, apart[fact.name], notes.get(fact.name))
        if fact.name in apart
        else _reason(fact, target_name, notes.get(fact.name), frame)
        for fact in facts
    )
    used = [fact for fact, reason in zip(facts, reasons, strict=True) if reason.used]
    outputs, groups = _outputs(used, specs, frame)
    return Suggestion(_text(outputs, groups, reasons, target_name, len(frame), _width(used, frame)), reasons)


def _width(used: Sequence[Facts], frame: Frame) -> int:
    """Features of a linear model, about, texts not counted: their vocabulary is known when the recipe is fitted."""
    width = 0
    for fact in used:
        if fact.kind is Kind.TEXT and _are_images(frame, fact.name):
            width += IMAGE_SIDE**2
        elif fact.kind in (Kind.BINARY, Kind.CATEGORICAL):
            width += min(fact.distinct, MOST_VALUES) + (fact.missing > 0)
        elif fact.kind is not Kind.TEXT:
            width += 1 + (fact.missing > 0)
    return width


def _reason(fact: Facts, target: str, note: str | None, frame: Frame) -> Reason:
    if fact.kind is Kind.IDENTIFIER:
        return Reason(fact.name, False, "an identifier: it names rows, and would be learned by heart", note)
    if fact.kind not in INPUT_KINDS or (fact.distinct == 1 and fact.missing == 0):
        return Reason(fact.name, False, "one value for all rows", note)
    if fact.distinct == 0:
        return Reason(fact.name, False, "no value in any training row", note)
    if fact.missing > MOSTLY_MISSING:
        return Reason(fact.name, False, f"{_share(fact.missing)} of the values are missing", note)
    if fact.same_as is not None:
        return Reason(fact.name, False, f"the same values as {fact.same_as!r} in every row", note)
    images = fact.kind is Kind.TEXT and _are_images(frame, fact.name)
    why = (
        f"images, by their pixels: {IMAGE_SIDE} x {IMAGE_SIDE} of them, in grey"
        if images
        else f"{fact.kind}, {_described(fact)}"
    )
    if fact.missing > 0:
        why += f", {_share(fact.missing)} missing"
    if fact.explains > LEAK_SHARE:
        leak = f"tells {target!r} almost alone ({fact.explains:.0%}): is it known before the answer is? If not, take it out"
        note = leak if note is None else f"{leak}; {note}"
    return Reason(fact.name, True, why, note)


def _described(fact: Facts) -> str:
    if fact.kind is Kind.NUMERIC:
        return f"{fact.distinct:,} values"
    if fact.kind is Kind.DATETIME:
        return "by its parts"
    if fact.kind is Kind.TEXT:
        return f"{fact.words:.0f} words on average: words and pairs of words, weighed by how rare they are"
    if _many(fact):
        return f"{fact.distinct:,} values: the frequent ones one by one, the rare ones together"
    return f"{fact.distinct:,} values"


def _share(share: float) -> str:
    return "under 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"


def _many(fact: Facts) -> bool:
    return fact.kind is Kind.CATEGORICAL and fact.distinct > MANY_VALUES


def _outputs(used: Sequence[Facts], specs: Sequence[ColumnSpec], frame: Frame) -> tuple[list[str], dict[str, str]]:
    """Expressions for `outputs`, and the groups that they use."""
    taken = {re.sub(r"\W", "_", spec.name) for spec in specs} | set(BUILT_IN_GROUPS)
    groups: dict[str, str] = {}
    outputs = []
    for kind in _ORDER:
        chosen = [fact for fact in used if fact.kind is kind]
        everything = [spec.name for spec in specs if spec.kind is kind]
        many = [fact for fact in chosen if _many(fact)]
        images = [fact for fact in chosen if kind is Kind.TEXT and _are_images(frame, fact.name)]
        few = [fact for fact in chosen if not _many(fact) and fact not in images]
        if images:
            group = _group(f"ALL_{kind.upper()}", everything, images, "image_columns", taken, groups)
            outputs.append(f"pixels({group}, {IMAGE_SIDE}, {IMAGE_SIDE})")
        if few:
            group = _group(f"ALL_{kind.upper()}", everything, few, f"{kind}_columns", taken, groups)
            outputs.append(_expression(group, kind, few, frame))
        if many:
            group = _group(f"ALL_{kind.upper()}", everything, many, "many_values", taken, groups)
            outputs.append(f"one_hot({group}, min_frequency={_least(len(frame), 0.002)}, max_categories={MOST_VALUES})")
    return outputs or ["ALL_INPUTS"], groups


def _group(
    built_in: str,
    everything: Sequence[str],
    chosen: Sequence[Facts],
    name: str,
    taken: set[str],
    groups: dict[str, str],
) -> str:
    """The name under which these columns are spoken of: the built-in group where it says the same."""
    names = [fact.name for fact in chosen]
    if names == list(everything):
        return built_in
    if len(names) == 1:
        only = names[0]
        return only if NAME.fullmatch(only) and only not in BUILT_IN_GROUPS else quote(only)
    while name in taken:
        name += "_"
    rest = [other for other in everything if other not in set(names)]
    if len(rest) < len(names) and len(names) > 8:
        groups[name] = f"group_remove({built_in}, {', '.join(map(quote, rest))})"
    else:
        groups[name] = f"group({', '.join(map(quote, names))})"
    return name


def _expression(group: str, kind: Kind, facts: Sequence[Facts], frame: Frame) -> str:
    if kind is Kind.DATETIME:
        parts = _parts(np.concatenate([frame[fact.name] for fact in facts]))
        return f"date_parts({group}, '{' '.join(parts)}')"
    if kind is Kind.TEXT:
        short = np.mean([fact.words for fact in facts]) < 8
        return f"tfidf({group}, n=2, min_df={_least(len(frame), 0.005 if short else 0.0)})"
    return group


def _are_images(frame: Frame, name: str) -> bool:
    """Whether a text column holds images, by its first values."""
    values = [value for value in frame[name][:100].tolist() if value is not None]
    return bool(values) and all(map(is_image_url, values))


def _parts(times: np.ndarray) -> list[str]:
    """Parts of instants that differ between rows."""
    known = times[times != MISSING_TIME].view("datetime64[us]")
    dates = known.astype("datetime64[D]")
    months = known.astype("datetime64[M]")
    of = {
        "year": known.astype("datetime64[Y]").astype(np.int64),
        "month": months.astype(np.int64) % 12,
        "day": (dates - months).astype(np.int64),
        "weekday": dates.astype(np.int64) % 7,
        "hour": known.astype("datetime64[h]").astype(np.int64) % 24,
    }
    differing = [part for part, values in of.items() if len(np.unique(values)) > 1]
    return differing or ["year"]


def _least(n_rows: int, share: float) -> int:
    """Rows in which something must occur: a share of all, at least 3, at most 50."""
    return min(50, max(3, round(share * n_rows)))


def _text(
    outputs: Sequence[str], groups: Mapping[str, str], reasons: Sequence[Reason], target: str, n_rows: int, width: int
) -> str:
    lines = [
        f"# Which columns the model sees, and how, to predict {_inline(target)}. Suggested from {n_rows:,} training rows;",
        "# yours to edit. A column is named alone (the learner then finishes it) or inside a step: standardise, one_hot,",
        "# ordinal, impute, missing_indicator, quantile_bin, date_parts, tfidf.",
        "",
    ]
    warned = [reason for reason in reasons if reason.warning and reason.used]
    if warned:
        lines += ["# Look at first:", *(f"#   {_inline(r.column)}: {_inline(r.warning or '')}" for r in warned), ""]
    if width * NARROW > n_rows:
        lines += [
            f"# Few rows: about {width:,} features (without texts) for {n_rows:,} training rows. With fewer than {NARROW} rows for",
            "# each, a model finds patterns that are not there: leave out what cannot matter, and keep rare values together.",
            "",
        ]
    lines += ["outputs = [", *(f"    {toml_text(output)}," for output in outputs), "]"]
    if groups:
        lines += ["", "[groups]", *(f"{name} = {toml_text(group)}" for name, group in groups.items())]
    lines += ["", *_listing("Used", [r for r in reasons if r.used])]
    out = [r for r in reasons if not r.used]
    if out:
        lines += ["", *_listing("Left out", out)]
    return "\n".join(lines) + "\n"


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
