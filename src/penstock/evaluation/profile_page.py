"""The survey of training rows as one self-contained HTML page: style and plots inside, no script, no outside address."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from markupsafe import Markup

from penstock.bundle.kinds import Kind
from penstock.data.profile import ColumnProfile
from penstock.data.profiling.relations import Relation
from penstock.data.profiling.shapes import Shape
from penstock.data.profiling.survey import Survey
from penstock.evaluation.plots import Axis, Chart
from penstock.evaluation.render import page, shown

MOST_RELATIONS = 12
MOST_CARDS = 200
FEW_ROWS = 30  # a bar of fewer says little: their number stands beside its label
LONGEST = 18  # characters of a label under a bar
RANGE = 24  # of a label that may be two dates
STRONG = 0.5
_DAY_US = 86_400_000_000


def to_html(found: Survey, *, name: str, target: str, dataset: str = "") -> str:
    """The page of a survey."""
    columns = [_card(column, found.shapes[column.name]) for column in found.profile.columns[:MOST_CARDS]]
    what = f"share of {found.shown}" if found.shown is not None else f"mean of {target}"
    pairs = _strongest(found.names, found.associations)
    return page(
        "profile.html",
        name=name,
        target=target,
        dataset=dataset,
        rows=found.profile.rows,
        kinds=_kinds(found.profile.columns),
        gaps_share=_gaps_share(found.profile.columns),
        target_plot=_bars(found.target, name=f"Distribution of {target}", kind=_target_kind(found)),
        target_notes="; ".join(found.target.notes),
        relations=[_relation(one, what) for one in found.relations[:MOST_RELATIONS]],
        more_relations=len(found.relations) - min(MOST_RELATIONS, len(found.relations)),
        what=what,
        matrix=_matrix(found.names, found.associations) if len(found.names) > 1 else "",
        pairs=pairs,
        patterns=_patterns(found),
        columns=columns,
        left_out=len(found.profile.columns) - len(columns),
        sampled=found.sampled if found.sampled < found.profile.rows else 0,
    )


def _kinds(columns: Sequence[ColumnProfile]) -> str:
    """``12 numeric, 3 text``."""
    counts = {kind: sum(column.kind is kind for column in columns) for kind in Kind}
    return ", ".join(f"{n} {kind}" for kind, n in counts.items() if n)


def _gaps_share(columns: Sequence[ColumnProfile]) -> str:
    cells = sum(column.count + column.missing for column in columns)
    return f"{sum(column.missing for column in columns) / cells:.1%}" if cells else "0 %"


def _target_kind(found: Survey) -> Kind:
    return Kind.NUMERIC if found.profile.target is not None else Kind.CATEGORICAL


def _card(column: ColumnProfile, shape: Shape) -> dict[str, Any]:
    facts = [("rows", f"{column.count:,}"), ("missing", f"{column.missing:,} ({column.missing_share:.1%})")]
    facts.append(("different", f"{column.distinct:,}"))
    if column.mean is not None:
        facts.append(("mean ± spread", f"{shown(column.mean)} ± {shown(column.std)}"))
    if column.quantiles:
        low, median, high = column.quantiles[1], column.quantiles[3], column.quantiles[5]
        facts.append(("median (5 % to 95 %)", f"{shown(median)} ({shown(low)} to {shown(high)})"))
    if column.low is not None:
        ends = [end if isinstance(end, str) else shown(end) for end in (column.low, column.high)]
        facts.append(("from, to", " to ".join(str(end) for end in ends)))
    if column.mean_words is not None:
        facts.append(("words on average", f"{column.mean_words:.1f}"))
        facts.append(("longest", f"{column.max_chars:,} characters"))
    if shape.outliers and shape.extremes:
        facts.append(("extremes", ", ".join(shown(value) for value in shape.extremes)))
    if column.kind is Kind.TEXT and shape.top:
        facts.append(("commonest words", ", ".join(word[:40] for word, _ in shape.top)))
    hides = column.kind is Kind.IDENTIFIER  # its values name rows
    plot = "" if hides else _bars(shape, name=f"Distribution of {column.name}", kind=column.kind)
    notes = "values name rows, and are not shown" if hides else "; ".join(shape.notes)
    return {"name": column.name, "kind": str(column.kind), "facts": facts, "plot": plot, "notes": notes}


def _bars(shape: Shape, *, name: str, kind: Kind) -> Markup:
    """Bars of a distribution; nothing where there is none."""
    if shape.edges:
        return _histogram(shape, name, kind)
    if not shape.top:
        return Markup("")
    labels = [_short(value) for value, _ in shape.top] + (["(others)"] if shape.others else [])
    heights = [float(n) for _, n in shape.top] + ([float(shape.others)] if shape.others else [])
    tips = [f"{value[:200]}: {n:,} rows" for value, n in shape.top] + [f"all others: {shape.others:,} rows"]
    return _columns(heights, labels, tips, name=name, y=Axis("rows", 0, max(heights) * 1.05 or 1))


def _histogram(shape: Shape, name: str, kind: Kind) -> Markup:
    edges, counts = list(shape.edges), list(shape.counts)
    if kind is Kind.DATETIME:
        edges = [edge / _DAY_US for edge in edges]
    if not math.isfinite(edges[-1] - edges[0]) or edges[-1] <= edges[0]:
        return Markup("")
    label = {Kind.DATETIME: "time", Kind.TEXT: "words"}.get(
        kind, f"value less {shape.origin}" if shape.origin else "value"
    )
    text = _date if kind is Kind.DATETIME else None
    chart = Chart(
        Axis(label, edges[0], edges[-1], text), Axis("rows", 0, max(counts) * 1.05 or 1), name=name, height=210
    )
    write = _date if kind is Kind.DATETIME else shown
    tips = [f"{write(edges[b])} to {write(edges[b + 1])}: {c:,} rows" for b, c in enumerate(counts)]
    chart.bars(edges, counts, tips=tips)
    return chart.svg(x_ticks=chart.x.ticks(4) if kind is Kind.DATETIME else None)


def _columns(
    heights: Sequence[float], labels: Sequence[str], tips: Sequence[str], *, name: str, y: Axis, style: str = "s0"
) -> Markup:
    """A bar for each label."""
    slanted = any(len(label) * len(labels) > 56 for label in labels)
    below = 42.0 + (3.9 * max(len(label) for label in labels) if slanted else 0)
    chart = Chart(Axis("", -0.6, len(heights) - 0.4), y, name=name, height=round(170 + below), below=below)
    chart.columns([list(heights)], [style], tips=[list(tips)])
    return chart.svg(x_ticks=list(enumerate(labels)), turn=slanted)


def _relation(one: Relation, what: str) -> dict[str, Any]:
    values = [value for value in one.values if math.isfinite(value)]
    if not values:
        return {"column": one.column, "strength": f"{one.strength:.3f}", "plot": ""}
    low, high = min(0.0, *values), max(0.0, *values)
    if low == high:
        high = 1.0
    tips = [
        f"{label[:200]}: {shown(value)} ({n:,} rows)"
        for label, value, n in zip(one.labels, one.values, one.rows, strict=True)
    ]
    labels = [
        f"{_short(label, RANGE)} ({n} row{'s' * (n != 1)})" if n < FEW_ROWS else _short(label, RANGE)
        for label, n in zip(one.labels, one.rows, strict=True)
    ]
    axis = Axis(_short(what, 40), low * 1.05, high * 1.05)
    plot = _columns(one.values, labels, tips, name=f"{what} by {one.column}", y=axis, style="s1")
    return {"column": one.column, "strength": f"{one.strength:.3f}", "plot": plot}


def _matrix(names: Sequence[str], matrix: np.ndarray) -> Markup:
    """The associations as a shaded square."""
    k = len(names)
    short = [_short(name) for name in names]
    left = 16 + 6.2 * max(len(label) for label in short)
    cell = min(34.0, (980 - left) / k)
    top = 12 + 4.6 * max(len(label) for label in short)
    width, height = left + cell * k + 60, top + cell * k + 8
    parts = []
    for r in range(k):
        y = top + r * cell
        parts.append(
            f'<text class="tick" x="{left - 6:.1f}" y="{y + cell / 2 + 4:.1f}" text-anchor="end">{escape(short[r])}</text>'
        )
        x = left + (r + 0.5) * cell
        turn = f'transform="rotate(-45 {x:.1f} {top - 6:.1f})"'
        parts.append(f'<text class="tick" x="{x:.1f}" y="{top - 6:.1f}" {turn}>{escape(short[r])}</text>')
        for c in range(k):
            value = float(matrix[r, c])
            told = "nothing can be said" if math.isnan(value) else f"{value:.3f}"
            tip = escape(f"{names[r]} and {names[c]}: {told}")
            opacity = 0.0 if math.isnan(value) else 0.04 + 0.88 * min(1.0, value)
            place = f'x="{left + c * cell + 0.5:.1f}" y="{y + 0.5:.1f}" width="{cell - 1:.1f}" height="{cell - 1:.1f}"'
            style = "bar quiet" if r == c else "hitcell"
            parts.append(f'<rect class="{style}" {place} fill-opacity="{opacity:.3f}"><title>{tip}</title></rect>')
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:{width:.0f}px"'
    head = f'<svg class="plot" {size} role="img" aria-label="Associations of columns">'
    return Markup(head + "".join(parts) + "</svg>")


def _strongest(names: Sequence[str], matrix: np.ndarray, most: int = 10) -> list[dict[str, str]]:
    """Pairs of columns that go together, the strongest first."""
    pairs = [(float(matrix[a, b]), names[b], names[a]) for a in range(len(names)) for b in range(a)]
    strong = sorted((pair for pair in pairs if pair[0] >= STRONG), key=lambda pair: (-pair[0], pair[1:]))
    return [{"one": one, "other": other, "value": f"{value:.3f}"} for value, one, other in strong[:most]]


def _patterns(found: Survey) -> list[dict[str, str]]:
    rows = max(1, found.profile.rows)
    told = []
    for names, count in found.patterns:
        text = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
        told.append({"missing": text or "(nothing)", "rows": f"{count:,}", "share": f"{count / rows:.1%}"})
    return told


def _short(text: str, most: int = LONGEST) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def _date(days: float) -> str:
    """A day since 1970 as a date."""
    return str(np.datetime64(int(days), "D"))
