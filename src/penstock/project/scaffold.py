"""What `penstock new` writes: the folders of Cookiecutter Data Science and a commented `penstock.toml`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDERS = ("data/raw", "data/external", "notebooks", "reports/figures", "references", "models")


def write_folders(root: Path) -> None:
    """Make the folders, each with a `.gitkeep`, and a `.gitignore` for state and data."""
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / ".gitkeep").touch()
    ignore = root / ".gitignore"
    if not ignore.exists():
        ignore.write_text(".penstock/\ndata/raw/*\n!.gitkeep\nreports/*.html\nmodels/*\n", encoding="utf-8")


def render_declaration(
    *,
    name: str,
    data: dict[str, Any],
    task: str,
    metric: str | None,
    split: dict[str, Any] | None = None,
    seed: int = 0,
    budget: str = "5m",
    privacy: Sequence[tuple[str, str, str]] = (),
    decided: Mapping[str, str] | None = None,
    formats: Sequence[tuple[str, Sequence[str]]] = (),
) -> str:
    """The text of a new `penstock.toml`.

    Parameters
    ----------
    data : the keys of [data] that differ from the defaults. split : those of [split], beside the shares and the seed.
    privacy : of each personal column its name, the proposed action and the evidence.
    decided : personal column -> action, as it was decided.
    formats : of each column whose dates can be read both ways its name, and how they are read.
    metric : None while the task is not known, which is while the data are first read.
    """
    dealt = dict(split or {})
    lines = [
        "# What this project is, declared once. Every section has defaults; unknown keys are refused.",
        "# All settings: docs/declaration.md",
        "",
        "[project]",
        f"name = {toml(name)}",
        'question = ""                # the user story: what is decided with the prediction, and by whom',
        "",
        "[data]",
        *(f"{key} = {toml(value)}" for key, value in data.items()),
        '# kinds = { zip = "categorical" }    # one line overrides what was inferred',
        *_formats_lines(formats),
        '# drop = ["column"]                  # columns that are not known when you predict, or must not be used',
        "",
        *_privacy_lines(privacy, decided or {}),
        "[split]",
        "valid = 0.2",
        "test = 0.2                   # sealed: encrypted at once, opened one envelope per deploy",
        "envelopes = 4",
        f'by = {toml(dealt.pop("by", "random"))}                # also "time:COLUMN", "group:COLUMN", "column:COLUMN", "files"',
        *(f"{key} = {toml(value)}" for key, value in dealt.items()),
        f"seed = {seed}",
        "",
        "[goal]                       # what is good enough, written down before the work",
        "# metric is the usual one of the task"
        if metric is None
        else f"metric = {toml(metric)}       # the task is {task}",
        "# at_least = 0.80",
        "",
        "[contract]                   # what a new file must be before any row of it is taken in",
        'file = "contract.toml"',
        "",
        "[recipe]",
        'file = "recipe.toml"',
        "",
        "[search]",
        f'budget = {toml(budget)}                # also "50 trials"',
        'strategy = "bayesian"        # grid, random, bayesian, evolutionary',
        f"seed = {seed}",
        "",
        "[evaluation]",
        'slices = []                  # for example ["job", ["age", "marital"]]',
        "",
        "# [[gates]]                  # a model that fails one is kept, but not deployed",
        f"# metric = {toml(metric or 'accuracy')}",
        "# at_least = 0.78",
        '# slice = "every"',
        "",
        "[serving]",
        '# abstain_below = 0.6        # answer "abstain" under this confidence',
        "",
    ]
    return "\n".join(lines)


def _formats_lines(guessed: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """What was guessed of dates, as lines that settle it."""
    from penstock.project.privacy_lines import line_of

    if not guessed:
        return []
    return [
        "# These dates could be read both ways. This is how they are read: take the # away where it is right, else correct it.",
        *(f"# formats.{line_of(name, said[0] if len(said) == 1 else list(said))}" for name, said in guessed),
    ]


def _privacy_lines(found: Sequence[tuple[str, str, str]], decided: Mapping[str, str]) -> list[str]:
    if not found and not decided:
        return []
    from penstock.project.privacy_lines import HEADER, line_of
    from penstock.project.sections.privacy import UNDECIDED

    lines = [HEADER]
    if found:
        lines += [
            f'# What is, or may be, personal was found. "{UNDECIDED}" is a proposal: nothing of such a column is stored, and `penstock run`',
            "# stops, until you have taken that word away, or written another action. All of them: docs/privacy.md.",
        ]
    lines += [line_of(column, action) for column, action in decided.items()]
    lines += [line_of(column, f"{UNDECIDED}{action}", why) for column, action, why in found]
    return [*lines, ""]


def toml(value: Any) -> str:
    """One value in TOML. (Strings as JSON, which TOML's basic strings contain, but for the escape of DEL.)

    >>> toml(["a", 'b"c'])
    '["a", "b\\\\"c"]'
    """
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml(str(k))} = {toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(v) for v in value) + "]"
    return repr(value)
