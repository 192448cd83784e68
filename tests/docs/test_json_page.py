"""docs/json.md names every key that the command line prints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from penstock.data.items.verifying import Kind

PAGE = Path(__file__).parents[2] / "docs/json.md"
Cli = Callable[..., Any]
BY_NAME = {"validation", "test", "metrics", "files"}
"""Objects whose keys are names of metrics or files; what is under each key is described."""
FREE = {
    "params",
    "inputs",
    "outputs",
    "source",
    "details",
    "values",
    "classes",
    "packages",
    "baseline",
    "row",
    "was",
    "now",
}
"""Objects whose keys are the user's, or another page's."""


def keys(value: Any) -> Iterator[str]:
    """All keys of an object and of what is in it, but for those that are names."""
    if isinstance(value, list):
        for item in value:
            yield from keys(item)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key in BY_NAME and isinstance(inner, dict):
                yield from (k for v in inner.values() for k in keys(v))
            elif key not in FREE:
                yield from keys(inner)


def row(verb: str) -> set[str]:
    """The words in code marks of the row of a verb."""
    (found,) = re.findall(rf"^\| `{verb}` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    return set(re.findall(r"`([^`]+)`", found))


@pytest.fixture(scope="module")
def life(
    penstock: Cli, projects: Any, rows_of: Cli, write_rows: Cli, serve: Cli, tmp_path_factory: Any
) -> dict[str, Any]:
    """Verb -> what it printed, of a project that is live."""
    folder = tmp_path_factory.mktemp("json")
    source = write_rows(folder / "customers.csv", rows_of(300), "bought")
    project = projects.copy("binary", "live", folder)
    labels = folder / "labels.csv"
    labels.write_text("id,label\nno-such-id,yes\n", encoding="utf-8")
    app = serve(project)
    prediction = app.predict(rows_of(1, seed=3))[0]["id"]
    app.close()
    evaluated = penstock(project, "runs", "--operation", "evaluate").body["runs"][0]["id"]
    lines = {
        "new": ("new", "other", "--data", str(source), "--target", "bought"),
        "run --why": ("run", "--why"),
        "predict": ("predict", "--input", str(source), "--output", str(folder / "answers.csv")),
        "replay": ("replay", prediction, "--trace"),
        "monitor": ("monitor",),
        "label import": ("label", "import", str(labels)),
        "label status": ("label", "status"),
        "models": ("models",),
        "runs": ("runs",),
        "show": ("show", evaluated),
        "lineage": ("lineage", "1"),
        "reproduce": ("reproduce", evaluated),
        "doctor": ("doctor", "--trail"),
        "data log": ("data", "log"),
        "data check": ("data", "check", str(source)),
        "data privacy": ("data", "privacy"),
        "explain-check": ("explain-check",),
    }
    return {verb: penstock(folder if verb == "new" else project, *line).body for verb, line in lines.items()}


VERBS = (
    *(
        "new",
        "run --why",
        "predict",
        "replay",
        "monitor",
        "label import",
        "label status",
        "models",
        "runs",
        "show",
        "lineage",
    ),
    *("reproduce", "doctor", "data log", "data check", "data privacy", "explain-check"),
)


def test_every_kind_of_what_is_hurt_is_described() -> None:
    """By `data verify`."""
    assert set(get_args(Kind)) <= row("data verify")


@pytest.mark.parametrize("verb", VERBS)
def test_every_key_that_is_printed_is_described(life: dict[str, Any], verb: str) -> None:
    """In the row of its verb."""
    assert "error" not in life[verb] or verb == "show", life[verb]
    missing = set(keys(life[verb])) - row(verb) - {"format", "warnings"}
    assert not missing
