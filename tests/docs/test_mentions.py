"""Nothing that a user meets is missing in the documentation: verbs, options, keys, figures, errors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest

from penstock import errors
from penstock.cli.app import app
from penstock.evaluation.metrics import METRICS
from penstock.project.declaration import Declaration

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def _commands(group: click.Group, name: str = "penstock") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for verb in group.list_commands(context):
        command = group.get_command(context, verb)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, f"{name} {verb}")
        else:
            yield f"{name} {verb}", command


COMMANDS = dict(_commands(app))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_verb_and_option_is_described(name: str) -> None:
    """docs/cli.md has a section for the verb that names each of its options."""
    _, found, rest = (DOCS / "cli.md").read_text(encoding="utf-8").partition(f"\n## `{name}")
    assert found, f"docs/cli.md has no section for `{name}`"
    section = rest.partition("\n## ")[0]
    for parameter in COMMANDS[name].params:
        for option in parameter.opts:
            if option.startswith("--") and option not in ("--help", "--json"):
                assert f"`{option}" in section, f"{name} {option}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_verb_has_its_json_described(name: str) -> None:
    """docs/json.md has a row for each verb that prints JSON."""
    if any(parameter.name == "as_json" for parameter in COMMANDS[name].params):
        assert f"\n| `{name.removeprefix('penstock ')}`" in (DOCS / "json.md").read_text(encoding="utf-8")


def _keys(struct: type[msgspec.Struct]) -> Iterator[tuple[str, str]]:
    """(section, key) of the declaration."""
    for section in msgspec.structs.fields(struct):
        for candidate in (section.type, *getattr(section.type, "__args__", ())):
            if inspect.isclass(candidate) and issubclass(candidate, msgspec.Struct):
                for field in msgspec.structs.fields(candidate):
                    yield section.name, field.name


@pytest.mark.parametrize(("section", "key"), list(_keys(Declaration)))
def test_every_key_of_the_declaration_is_described(section: str, key: str) -> None:
    """In the section of its table."""
    page = (DOCS / "declaration.md").read_text(encoding="utf-8")
    _, found, rest = page.partition(f"\n## `[[{section}]]`" if section in ("gates", "step") else f"\n## `[{section}]`")
    assert found
    assert re.search(rf"`(\[.*\.)?{key}\b", rest.partition("\n## ")[0]), f"[{section}] {key}"


CODES = {error.code for _, error in inspect.getmembers(errors, inspect.isclass) if hasattr(error, "code")}


def _codes_in(*folders: str) -> set[str]:
    """Codes of errors and rejections that are written in the source."""
    patterns = (
        r'\bcode="([a-z-]+)"',
        r'"code": "([a-z-]+)"',
        r'_RejectedError\(\s*"([a-z-]+)"',
        r'Unreadable\(\s*"([a-z-]+)"',
    )
    sources = [p.read_text(encoding="utf-8") for f in folders for p in (ROOT / "src/penstock" / f).rglob("*.py")]
    return {code for text in sources for pattern in patterns for code in re.findall(pattern, text)}


@pytest.mark.parametrize("code", sorted(CODES | _codes_in("serving", "bundle", "feedback", "cli")))
def test_every_error_code_is_explained(code: str) -> None:
    """docs/errors.md has a row for it."""
    assert f"\n| `{code}` |" in (DOCS / "errors.md").read_text(encoding="utf-8")


def test_every_error_class_is_named() -> None:
    """With its code, in one row."""
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    for name, error in inspect.getmembers(errors, inspect.isclass):
        if issubclass(error, errors.PenstockError):
            assert f"| `{error.code}` | `{name}` |" in page


def test_all_links_inside_the_documentation_lead_somewhere() -> None:
    """Files and headings."""
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text(encoding="utf-8")):
            path, _, heading = target.partition("#")
            there = page.parent / path if path else page
            assert there.exists(), f"{page.name}: {target}"
            if heading:
                titles = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.M)
                slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
                assert heading in slugs, f"{page.name}: {target}"


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_is_named(metric: str) -> None:
    """Where the goal is declared."""
    assert f"`{metric}`" in (DOCS / "declaration.md").read_text(encoding="utf-8")


def test_every_decision_is_listed_once_and_numbered() -> None:
    """In docs/decisions/README.md, under the number that its file has."""
    files = sorted((DOCS / "decisions").glob("0*.md"))
    listed = (DOCS / "decisions/README.md").read_text(encoding="utf-8")
    for number, file in enumerate(files, start=1):
        title = file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        assert file.name.startswith(f"{number:04d}-")
        assert title.startswith(f"{number}. ")
        assert f"- [{title}]({file.name})" in listed
