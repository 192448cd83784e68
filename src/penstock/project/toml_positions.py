"""Where each text of a TOML document stands, so that an error can point into it (`tomllib` keeps no positions)."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<text>\"{3}(?:\\.|[^\\])*?\"{3,5} | '{3}.*?'{3,5} | \"(?:\\.|[^\"\\\n])*\" | '[^'\n]*')
      | (?P<mark>[\[\]{}=,.])
      | (?P<line>\n)
      | (?P<bare>[^\s\#\"'\[\]{}=,.]+)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[ \t]*\r?\n\s*|.)", re.DOTALL)

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """One token of the document: a key, or a value that is a text."""

    at: int
    raw: str = ""

    def offset(self, index: int) -> int:
        """Where character `index` of the decoded text stands in the document."""
        if not self.raw:
            return self.at
        width = 3 if self.raw[:3] in ('"""', "'''") else 1
        at, end = width, len(self.raw) - width
        if width == 3:
            at += len("\r\n") if self.raw.startswith("\r\n", at) else int(self.raw.startswith("\n", at))
        for _ in range(index):
            escape = _ESCAPED.match(self.raw, at) if self.raw[0] == '"' else None
            while escape is not None and escape.group()[-1].isspace() and "\n" in escape.group():
                at = escape.end()  # a line that is continued gives no character
                escape = _ESCAPED.match(self.raw, at)
            at = escape.end() if escape is not None else at + 1
        return self.at + min(at, end)


class Positions:
    """Places of the keys and texts of a valid TOML document, by path: ``("outputs", 0)``, ``("groups", "rare")``."""

    def __init__(self, document: str) -> None:
        self.keys: dict[Path, Place] = {}
        self.texts: dict[Path, Place] = {}
        self._starts = [0, *(m.end() for m in re.finditer("\n", document))]
        self._tokens = [m for m in _TOKEN.finditer(document) if m.lastgroup != "comment"]
        self._i = 0
        self._document()

    def line_column(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1, of an offset in the document."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def _document(self) -> None:
        table: Path = ()
        while self._i < len(self._tokens):
            token = self._tokens[self._i]
            if token.lastgroup == "line":
                self._i += 1
            elif token.group() == "[":
                while self._tokens[self._i].group() == "[":
                    self._i += 1
                table = self._key(())
                while self._i < len(self._tokens) and self._tokens[self._i].group() == "]":
                    self._i += 1
            else:
                self._pair(table)

    def _pair(self, table: Path) -> None:
        path = self._key(table)
        self._i += 1  # =
        self._value(path)

    def _key(self, path: Path) -> Path:
        while True:
            token = self._tokens[self._i]
            written = token.group()
            path = (*path, tomllib.loads(f"key = {written}")["key"] if token.lastgroup == "text" else written)
            self.keys.setdefault(path, Place(token.start()))
            self._i += 1
            if self._i >= len(self._tokens) or self._tokens[self._i].group() != ".":
                return path
            self._i += 1

    def _value(self, path: Path) -> None:
        token = self._tokens[self._i]
        if token.lastgroup == "text":
            self.texts[path] = Place(token.start(), token.group())
            self._i += 1
        elif token.group() == "[":
            self._array(path)
        elif token.group() == "{":
            self._inline_table(path)
        else:  # a number, a flag or a date: of no interest
            while self._i < len(self._tokens) and self._tokens[self._i].group() not in (",", "]", "}", "\n"):
                self._i += 1

    def _array(self, path: Path) -> None:
        self._i += 1
        index = 0
        while self._tokens[self._i].group() != "]":
            if self._tokens[self._i].group() == ",":
                index += 1
                self._i += 1
            elif self._tokens[self._i].lastgroup == "line":
                self._i += 1
            else:
                self._value((*path, index))
        self._i += 1

    def _inline_table(self, path: Path) -> None:
        self._i += 1
        while self._tokens[self._i].group() != "}":
            if self._tokens[self._i].group() in (",", "\n"):
                self._i += 1
            else:
                self._pair(path)
        self._i += 1
