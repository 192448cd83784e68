"""The tree of errors: complete, with permanent codes, and able to travel."""

from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from penstock import errors
from penstock.errors import PenstockError, RequestError

EVERY = [thing for _, thing in inspect.getmembers(errors, inspect.isclass) if issubclass(thing, PenstockError)]


def test_every_error_has_a_code_of_its_own() -> None:
    """Scripts and tests tell errors apart by it."""
    assert all("code" in vars(error) for error in EVERY)
    assert len({error.code for error in EVERY}) == len(EVERY)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", error.code) for error in EVERY)


def test_the_drawn_tree_is_the_tree() -> None:
    """Every class stands in the module's docstring, under its parent, and nothing else does."""
    parents: dict[str, str] = {}
    stack: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^    ([ │├└─]*)([A-Z]\w+)\s{2,}\S", line)
        if found is None:
            continue
        depth, name = len(found[1]), found[2]
        while stack and stack[-1][0] >= depth:
            stack.pop()
        parents[name] = stack[-1][1] if stack else "Exception"
        stack.append((depth, name))
    assert parents == {error.__name__: error.__base__.__name__ for error in EVERY if error.__base__}


@pytest.mark.parametrize("kind", EVERY)
def test_an_error_survives_the_way_between_processes(kind: type[PenstockError]) -> None:
    """Pickled and copied, it is the same error with the same three sentences."""
    error = kind("what", why="why", way_out="way out")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301
        assert type(again) is kind
        assert (again.what, again.why, again.way_out) == ("what", "why", "way out")
        assert again.to_json() == error.to_json()
        assert str(again) == "what\n  why: why\n  try: way out"


def test_a_request_error_keeps_its_path_code_and_status() -> None:
    """They are what the client is told."""
    error = RequestError("what", "why", "way out", path="rows[3].age", code="wrong-type", status=422)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (again.path, again.code, again.status) == ("rows[3].age", "wrong-type", 422)
    assert again.to_json() == {
        "code": "wrong-type",
        "what": "what",
        "why": "why",
        "try": "way out",
        "path": "rows[3].age",
    }
    assert RequestError.code == "bad-request"


def test_all_errors_tell_the_same_three_things() -> None:
    """The JSON of every error has the same keys; only a request's error adds the path, and that of a contract what broke."""
    for kind in EVERY:
        keys = set(kind("what", why="why", way_out="way out").to_json())
        assert keys - {"path", "breaches"} == {"code", "what", "why", "try"}
