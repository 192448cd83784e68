"""How a table in a file is written: CSV in all its dialects, JSON lines or Parquet, also compressed with gzip.

What the caller leaves open is guessed here from the first lines, and the guess is part of the answer (`Detected.why`). The reader
(`penstock.objects.text_rows`) is told everything explicitly then, and guesses nothing.
"""

from __future__ import annotations

import difflib
import gzip
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.errors import BadParameter, SourceError
from penstock.objects.duck import Database, bad_byte, broken_gzip, json_fields
from penstock.objects.sniff import NO_DELIMITER, guess, line_end, records

FORMATS = ("csv", "jsonl", "json", "parquet")
ENCODINGS = {
    "utf-8": "utf-8", "utf8": "utf-8", "utf-8-sig": "utf-8", "ascii": "utf-8",
    "latin-1": "latin-1", "latin1": "latin-1", "iso-8859-1": "latin-1",
    "cp1252": "cp1252", "windows-1252": "cp1252",
    "utf-16": "utf-16", "utf16": "utf-16",
}  # fmt: skip
"""Names that are understood -> the encoding meant."""

SAMPLE_BYTES = 64 * 1024


def _check_choice(name: str, value: str | None, allowed: Sequence[str]) -> None:
    if value is not None and value not in allowed:
        near = difflib.get_close_matches(value, allowed, 1)
        raise _bad_option(name, value, f"known are {', '.join(allowed)}", f"--{name} {near[0] if near else allowed[0]}")


