"""What the documentation says of steps, learners and checks is what the code says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from penstock import parts
from penstock.bundle.kinds import Kind
from penstock.bundle.specs import ColumnSpec
from penstock.features.recipe import Recipe
from penstock.monitoring.monitor import CHECKS, explain_check

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def pages(generate: ModuleType) -> dict[str, str]:
    """What all pages must hold."""
    written: dict[str, str] = generate.pages()
    return written


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["recipe.md", "checks.md", "cli.md", "privacy.md", "edge.md"])
def test_the_pages_are_what_the_code_says(pages: dict[str, str], page: str) -> None:
    """`python docs/generate.py` would change nothing."""
    assert (DOCS / page).read_text(encoding="utf-8") == pages[page]


@pytest.mark.parametrize("name", sorted(parts.BUILT_IN["penstock.steps"]))
def test_every_step_has_a_section_with_all_its_parameters(name: str) -> None:
    """A step or parameter that is not described fails here."""
    section = _section((DOCS / "recipe.md").read_text(encoding="utf-8"), f"### `{name}`")
    for parameter in parts.load("penstock.steps", name).bounds:
        assert f"| `{parameter}` |" in section


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_every_check_says_the_same_here_and_on_the_command_line(check: object) -> None:
    """Word for word, whatever the line breaks."""
    section = _section((DOCS / "checks.md").read_text(encoding="utf-8"), f"## {check.id}")  # type: ignore[attr-defined]
    told = re.sub(r"\*\*(.*?)\.\*\*", r"\1", section)
    assert told.split() == explain_check(check.id).split()  # type: ignore[attr-defined]


def test_the_recipes_on_the_page_are_recipes() -> None:
    """They parse, and fit the columns that they name."""
    page = (DOCS / "recipe.md").read_text(encoding="utf-8")
    texts = re.findall(r"```toml\n(.*?)```", page, flags=re.S)
    specs = [ColumnSpec("age", Kind.NUMERIC), ColumnSpec("job", Kind.CATEGORICAL)]
    specs += [ColumnSpec(name, Kind.NUMERIC) for name in ("emp.var.rate", "euribor3m", "credit_score")]
    assert texts
    for text in texts:
        Recipe.parse(text).check(specs)


def _section(page: str, title: str) -> str:
    """The text under a title, up to the next one."""
    _, found, rest = page.partition(f"\n{title}\n")
    assert found, f"there is no section {title!r}"
    return re.split(r"\n#|\n<!--", rest, maxsplit=1)[0].strip()
