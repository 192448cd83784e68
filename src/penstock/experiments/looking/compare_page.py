"""A comparison as one HTML page: the table, the curves of each metric with what they show. No script, nothing from elsewhere.

Pointing at a run's row, or at its curve, brings all of its curves forward (by CSS alone).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from penstock.experiments.curves.curve_chart import Line, draw
from penstock.experiments.looking.properties import shown
from penstock.experiments.sheets import took

if TYPE_CHECKING:
    from penstock.experiments.curves.curves import Curve, Point
    from penstock.experiments.curves.findings import Finding
    from penstock.experiments.looking.comparison import Comparison

MOST_CHARTS = 40
MOST_HOVERED = 60
COLOURS = 10
GRAVE = frozenset({"not-finite", "diverging", "exploding-gradients", "vanishing-gradients", "overfitting"})

_STYLE = """:root { color-scheme: light dark; --paper: #f7f8f8; --card: #fff; --ink: #18242c; --soft: #5b6b75; --faint: #8d9aa2;
  --rule: #dfe5e8; --wash: #eef2f4; --accent: #0d6c8f; --good: #22794a; --bad: #b23a32; --warn: #9a6200;
  --s0: #0d6c8f; --s1: #d9702b; --s2: #2f8f5b; --s3: #8a5bb5; --s4: #c23f6e; --s5: #8a6d1f; --s6: #4a7fd1; --s7: #5d7077; --s8: #1ba3a3; --s9: #a3462b; }
@media (prefers-color-scheme: dark) { :root { --paper: #12181c; --card: #1a2227; --ink: #e6ecef; --soft: #a3b1b9; --faint: #74838c;
  --rule: #2d383f; --wash: #222c32; --accent: #5cbfe0; --good: #6ecb94; --bad: #f08a80; --warn: #e5b252;
  --s0: #5cbfe0; --s1: #f19a5c; --s2: #6ecb94; --s3: #bb95e0; --s4: #ee83a8; --s5: #d0b25a; --s6: #8bb1f0; --s7: #a3b1b9; --s8: #5ed3d3; --s9: #e08b72; } }
* { box-sizing: border-box; } body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Arial, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 34px 24px 60px; } .brand { color: var(--accent); font-weight: 650; font-size: 13px; }
h1 { font-size: 27px; line-height: 1.2; margin: 2px 0 4px; } h2 { font-size: 17px; margin: 34px 0 8px; } h3 { font-size: 14px; margin: 0 0 6px; }
.sub { color: var(--soft); font-size: 13px; margin: 0 0 10px; } .card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 14px 18px; }
.scroll { overflow: auto; max-height: 70vh; padding: 0 18px; } table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { text-align: left; color: var(--soft); font-weight: 600; font-size: 12.5px; position: sticky; top: 0; background: var(--card); padding-top: 12px; white-space: nowrap; }
th, td { padding: 5px 14px 5px 0; border-bottom: 1px solid var(--rule); vertical-align: top; } td { white-space: nowrap; }
tr:last-child td { border-bottom: 0; } tr:hover td { background: var(--wash); } .num { font-variant-numeric: tabular-nums; text-align: right; }
td.best { font-weight: 680; color: var(--good); } td small { color: var(--faint); } .unsealed { color: var(--bad); font-weight: 600; }
code { font: 12.5px ui-monospace, "SF Mono", Menlo, Consolas, monospace; white-space: nowrap; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(460px, 100%), 1fr)); gap: 16px; }
svg.plot { display: block; width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 11px; } svg .tick { font-variant-numeric: tabular-nums; }
.grid { stroke: var(--rule); } .floor { stroke: var(--faint); } .line { fill: none; stroke: var(--c); stroke-width: 1.7; stroke-linejoin: round; }
.dot { fill: var(--c); } .mark { fill: none; stroke: var(--c); stroke-width: 2; } .line:hover { stroke-width: 3.4; }
.chip { display: inline-block; width: 10px; height: 10px; border-radius: 3px; background: var(--c); margin-right: 7px; }
ul.findings { list-style: none; margin: 10px 0 0; padding: 0; font-size: 13px; max-height: 180px; overflow: auto; } ul.findings li { padding: 2px 0; overflow-wrap: anywhere; }
.kind { font-weight: 600; } .grave { color: var(--bad); } .mild { color: var(--warn); } .fine { color: var(--good); }
footer { margin-top: 30px; color: var(--faint); font-size: 12.5px; } @media print { .scroll { max-height: none; } .card { break-inside: avoid; } }
"""


def page(comparison: Comparison, curves: Mapping[str, Mapping[str, Curve]], *, name: str) -> str:
    """The page. `curves` has the curves of each run by its id."""
    style = {run.id: f"r{i}" for i, run in enumerate(comparison.runs)}
    names = list(dict.fromkeys(n for run in comparison.runs for n, c in curves.get(run.id, {}).items() if c.count > 1))
    names.sort(key=lambda n: comparison.names.index(n) if n in comparison.names else len(comparison.names))
    charts = [_chart(n, comparison, curves, style) for n in names[:MOST_CHARTS]]
    title = f"{len(comparison.runs)} run{'s' if len(comparison.runs) > 1 else ''} of {name}"
    left_out = f'<p class="sub">Not drawn: {escape(", ".join(names[MOST_CHARTS:]))}</p>' if names[MOST_CHARTS:] else ""
    body = [
        f'<header><div class="brand">Penstock · comparison</div><h1>{escape(title)}</h1>',
        f'<p class="sub">{escape(_said(comparison))}</p></header>',
        f'<div class="card scroll"><table>{_table(comparison, style)}</table></div>',
        f'<h2>Curves</h2><div class="charts">{"".join(charts)}</div>{left_out}' if charts else "",
        _other_findings(comparison, names, style),
        "<footer>Means of neighbouring steps where a series is long. * is the best final value.</footer>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, '
        f'initial-scale=1"><title>{escape(title)}</title><link rel="icon" href="data:,"><style>{_STYLE}{_colours(style)}'
        f"</style></head><body><main>{''.join(body)}</main></body></html>\n"
    )


def _colours(style: dict[str, str]) -> str:
    """A colour per run; many runs take theirs from the circle of hues. Pointing at one makes the others faint."""
    rules = []
    for i, name in enumerate(style.values()):
        colour = f"var(--s{i})" if len(style) <= COLOURS else f"hsl({i * 360 / len(style):.0f} 55% 50%)"
        rules.append(f".{name} {{ --c: {colour}; }}")
        if len(style) <= MOST_HOVERED:
            rules.append(
                f"main:has(.{name}:hover) .line:not(.{name}), main:has(.{name}:hover) .mark:not(.{name}) {{ opacity: .13; }}"
            )
    return "\n".join(rules)


def _said(comparison: Comparison) -> str:
    operations = list(dict.fromkeys(run.operation for run in comparison.runs))
    same = [name for name in comparison.flags if name not in comparison.differing]
    first = comparison.runs[0].params
    alike = ", ".join(f"{name}={shown(first.get(name))}" for name in same[:20])
    return f"{', '.join(operations[:6])}." + (f" The same in all: {alike}." if alike else "")


def _table(comparison: Comparison, style: dict[str, str]) -> str:
    flags = comparison.flags if comparison.everything else comparison.differing
    head = "".join(f"<th>{escape(h)}</th>" for h in ("run", "status", "took", *flags))
    head += "".join(f'<th class="num">{escape(n)}</th>' for n in comparison.names)
    rows = [f"<thead><tr>{head}</tr></thead><tbody>"]
    for run in comparison.runs:
        mark = ' <span class="unsealed">unsealed</span>' if run.id in comparison.unsealed else ""
        tags = " ".join(f"#{n}={v}" if v else f"#{n}" for n, v in run.tags.items())
        cells = [
            f'<td><i class="chip"></i><code>{escape(run.id)}</code> <small>{escape(tags)}</small></td>',
            f"<td>{escape(run.status)}{mark}</td><td>{escape(took(run.seconds))}</td>",
        ]
        cells += [f"<td>{escape(shown(run.params.get(name)))}</td>" for name in flags]
        cells += [_metric(comparison, run.id, name) for name in comparison.names]
        rows.append(f'<tr class="{style[run.id]}">{"".join(cells)}</tr>')
    return "".join(rows) + "</tbody>"


def _metric(comparison: Comparison, run: str, name: str) -> str:
    seen = comparison.metrics[run].get(name)
    if seen is None:
        return '<td class="num"></td>'
    best = comparison.best.get(name) == run
    ends = f"<br><small>{shown(seen.least)} to {shown(seen.greatest)}</small>" if seen.least != seen.greatest else ""
    return f'<td class="num{" best" if best else ""}">{shown(seen.last)}{" *" if best else ""}{ends}</td>'


def _chart(name: str, comparison: Comparison, curves: Mapping[str, Mapping[str, Curve]], style: dict[str, str]) -> str:
    lines, findings = [], []
    for run in comparison.runs:
        curve = curves.get(run.id, {}).get(name)
        if curve is None:
            continue
        mine = [f for f in comparison.findings.get(run.id, []) if f.metric == name]
        findings += [(run.id, finding) for finding in mine]
        points = curve.points
        marks = [(p, f"{run.id} {f}") for f in mine if f.step is not None and (p := _near(points, f.step)) is not None]
        differing = " ".join(f"{n}={shown(run.params.get(n), 16)}" for n in comparison.differing[:6])
        lines.append(Line(style[run.id], f"{run.id} {differing}\n{name} {shown(curve.last)}", points, marks))
    return f'<div class="card"><h3>{escape(name)}</h3>{draw(lines, name=name)}{_list(findings, style)}</div>'


def _near(points: Sequence[Point], step: float) -> Point | None:
    return min(points, key=lambda p: abs(p.step - step), default=None)


def _list(findings: Sequence[tuple[str, Finding]], style: dict[str, str]) -> str:
    if not findings:
        return ""
    rows = []
    for run, finding in sorted(findings, key=lambda f: (f[1].kind not in GRAVE, f[1].kind == "converged")):
        mood = "grave" if finding.kind in GRAVE else "fine" if finding.kind == "converged" else "mild"
        rows.append(
            f'<li class="{style[run]}"><i class="chip"></i><code>{escape(run)}</code> <span class="kind {mood}">'
            f"{escape(finding.kind)}</span>: {escape(finding.why)}</li>"
        )
    return f'<ul class="findings">{"".join(rows)}</ul>'


def _other_findings(comparison: Comparison, drawn: Sequence[str], style: dict[str, str]) -> str:
    rest = [(run, f) for run, found in comparison.findings.items() for f in found if f.metric not in drawn]
    return f'<h2>Other findings</h2><div class="card">{_list(rest, style)}</div>' if rest else ""
