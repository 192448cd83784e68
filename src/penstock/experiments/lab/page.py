"""The lab notebook for people: Markdown for the terminal and the repository, one HTML page for everybody else."""

from __future__ import annotations

import json
import re
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.experiments.lab.notebook import Entry, Story, StoryRun

METRICS = 6
"""A run shows at most so many metrics and parameters."""
_MARKS = {"confirmed": "✓ confirmed", "refuted": "✕ refuted", "open": "○ open"}


def markdown(story: Story) -> str:
    """The story as Markdown."""
    lines = [f"# Lab notebook: {story.name}", ""]
    if story.question:
        lines += [f"> {_line(story.question)}", ""]
    if not story.entries:
        return "\n".join(
            [*lines, 'Nothing is written down yet: `penstock decide "what you suppose" --why TEXT --runs RUN`.']
        )
    if story.decisions:
        lines += ["| decision | outcome | hypothesis |", "|---|---|---|"]
        lines += [f"| {d.id} | {_MARKS[d.outcome]} | {_cell(d.hypothesis)} |" for d in story.decisions]
        lines.append("")
    day = ""
    for entry in story.entries:
        if entry.at[:10] != day:
            day = entry.at[:10]
            lines += [f"## {day}", ""]
        lines += _entry(entry)
    return "\n".join(lines).rstrip()


def _entry(entry: Entry) -> list[str]:
    mark = f" ({_MARKS[entry.outcome]})" if entry.kind == "decision" and entry.outcome else ""
    name = f"{entry.decision}: " if entry.decision else {"note": "Note on ", "deployment": ""}[entry.kind]
    lines = [f"### {name}{_line(entry.title)}{mark}", "", f"{entry.at[11:16]} UTC, {_line(entry.who)}", ""]
    if entry.text:
        lines += [*_paragraphs(entry.text), ""]
    if entry.runs and entry.kind != "note":
        lines += ["| run | operation | status | metrics | parameters |", "|---|---|---|---|---|"]
        for run in entry.runs:
            status = run.status + (" **unsealed**" if run.unsealed else "")
            cells = (f"`{run.id}`", _cell(run.operation), status, _cell(_metrics(run)), _cell(_params(run)))
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
        for run in entry.runs:
            lines += [f"- `{run.id}` {_line(n['who'])}, {n['at'][:10]}: {_line(n['text'])}" for n in run.notes]
        lines += [""] if any(run.notes for run in entry.runs) else []
    return lines


def _metrics(run: StoryRun) -> str:
    shown = [f"{name} {'not defined' if value is None else f'{value:.4g}'}" for name, value in run.metrics.items()]
    return _some(shown)


def _params(run: StoryRun) -> str:
    return _some([f"{name}={_value(value)}" for name, value in run.params.items()])


def _some(texts: list[str]) -> str:
    return ", ".join(texts[:METRICS]) + (f" and {len(texts) - METRICS} more" if len(texts) > METRICS else "")


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "..."


def _line(text: str) -> str:
    """One line, whatever was written; a ``<`` begins no HTML."""
    return " ".join(text.split()).replace("<", "&lt;")


def _paragraphs(text: str) -> list[str]:
    """What somebody wrote, with its lines, as a quotation: nothing in it becomes a heading, a list or a table.

    >>> _paragraphs("because\\n# it fell\\n\\n1. twice")
    ['> because\\\\', '> \\\\# it fell', '>', '> 1\\\\. twice']
    """
    lines = [_plain(line) for line in text.strip().splitlines()]
    pairs = zip(lines, [*lines[1:], ""], strict=True)
    return [f"> {line}" + ("\\" if following else "") if line else ">" for line, following in pairs]


def _plain(line: str) -> str:
    """A line with what would begin a block of Markdown made plain."""
    line = _line(line)
    if (number := re.match(r"\d+(?=[.)])", line)) is not None:
        return f"{number[0]}\\{line[number.end() :]}"
    return f"\\{line}" if line[:1] in tuple("#>-+*=|`~_[") else line


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")


# --- HTML ---------------------------------------------------------------------------------------------------------------