def _bad_option(name: str, value: str, why: str, way_out: str) -> BadParameter:
    return BadParameter(f"{name} {value!r} is not understood", why=why, way_out=way_out)


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a file is to be read. None means: find out.

    Parameters
    ----------
    format : one of `FORMATS`.
    delimiter : one character between values of CSV.
    quote : the character that encloses values of CSV; ``"none"``: no character does.
    header : the first record of a CSV holds the names. Without one, columns are named ``c1``, ``c2``, ...
    columns : names for all columns, in order; they replace those of a header.
    encoding : see `ENCODINGS`.
    """

    format: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    header: bool = True
    columns: tuple[str, ...] | None = None
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        _check_choice("format", self.format, FORMATS)
        _check_choice("encoding", self.encoding.lower(), tuple(ENCODINGS))
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise _bad_option("delimiter", self.delimiter, "a delimiter is one character", "--delimiter ';'")
        if self.quote is not None and self.quote != "none" and len(self.quote) != 1:
            raise _bad_option("quote", self.quote, "a quote is one character, or the word none", "--quote none")

    def to_json(self) -> dict[str, Any]:
        columns = None if self.columns is None else list(self.columns)
        return {
            "format": self.format, "delimiter": self.delimiter, "quote": self.quote,
            "header": self.header, "columns": columns, "encoding": self.encoding,
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> ReadOptions:
        columns = value.get("columns")
        return cls(
            format=value.get("format"),
            delimiter=value.get("delimiter"),
            quote=value.get("quote"),
            header=value.get("header", True),
            columns=None if columns is None else tuple(columns),
            encoding=value.get("encoding", "utf-8"),
        )


DEFAULTS = ReadOptions()


@dataclass(frozen=True, slots=True)
class Detected:
    """How a file is written: what the options said and, for the rest, what its first lines show.

    `names` are the columns as they are called from here on; `why` tells what was guessed and from what.
    """

    format: str
    delimiter: str | None
    quote: str | None
    header: bool
    names: tuple[str, ...]
    gz: bool
    encoding: str
    why: tuple[str, ...]
    line_end: str | None = None  # of CSV; "mixed" where the first lines disagree
    blank_lines: int = 0  # before the first record
    at_least_rows: int = 0  # rows seen in the first lines: a reader that finds fewer has lost some
    fields: tuple[str, ...] = ()  # JSON: the names as the file writes them

    @property
    def options(self) -> ReadOptions:
        """Options under which nothing is guessed any more (names are still read from a header)."""
        delimiter = None if self.delimiter == NO_DELIMITER else self.delimiter
        quote = "none" if self.quote == "" else self.quote
        return ReadOptions(self.format, delimiter, quote, self.header, None, self.encoding)


def detect(path: str | Path, options: ReadOptions = DEFAULTS, database: Database | None = None) -> Detected:
    """Find out how a file is written, from the options, its name and its first 64 KB. `database`: what is asked where that is of use.

    Raises
    ------
    SourceError : the file is missing, a folder, empty, not in its encoding, or names two columns alike.
    """
    path = Path(path)
    head = _head(path)
    gz = head[:2] == b"\x1f\x8b"
    if gz:
        head = _unzipped_head(path)
    if not head.strip(b"\x00\xef\xbb\xbf\xff\xfe \t\r\n"):
        raise SourceError(f"{path} is empty", why="it holds no header and no rows", way_out="write the file again")
    suffix = path.with_suffix("").suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    _refuse_other_files(path, head)
    form = options.format or _format_of(head, suffix)
    if form == "parquet":
        names, why = _parquet_names(path), (f"format parquet: {_reason(options)}",)
        return Detected(form, None, None, False, _given_or(names, options, path), gz, "utf-8", why)
    encoding = ENCODINGS[options.encoding.lower()]
    text = _decoded(path, head, encoding)
    if form in ("jsonl", "json"):
        fields = json_fields(path, form, gz, database)
        names = _given_or(tuple(map(clean, fields)), options, path)
        why = (f"format {form}: {_reason(options)}",)
        return Detected(form, None, None, False, names, gz, encoding, why, fields=fields)
    return _detect_csv(path, options, text, encoding, gz, prefer="\t" if suffix in (".tsv", ".tab") else "")


# ---- what the file is ----


def _head(path: Path) -> bytes:
    if path.is_dir():
        inside = sorted(p.name for p in path.iterdir() if p.is_file())[:5]
        raise SourceError(
            f"{path} is a folder",
            why=f"one file is read at a time; it holds {', '.join(inside) or 'no files'}",
            way_out=f"name a file, such as {path / inside[0]}" if inside else "name a file",
        )
    try:
        with path.open("rb") as file:
            return file.read(SAMPLE_BYTES)
    except FileNotFoundError:
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, siblings, 1)
        raise SourceError(
            f"there is no file {path}",
            why="nothing lies at this path" if path.parent.is_dir() else f"there is no folder {path.parent}",
            way_out=f"did you mean {path.parent / near[0]}?" if near else "check the path",
        ) from None
    except PermissionError:
        raise SourceError(f"{path} may not be read", why="permission was denied", way_out=f"chmod u+r {path}") from None


_OTHER_FILES = {
    b"PK\x03\x04": "an Excel or zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"ARROW1": "an Arrow or Feather file",
    b"SQLite format 3": "a SQLite database",
    b"%PDF": "a PDF document",
    b"\x89HDF": "an HDF5 file",
}


def _refuse_other_files(path: Path, head: bytes) -> None:
    for magic, name in _OTHER_FILES.items():
        if head.startswith(magic):
            raise SourceError(
                f"{path} is {name}",
                why="tables are read from CSV, JSON lines and Parquet",
                way_out="write the table as CSV (UTF-8) or Parquet with the program that made it",
            )


def _unzipped_head(path: Path) -> bytes:
    try:
        with gzip.open(path, "rb") as file:
            return file.read(SAMPLE_BYTES)
    except (OSError, EOFError) as error:
        raise broken_gzip(path, error) from error


def _format_of(head: bytes, suffix: str) -> str:
    if head[:4] == b"PAR1":
        return "parquet"
    if suffix in (".jsonl", ".ndjson"):
        return "jsonl"
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if first == b"{":
        return "jsonl"
    if first == b"[" and suffix == ".json":
        return "json"
    return "csv"


def _reason(options: ReadOptions) -> str:
    return "as asked" if options.format else "from the name and the first bytes"


def _decoded(path: Path, head: bytes, encoding: str) -> str:
    """The whole lines among the first bytes, as text."""
    whole = len(head) < SAMPLE_BYTES
    try:
        text = head.decode("utf-8-sig" if encoding == "utf-8" else encoding, "strict")
    except UnicodeDecodeError as error:
        if whole or error.start < len(head) - 4:
            raise bad_byte(path, encoding) from None
        text = head[: error.start].decode("utf-8-sig" if encoding == "utf-8" else encoding)
    if whole:
        return text
    cut = max(text.rfind("\n"), text.rfind("\r"))
    return text[: cut + 1] if cut >= 0 else text


# ---- names ----


def _detect_csv(path: Path, options: ReadOptions, text: str, encoding: str, gz: bool, prefer: str) -> Detected:
    blank = len(re.match(r"(?:[ \t]*(?:\r\n|\r|\n))*", text).group().splitlines())  # type: ignore[union-attr]
    quote = "" if options.quote == "none" else options.quote
    dialect = guess(text, header=options.header, delimiter=options.delimiter, quote=quote, prefer=prefer)
    rows, _ = records(text, dialect.delimiter, dialect.quote)
    if not rows:
        raise SourceError(
            f"{path} cannot be split into records",
            why=f"with quote {dialect.quote!r} the first record does not end within {SAMPLE_BYTES // 1024} KB",
            way_out="--quote none",
        )
    why = list(dialect.why)
    if options.header:
        names = tuple(_unnamed(position, name, rows[1:], why) for position, name in enumerate(map(clean, rows[0])))
        numbers = sum(is_number(name) for name in names)
        if numbers:
            why.append(f"{numbers} of {len(names)} names are numbers: if the first line is a row, say --no-header")
    else:
        names = tuple(f"c{i + 1}" for i in range(len(rows[0])))
    names = _given_or(names, options, path)
    if options.header and options.columns:
        why.append("the names given replace those of the first line (if that line is a row, say --no-header)")
    return Detected(
        "csv", dialect.delimiter, dialect.quote, options.header, names, gz, encoding, tuple(why),
        line_end=line_end(text, dialect.quote), blank_lines=blank, at_least_rows=len(rows) - int(options.header) - 1,
    )  # fmt: skip


def clean(name: str) -> str:
    """A column's name as it is used from here on: without white space at its ends, in Unicode's form NFC."""
    return unicodedata.normalize("NFC", name.strip().strip("\ufeff"))


def _unnamed(position: int, name: str, rows: Sequence[Sequence[str]], why: list[str]) -> str:
    if name:
        return name
    values = [row[position] for row in rows if len(row) > position]
    counts = position == 0 and bool(values) and all(value.isdecimal() for value in values)
    if counts and all(int(b) - int(a) == 1 for a, b in itertools.pairwise(values)):
        why.append("the unnamed first column counts the rows: it is called 'index'")
        return "index"
    why.append(f"column {position + 1} has no name: it is called 'column_{position + 1}'")
    return f"column_{position + 1}"


def _given_or(names: tuple[str, ...], options: ReadOptions, path: Path) -> tuple[str, ...]:
    if options.columns is not None:
        given = tuple(map(clean, options.columns))
        if len(given) != len(names):
            raise SourceError(
                f"{len(given)} names are given for the {len(names)} columns of {path}",
                why=f"the columns are {_listed(names)}",
                way_out=f"give {len(names)} names, or drop columns later with `drop`",
            )
        names = given
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise _two_of_one_name(path, names, twice)
    return names


def _two_of_one_name(path: Path, names: tuple[str, ...], twice: list[str]) -> SourceError:
    places = "; ".join(
        f"{name!r} is column {' and '.join(str(i + 1) for i, n in enumerate(names) if n == name)}" for name in twice[:5]
    )
    if any(map(is_number, names)):  # names never are: the first line is a row, mostly with words beside the numbers
        way_out = "the names look like values: say --no-header, or give names with --columns"
    else:
        seen: Counter[str] = Counter()
        fresh = []
        for name in names:
            seen[name] += 1
            fresh.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
        way_out = f"--columns {','.join(fresh)!r}" if len(names) <= 60 else "give every column a name with --columns"
    return SourceError(f"{path} has two columns of one name", why=places, way_out=way_out)


def _listed(names: Sequence[str], limit: int = 8) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown}, ... ({len(names)})"


def is_number(text: str) -> bool:
    """Whether a text is written as a number, with a point where it has a fraction."""
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text) is not None


def _parquet_names(path: Path) -> tuple[str, ...]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return tuple(map(clean, pq.read_schema(path).names))
    except (pa.ArrowInvalid, OSError) as error:
        reason = f"{error}".splitlines()[0]
        raise SourceError(f"{path} is no Parquet file", why=reason, way_out="write the file again") from error
