"""A JSON document with the place of each text, so that an error can point into it (`json` keeps no positions).

Comments from ``//`` to the end of the line are skipped: the recipes of Amazon Machine Learning may have them.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import Any

from penstock.errors import RecipeError
from penstock.features.language import pointed_error
from penstock.project.toml_positions import Path, Place

MAX_DEPTH = 20
"""Lists and objects inside each other; a recipe has two."""

_SKIPPED = re.compile(r"(?:\s+|//[^\n]*)*")
_TEXT = re.compile(r'"(?:\\.|[^"\\\x00-\x1f])*"')
_OTHER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true\b|false\b|null\b")


class JsonText:
    """The document and the places of its keys and texts, by path: ``("outputs", 0)``, ``("groups", "rare")``.

    Raises
    ------
    RecipeError : it is no JSON object, or names a key twice; with line and column of `file`.
    """

    def __init__(self, text: str, file: str) -> None:
        self.keys: dict[Path, Place] = {}
        self.texts: dict[Path, Place] = {}
        self._text, self._file, self._at = text, file, 0
        self._starts = [0, *(m.end() for m in re.finditer("\n", text))]
        self._skip()
        if not self._next("{"):
            raise self._unexpected("'{'")
        self.document: dict[str, Any] = self._value((), 0)
        if self._at < len(text):
            raise self._unexpected("the end of the file")

    def line_column(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1, of an offset in the document."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def _value(self, path: Path, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise self._error(
                self._at,
                f"lists and objects are nested more than {MAX_DEPTH} deep",
                "a recipe has groups, assignments and outputs, and in them texts",
                'write {"groups": {}, "assignments": {}, "outputs": ["ALL_INPUTS"]}',
            )
        if self._next("{"):
            return self._object(path, depth)
        if self._next("["):
            return self._list(path, depth)
        if self._next('"'):
            at = self._at
            text = self._string()
            self.texts[path] = Place(at, self._text[at : self._at])
            self._skip()
            return text
        other = _OTHER.match(self._text, self._at)
        if other is None:
            raise self._unexpected("a text in double quotes, '[' or '{'")
        self._move(other.end())
        return json.loads(other.group())

    def _object(self, path: Path, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self._move(self._at + 1)
        while not self._next("}"):
            if found:
                self._take(",", "',' or '}'")
            if not self._next('"'):
                raise self._unexpected("a name in double quotes")
            at = self._at
            name = self._string()
            inside = (*path, name)
            if name in found:
                raise self._error(
                    at, f"{name!r} is given twice", "a name means one thing in a recipe", "remove or rename one of them"
                )
            self.keys[inside] = Place(at)
            self._skip()
            self._take(":", "':'")
            found[name] = self._value(inside, depth + 1)
        self._move(self._at + 1)
        return found

    def _list(self, path: Path, depth: int) -> list[Any]:
        found: list[Any] = []
        self._move(self._at + 1)
        while not self._next("]"):
            if found:
                self._take(",", "',' or ']'")
            found.append(self._value((*path, len(found)), depth + 1))
        self._move(self._at + 1)
        return found

    def _string(self) -> str:
        match = _TEXT.match(self._text, self._at)
        if match is None:
            raise self._error(
                self._at,
                "a text does not end, or holds a line end",
                "expected a closing double quote on the same line",
                'close it with "; a double quote inside it is written \\"',
            )
        try:
            text = json.loads(match.group())
        except ValueError as error:
            raise self._error(self._at, "a text cannot be read", str(error), "write a backslash as \\\\") from error
        assert isinstance(text, str)
        self._at = match.end()
        return text

    def _next(self, mark: str) -> bool:
        return self._text.startswith(mark, self._at)

    def _take(self, mark: str, expected: str) -> None:
        if not self._next(mark):
            raise self._unexpected(expected)
        self._move(self._at + 1)

    def _move(self, at: int) -> None:
        self._at = at
        self._skip()

    def _skip(self) -> None:
        skipped = _SKIPPED.match(self._text, self._at)
        assert skipped is not None
        self._at = skipped.end()

    def _unexpected(self, expected: str) -> RecipeError:
        found = repr(self._text[self._at]) if self._at < len(self._text) else "the end of the file"
        return self._error(
            self._at,
            f"found {found}",
            f"expected {expected}",
            'a recipe in JSON looks like: {"groups": {}, "assignments": {}, "outputs": ["ALL_INPUTS"]}',
        )

    def _error(self, at: int, what: str, why: str, way_out: str) -> RecipeError:
        return pointed_error(self._file, *self.line_column(at), what, why, way_out)