_STYLE = """:root { color-scheme: light dark; --paper: #f7f8f8; --card: #fff; --ink: #18242c; --soft: #5b6b75; --rule: #dfe5e8;
  --accent: #0d6c8f; --good: #22794a; --bad: #b23a32; --warn: #9a6200; }
@media (prefers-color-scheme: dark) { :root { --paper: #12181c; --card: #1a2227; --ink: #e6ecef; --soft: #a3b1b9; --rule: #2d383f;
  --accent: #5cbfe0; --good: #6ecb94; --bad: #f08a80; --warn: #e5b252; } }
* { box-sizing: border-box; } body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Arial, sans-serif; }
a { color: var(--accent); } main { max-width: 900px; margin: 0 auto; padding: 34px 24px 60px; } .brand { color: var(--accent); font-weight: 650; font-size: 13px; }
h1 { font-size: 27px; line-height: 1.2; margin: 2px 0 4px; } h2 { font-size: 15px; color: var(--soft); margin: 34px 0 8px; }
h3 { font-size: 16px; margin: 0 0 2px; overflow-wrap: anywhere; } p { margin: 8px 0 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.sub { color: var(--soft); font-size: 13px; } article, .card { background: var(--card); border: 1px solid var(--rule);
  border-left: 4px solid var(--rule); border-radius: 10px; padding: 14px 18px; margin: 0 0 12px; }
.confirmed { border-left-color: var(--good); } .refuted { border-left-color: var(--bad); } .open { border-left-color: var(--accent); }
.deployment { border-left-color: var(--warn); } .pill { font-size: 12.5px; font-weight: 600; white-space: nowrap; }
.pill.confirmed { color: var(--good); } .pill.refuted, .unsealed { color: var(--bad); } .pill.open { color: var(--accent); }
.scroll { overflow-x: auto; margin-top: 10px; } table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { text-align: left; color: var(--soft); font-weight: 600; font-size: 12.5px; }
th, td { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--rule); vertical-align: top; overflow-wrap: anywhere; }
tr:last-child td { border-bottom: 0; } code { font: 12.5px ui-monospace, "SF Mono", Menlo, Consolas, monospace; white-space: nowrap; }
ul { margin: 8px 0 0; padding-left: 20px; } @media print { body { background: #fff; } article { break-inside: avoid; } }"""


def page(story: Story) -> str:
    """The story as one HTML file: no script, nothing from elsewhere."""
    parts = [
        f'<header><div class="brand">Penstock · lab notebook</div><h1>{escape(story.name)}</h1>'
        f'<div class="sub">{escape(story.question)}</div></header>'
    ]
    if not story.entries:
        parts.append('<p class="sub">Nothing is written down yet.</p>')
    if story.decisions:
        rows = "".join(
            f'<tr><td><a href="#{d.id}">{d.id}</a></td><td><span class="pill {d.outcome}">{_MARKS[d.outcome]}</span></td>'
            f"<td>{escape(d.hypothesis)}</td></tr>"
            for d in story.decisions
        )
        parts.append(f'<div class="card scroll"><table>{rows}</table></div>')
    day = ""
    for entry in story.entries:
        if entry.at[:10] != day:
            day = entry.at[:10]
            parts.append(f"<h2>{day}</h2>")
        parts.append(_article(entry))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, '
        f'initial-scale=1"><title>{escape(story.name)} · lab notebook</title><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def _article(entry: Entry) -> str:
    kind = entry.outcome if entry.decision and entry.outcome else entry.kind
    anchor = f' id="{entry.decision}"' if entry.kind == "decision" else ""
    name = f"{entry.decision}: " if entry.decision else {"note": "Note on ", "deployment": ""}[entry.kind]
    pill = f' <span class="pill {entry.outcome}">{_MARKS[entry.outcome]}</span>' if entry.outcome else ""
    parts = [
        f'<article class="{kind}"{anchor}><h3>{escape(name + entry.title)}{pill}</h3>'
        f'<div class="sub">{entry.at[11:16]} UTC, {escape(entry.who)}</div>'
    ]
    if entry.text:
        parts.append(f"<p>{escape(entry.text.strip())}</p>")
    if entry.runs and entry.kind != "note":
        rows = "".join(
            f"<tr><td><code>{escape(run.id)}</code></td><td>{escape(run.operation)}</td><td>{escape(run.status)}"
            + (' <span class="unsealed">unsealed</span>' if run.unsealed else "")
            + f"</td><td>{escape(_metrics(run))}</td><td>{escape(_params(run))}</td></tr>"
            for run in entry.runs
        )
        head = "<tr><th>run</th><th>operation</th><th>status</th><th>metrics</th><th>parameters</th></tr>"
        parts.append(f'<div class="scroll"><table>{head}{rows}</table></div>')
        notes = "".join(
            f"<li><code>{escape(run.id)}</code> {escape(n['who'])}, {n['at'][:10]}: {escape(n['text'])}</li>"
            for run in entry.runs
            for n in run.notes
        )
        parts.append(f"<ul>{notes}</ul>" if notes else "")
    return "".join(parts) + "</article>"
