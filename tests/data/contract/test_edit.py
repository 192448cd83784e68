"""Edits of a contract leave everything else as it was written."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from penstock.data.contract.edit import apply_edits
from penstock.errors import ContractError

TEXT = """# the head
[table]
new_columns = "refuse"  # mine

[columns.age]   # of the client
kind = "numeric"
at_most = 98 # of all, "so"
values = [
  1,  # one
  2,
]
[columns."emp.var"]
kind = "numeric"
pattern = "# no ] comment"
[columns.last]
kind = "text\""""

CASES: list[tuple[tuple[str, ...], Any]] = [
    (("table", "new_columns"), "allow"),
    (("table", "rows_at_least"), 7),
    (("columns", "age", "at_most"), 120.0),
    (("columns", "age", "values"), [1, 2, 3]),
    (("columns", "age", "missing_at_most"), 0.5),
    (("columns", "age", "at_most"), None),
    (("columns", "age", "values"), None),
    (("columns", "emp.var", "pattern"), 'x"]#'),
    (("columns", "last", "kind"), "identifier"),
    (("columns", "last", "unique"), True),
    (("columns", "brand new"), {}),
    (("rules", "r", "exceptions"), 0.1),
]


@pytest.mark.parametrize(("path", "value"), CASES)
def test_one_key_changes_and_nothing_else(path: tuple[str, ...], value: Any) -> None:
    """What TOML reads differs in that key alone, and all comments but those within a replaced value stay."""
    changed = apply_edits(TEXT, {path: value}, "accepted by me: why")
    expected: dict[str, Any] = tomllib.loads(TEXT)
    table = expected
    for key in path[:-1]:
        table = table.setdefault(key, {})
    if value is None:
        del table[path[-1]]
    else:
        table[path[-1]] = value
    assert tomllib.loads(changed) == expected
    assert changed.startswith("# the head\n")
    assert "# of the client" in changed
    if path[:2] != ("columns", "age"):
        assert '# of all, "so"\n' in changed
    if value is not None:
        assert changed.count("accepted by me: why") == 1


def test_what_cannot_be_edited_says_what_to_write() -> None:
    """An inline table without the key is left to a person."""
    with pytest.raises(ContractError, match=r"by hand: \[columns\.age\] at_most = 3"):
        apply_edits('[columns]\nage = { kind = "numeric" }\n', {("columns", "age", "at_most"): 3})
    inline = apply_edits(
        '[columns]\nage = { kind = "numeric", at_most = 2 }\n', {("columns", "age", "at_most"): 3}, "so"
    )
    assert tomllib.loads(inline)["columns"]["age"] == {"kind": "numeric", "at_most": 3}


def test_a_table_that_goes_leaves_the_others_and_their_comments() -> None:
    """In the middle and at the end; what stands above the next table stays."""
    text = '[rules."a b"]  # why\nthat = "x <= y"\n\n# of the customer\n[rules.c]\nthat = "x <= z"\n'
    first = apply_edits(text, {("rules", "a b"): None})
    assert first == '\n\n# of the customer\n[rules.c]\nthat = "x <= z"\n'
    assert apply_edits(text, {("rules", "c"): None}) == '[rules."a b"]  # why\nthat = "x <= y"\n\n# of the customer\n'
