"""What the decoder does to strings before the graph sees them: what standard ONNX operators cannot say.

A prepared string is written as a small tree of functions over columns. It is part of the packed inputs' layout, so that the
same tree is applied to columns in bulk and to the rows of a request. Texts are tokens with one space between them; a
missing value is "" all the way.
"""

from __future__ import annotations

import string
import struct
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any
from zlib import crc32

from penstock.bundle.pieces import pieces
from penstock.objects.digests import digest_of

Function = Callable[[str], str]
Fetch = Callable[[str], bytes]
"""Bytes by their digest: of a bundle's files, or of an object store."""
Reader = Callable[[Sequence[Any]], str]
"""Decoded values of the columns of a tree (texts; numbers where a bin is asked for), None where missing, to one string."""

SPACE = "␣"
"""How the characters of a text show the space between two words."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A function over columns (their names) or other trees.

    `function` is one of `FUNCTIONS` with one input, "cross" with several, or "bin" with one column of numbers; `params` are its whole
    numbers, and `data` a file that it reads, which the stored form names by its digest. `numbers` are those of a bin: what is
    subtracted of the column before it becomes float32, then the edges, increasing.

    >>> tree = Prepared("lowercase", (Prepared("tokens", ("note",)),))
    >>> reader_of(tree)(["Call  NOW"])
    'call now'
    """

    function: str
    inputs: tuple[str | Prepared, ...]
    params: tuple[int, ...] = ()
    data: bytes = field(default=b"", repr=False)
    numbers: tuple[float, ...] = ()

    @property
    def images(self) -> tuple[str, ...]:
        """Those of the columns whose values are unpacked as images."""
        inner = tuple(name for i in self.inputs if isinstance(i, Prepared) for name in i.images)
        return self.columns if self.function.startswith("pixels_") else inner

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, each once, in order."""
        found = (i.columns if isinstance(i, Prepared) else (i,) for i in self.inputs)
        return tuple(dict.fromkeys(name for names in found for name in names))

    def to_json(self) -> dict[str, Any]:
        inputs = [i.to_json() if isinstance(i, Prepared) else i for i in self.inputs]
        file = {"file": digest_of(self.data)} if self.data else {}
        numbers = {"numbers": list(self.numbers)} if self.numbers else {}
        return {"function": self.function, "inputs": inputs, "params": list(self.params), **file, **numbers}

    @property
    def files(self) -> dict[str, bytes]:
        """The files that are read, by digest."""
        own = {digest_of(self.data): self.data} if self.data else {}
        return own | {digest: data for i in self.inputs if isinstance(i, Prepared) for digest, data in i.files.items()}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], fetch: Fetch | None = None) -> Prepared:
        """The tree of its stored form, with the files that `fetch` finds.

        ValueError where a function is unknown to this release, or a file is asked for where there are none.
        """
        if plain["function"] not in (*FUNCTIONS, CROSS, BIN):
            raise ValueError(f"unknown preparation {plain['function']!r}")
        inputs = tuple(i if isinstance(i, str) else cls.from_json(i, fetch) for i in plain["inputs"])
        digest = plain.get("file")
        if digest is not None and fetch is None:
            raise ValueError(f"the preparation {plain['function']!r} reads a file, and there is none beside it")
        numbers = tuple(map(float, plain.get("numbers", ())))
        return cls(
            plain["function"], inputs, tuple(plain["params"]), fetch(digest) if digest and fetch else b"", numbers
        )


CROSS = "cross"
BIN = "bin"
MISSING_BIN = "-1"


def reader_of(tree: Prepared) -> Reader:
    """The function that makes one string of the decoded values of ``tree.columns``."""
    return _reader(tree, {name: i for i, name in enumerate(tree.columns)})


def prepare_columns(tree: Prepared, columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """The prepared strings of all rows; equal values are prepared once."""
    read = reader_of(tree)
    rows = list(zip(*(columns[name] for name in tree.columns), strict=True))
    made = {values: read(values) for values in set(rows)}
    return [made[values] for values in rows]


def tokens(text: str) -> str:
    """The text as it is written (Unicode NFC), split at whitespace.

    >>> tokens(" Welcome to\\tAML - fasten your seat-belts! ")
    'Welcome to AML - fasten your seat-belts!'
    """
    return " ".join(_composed(text).split())


def lowercase(text: str) -> str:
    """Unicode lower case."""
    return _composed(text.lower())


def no_punct(text: str) -> str:
    """Tokens without the punctuation at their ends; one that is nothing else goes.

    Punctuation is what Unicode calls so, and the marks of ASCII.

    >>> no_punct("Welcome to AML - fasten your seat-belts!")
    'Welcome to AML fasten your seat-belts'
    """
    return " ".join(token for token in map(_without_ends, text.split(" ")) if token)


def characters(text: str) -> str:
    """The characters of a text as tokens, the spaces between words as `SPACE`.

    >>> characters("a bc")
    'a ␣ b c'
    """
    return " ".join(text.replace(" ", SPACE))


def sparse_bigrams(size: int) -> Function:
    """Orthogonal sparse bigrams: each token with each of the next ones in a window, an underscore for each step.

    >>> sparse_bigrams(4)("The quick brown fox")
    'The_quick The__brown The___fox quick_brown quick__fox brown_fox'
    """
    if size < 2:
        raise ValueError("a window holds at least two tokens")

    def pairs(text: str) -> str:
        words = text.split(" ")
        return " ".join(
            f"{word}{'_' * step}{words[i + step]}"
            for i, word in enumerate(words)
            for step in range(1, min(size, len(words) - i))
        )

    return pairs


def hash_value(buckets: int) -> Function:
    """The bucket of a value: CRC-32 of its UTF-8 bytes, modulo their number. A missing value stays missing."""

    def bucket(value: str) -> str:
        return str(crc32(value.encode()) % buckets) if value else ""

    return bucket


def hash_tokens(buckets: int) -> Function:
    """The bucket of each token."""
    bucket = hash_value(buckets)
    return lambda text: " ".join(map(bucket, text.split(" "))) if text else ""


def one_token(value: str) -> str:
    """A category as one token of a text: underscores in the place of spaces."""
    return "_".join(value.split())


def bin_of(numbers: Sequence[float]) -> Callable[[float | None], str]:
    """The number of the bin of a number, from 0, as the graph tells it: that of the float32 less its offset; on an edge, the upper one.

    >>> [bin_of((0.0, 1.5, 3.0))(x) for x in (1.0, 1.5, 7.0, None)]
    ['0', '1', '2', '-1']
    """
    offset, *edges = numbers

    def place(value: float | None) -> str:
        if value is None or value != value:
            return MISSING_BIN
        less = min(max(value - offset, -FLOAT32_MAX), FLOAT32_MAX)
        return str(bisect_right(edges, _FLOAT32.unpack(_FLOAT32.pack(less))[0]))

    return place


def pixels(colour: str) -> Callable[[int, int], Function]:
    """Of an image in base64, its pixels at a size as numbers; see `penstock.bundle.images`."""

    def sized(height: int, width: int) -> Function:
        from penstock.bundle.images import pixels_of

        return lambda text: pixels_of(text, height, width, colour)

    return sized


FUNCTIONS: Mapping[str, Callable[..., Function]] = {
    "tokens": lambda: tokens,
    "lowercase": lambda: lowercase,
    "no_punct": lambda: no_punct,
    "characters": lambda: characters,
    "sparse_bigrams": sparse_bigrams,
    "hash_value": hash_value,
    "hash_tokens": hash_tokens,
    "one_token": lambda: one_token,
    "pixels_grey": pixels("grey"),
    "pixels_rgb": pixels("rgb"),
    "pieces": pieces,
}
"""Names are permanent: stored bundles say them."""


_FLOAT32 = struct.Struct("<f")
FLOAT32_MAX = 3.4028234663852886e38


def _reader(tree: str | Prepared, places: Mapping[str, int]) -> Reader:
    if isinstance(tree, str):
        place = places[tree]
        return lambda values: values[place] or ""
    inputs = [_reader(inner, places) for inner in tree.inputs]
    if tree.function == BIN:
        (name,) = tree.inputs
        assert isinstance(name, str)
        of, number = bin_of(tree.numbers), places[name]
        return lambda values: of(values[number])
    if tree.function == CROSS:
        return lambda values: _crossed([read(values) for read in inputs])
    apply, (read,) = FUNCTIONS[tree.function](*tree.params, *((tree.data,) if tree.data else ())), inputs
    return lambda values: apply(read(values))


def _crossed(texts: Sequence[str]) -> str:
    """Every combination of a token of each text, joined by underscores."""
    return " ".join(map("_".join, product(*(text.split(" ") for text in texts)))) if all(texts) else ""


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character)[0] == "P"


def _without_ends(token: str) -> str:
    if token.isascii():
        return token.strip(string.punctuation)
    start, end = 0, len(token)
    while start < end and _is_punctuation(token[start]):
        start += 1
    while end > start and _is_punctuation(token[end - 1]):
        end -= 1
    return token[start:end]
