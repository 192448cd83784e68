"""Writes the parts of the documentation that the code already says: `python docs/generate.py`.

Steps and learners into recipe.md, actions and recognisers into privacy.md, operators into edge.md, between the marks; checks.md and cli.md as a whole. A test fails where the files say
something else.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import click

from penstock import parts
from penstock.bundle.kinds import Task
from penstock.bundle.privacy.actions import ACTIONS
from penstock.cli.app import app
from penstock.data.contract.check import RULES, explain_rule
from penstock.data.privacy.recogniser import GROUP as RECOGNISERS
from penstock.data.quality.report import QUALITY_CHECKS, explain_quality
from penstock.features.bounds import defaults
from penstock.features.step import GROUP
from penstock.learning.learner import Shape
from penstock.monitoring.monitor import CHECKS, explain_check
from penstock.project.quality import LIMITS

DOCS = Path(__file__).parent
KIND_ORDER = ("numeric", "binary", "categorical", "text", "datetime")


def main() -> None:
    """Write what differs."""
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """File name -> what it must hold."""
    recipe = (DOCS / "recipe.md").read_text(encoding="utf-8")
    recipe = between(recipe, "steps", "\n\n".join(map(step_section, built_in(GROUP))))
    recipe = between(recipe, "learners", learners_table())
    privacy = (DOCS / "privacy.md").read_text(encoding="utf-8")
    privacy = between(privacy, "actions", actions_table())
    privacy = between(privacy, "recognisers", recognisers_part())
    edge = (DOCS / "edge.md").read_text(encoding="utf-8")
    tables = _operators()
    for mark, write in (("forms", "forms_table"), ("steps", "steps_table"), ("learners", "learners_table")):
        edge = between(edge, mark, getattr(tables, write)())
    return {
        "recipe.md": recipe,
        "checks.md": checks_page(),
        "cli.md": cli_page(),
        "privacy.md": privacy,
        "edge.md": edge,
    }


def _operators() -> Any:
    """The module beside this one: it loads what writes graphs."""
    spec = importlib.util.spec_from_file_location("operators_of_graphs", DOCS / "operators.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def built_in(group: str) -> list[str]:
    """Names of the parts that ship, not those of plug-ins that happen to be installed."""
    return sorted(parts.BUILT_IN[group])


def between(text: str, mark: str, body: str) -> str:
    """The text with what stands between two marks replaced."""
    start, end = f"<!-- {mark}: from the code, see generate.py -->", f"<!-- end of {mark} -->"
    head, _, rest = text.partition(start)
    _, _, tail = rest.partition(end)
    return f"{head}{start}\n\n{body}\n\n{end}{tail}"


def step_section(name: str) -> str:
    """One step: what it takes and gives, its docstring, its parameters with bounds and defaults."""
    step = parts.load(GROUP, name)
    text, meanings, after = _docstring(step)
    takes = [kind for kind in KIND_ORDER if kind in {str(k) for k in step.takes}]
    gives = "the kind that it takes" if step.gives is None else str(step.gives)
    lines = [f"### `{name}`", "", text, "", f"Takes: {', '.join(takes)}. Gives: {gives}."]
    usual = defaults(step)
    if step.bounds:
        lines += ["", "| parameter | must be | default | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{p}` | {_cell(str(bound))} | `{_literal(usual[p])}` | {_cell(meanings[p])} |"
            for p, bound in step.bounds.items()
        ]
    else:
        lines += ["", "It has no parameters."]
    if after:
        lines += ["", after]
    return "\n".join(lines)


def learners_table() -> str:
    """What each learner does to the columns that a recipe leaves unfinished, and what may be tuned."""
    lines = ["| learner | tasks | numbers | categories | texts | instants | tuned |", "|---|---|---|---|---|---|---|"]
    for name in built_in("penstock.learners"):
        learner = parts.load("penstock.learners", name)()
        task = next(t for t in Task if t in learner.tasks)
        tail = learner.tail(task)
        tuned = learner.space(Shape(1000, 20, task, 2 if task.is_classification else 0)).dimensions
        tasks = "all" if learner.tasks == frozenset(Task) else ", ".join(t for t in Task if t in learner.tasks)
        cells = [f"`{name}`", tasks]
        for expressions in (tail.numbers, tail.strings, tail.texts, tail.times):
            cells.append(" and ".join(f"`{e}`" for e in expressions) or "as they are")
        cells.append(", ".join(f"`{p}`" for p in tuned) or "nothing")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def actions_table() -> str:
    """What may be done with a personal column."""
    rows = [f"| `{written}` | {does} |" for written, does in ACTIONS.items()]
    return "\n".join(["| action | what it does |", "|---|---|", *rows])


def recognisers_part() -> str:
    """Each kind of personal data: a table of all, then what each recogniser says of itself."""
    lines = ["| kind | finds | proposes |", "|---|---|---|"]
    sections: list[str] = []
    for name in built_in(RECOGNISERS):
        one = parts.load(RECOGNISERS, name)
        lines.append(f"| [`{name}`](#{name}) | {_cell(one.says)} | `{one.action}` |")
        sections += ["", f"### {name}", "", _as_markdown(inspect.cleandoc(one.__doc__))]
    return "\n".join([*lines, *sections])


def checks_page() -> str:
    """Every check of the monitor, of the data and of the contract, in its own words."""
    lines = [
        "# The checks of `penstock monitor`",
        "",
        "`penstock explain-check ID` prints the same text. Ids are permanent. Checks that chance can raise share the",
        "`[monitoring] false_alarms` of a window equally (Bonferroni), whatever their number, and wait for `minimum_rows`.",
        "",
        "| check | says |",
        "|---|---|",
        *(f"| [`{c.id}`](#{c.id}) | {explain_check(c.id).splitlines()[0]} |" for c in CHECKS),
    ]
    for check in CHECKS:
        lines += ["", f"## {check.id}", "", _as_markdown(explain_check(check.id))]
    lines += [
        "",
        "# The checks of `penstock data quality`",
        "",
        "Limits are those of `[quality.limits]`; a check fails above its limit, `class-imbalance` and `rare-classes` below it. Training",
        "and validation rows are looked at; what is said of test rows are counts, from fingerprints and from the sealing step.",
        "",
        "| check | says | limit |",
        "|---|---|---|",
        *(
            f"| [`{c.id}`](#{c.id}) | {explain_quality(c.id).splitlines()[0]} | {LIMITS[c.id]:g} |"
            for c in QUALITY_CHECKS
        ),
    ]
    for one in QUALITY_CHECKS:
        lines += ["", f"## {one.id}", "", _as_markdown(explain_quality(one.id))]
    lines += [
        "",
        "# The rules of `contract.toml`",
        "",
        "What `penstock data check`, `run`, `retrain` and `predict` hold rows against; see [contract.md](contract.md).",
        "",
        "| rule | says |",
        "|---|---|",
        *(f"| [`{rule.id}`](#{rule.id}) | {explain_rule(rule.id).splitlines()[0]} |" for rule in RULES),
    ]
    for rule in RULES:
        lines += ["", f"## {rule.id}", "", _as_markdown(explain_rule(rule.id))]
    return "\n".join(lines) + "\n"


def cli_page() -> str:
    """Every verb with its arguments and options."""
    lines = [
        "# The command line",
        "",
        "Results go to stdout, progress and errors to stderr. Every verb but `serve` has `--json`: one object on stdout, see",
        "[json.md](json.md). A verb works on the project, or the folder of runs, that holds the",
        "current folder.",
        "",
        "Exit codes: 0 done; 1 a gate, check or comparison said no (what was made is kept); 2 you can put it right, see",
        "[errors.md](errors.md); 3 a bug of ours, with the traceback in `.penstock/penstock.log`; 130 stopped by Ctrl-C.",
        "",
        "`penstock --version` prints the version. The stores are those of the project's folder, unless the environment names",
        "others: `PENSTOCK_LEDGER` (a `postgresql://` or `sqlite://` URL) and `PENSTOCK_OBJECTS` (`s3://`, `gs://`, `az://`",
        "or a folder); relative places begin at the project's folder.",
    ]
    for name, command in verbs(app):
        arguments = [p for p in command.params if isinstance(p, click.Argument)]
        shown = [p.make_metavar(click.Context(command)) for p in arguments]
        lines += ["", f"## `{' '.join([name, *shown])}`", "", *_help(command.help or "")]
        options = [p for p in command.params if isinstance(p, click.Option) and p.name not in ("as_json", "help")]
        if options:
            lines += ["", "| option | meaning |", "|---|---|", *map(_option, options)]
    return "\n".join(lines) + "\n"


def verbs(group: click.Group, name: str = "penstock") -> Iterator[tuple[str, click.Command]]:
    """Each verb with its whole name, those of groups too."""
    context = click.Context(group)
    for verb in group.list_commands(context):
        command = group.get_command(context, verb)
        assert command is not None
        if isinstance(command, click.Group):
            yield from verbs(command, f"{name} {verb}")
        else:
            yield f"{name} {verb}", command


def _help(text: str) -> list[str]:
    """Paragraphs in one line each; those that click leaves as they are, behind ``\\b``, as code."""
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        if paragraph.lstrip().startswith("\b"):
            lines += ["```", *(line.strip() for line in paragraph.split("\b\n", 1)[1].splitlines()), "```", ""]
        else:
            lines += [" ".join(paragraph.split()), ""]
    return lines[:-1]


def _option(option: click.Option) -> str:
    value = "" if option.is_flag else " " + option.make_metavar(click.Context(click.Command(""))).removesuffix(" RANGE")
    usual = f" Default: {option.default}." if option.show_default and option.default is not None else ""
    several = " May be given several times." if option.multiple else ""
    needed = " Needed." if option.required else ""
    names = ", ".join([*(f"`{name}`" for name in option.opts[:-1]), f"`{option.opts[-1]}{_cell(value)}`"])
    return f"| {names} | {_cell(option.help or '')}{usual}{several}{needed} |"


def _as_markdown(text: str) -> str:
    """Titles of indented paragraphs become bold."""
    return re.sub(r"^(\S.*)\n((?:    .*\n?)+)", lambda m: f"**{m[1]}.** {_flow(m[2])}\n\n", text, flags=re.M).strip()


def _flow(text: str) -> str:
    return " ".join(line.strip() for line in text.splitlines())


def _docstring(part: Any) -> tuple[str, dict[str, str], str]:
    """Text before the parameters, meaning of each parameter, text after them. What several parts share is told by their base."""
    head, meanings, after = _sections(part.__doc__, part.bounds)
    for base in part.__mro__[1:]:
        if base.__doc__:
            meanings = {**_sections(base.__doc__, part.bounds)[1], **meanings}
    return head, meanings, after


def _sections(text: str, parameters: Collection[str]) -> tuple[str, dict[str, str], str]:
    head, _, rest = inspect.cleandoc(text).partition("\nParameters\n----------\n")
    meanings: dict[str, str] = {}
    after: list[str] = []
    name = ""
    for line in rest.splitlines():
        declared = re.match(r"(\w+) : (.*)", line)
        if declared and declared[1] in parameters:
            name = declared[1]
            meanings[name] = declared[2]
        elif line.startswith("    "):
            meanings[name] += " " + line.strip()
        else:
            after.append(line)
    return head.strip(), meanings, "\n".join(after).strip()


def _literal(value: object) -> str:
    """A default as one writes it in a recipe."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return f"'{value}'" if isinstance(value, str) and not value.isidentifier() else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()
