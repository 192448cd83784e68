"""How DuckDB is asked for the rows of a file, all as text, and what its complaints mean in our words."""

from __future__ import annotations

import codecs
import gzip
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, final

from penstock.errors import SourceError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MAX_VALUE_BYTES = 32 * 1024 * 1024  # the longest record; DuckDB's own limit of 2 MB cuts long documents

BUFFER_BYTES = 2 * MAX_VALUE_BYTES
"""Of a file that DuckDB holds at a time, for each of its threads: by itself it takes 16 records of the longest kind, half a gigabyte.
It must hold a record that begins anywhere in it (with less than two of them, one was lost without a word)."""


class Layout(Protocol):
    """What must be known of a file to read it: see `penstock.objects.tabular.Detected`."""

    @property
    def format(self) -> str: ...
    @property
    def delimiter(self) -> str | None: ...
    @property
    def quote(self) -> str | None: ...
    @property
    def header(self) -> bool: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def gz(self) -> bool: ...
    @property
    def encoding(self) -> str: ...
    @property
    def line_end(self) -> str | None: ...
    @property
    def blank_lines(self) -> int: ...
    @property
    def fields(self) -> tuple[str, ...]: ...


def quiet_connection() -> duckdb.DuckDBPyConnection:
    """A database in memory that writes nothing: spilling would leave rows on the disk, and a bar on stdout would be no JSON."""
    import duckdb

    connection = duckdb.connect(config={"temp_directory": ""})
    connection.execute("set enable_progress_bar = false")
    return connection


@final
class Database:
    """One database for the readings of many files, one after the other: opening it takes as long as reading thousands of rows.

    It is opened when it is first asked, and gone with the block that it is used in.
    """

    def __init__(self) -> None:
        self._connection: duckdb.DuckDBPyConnection | None = None

    def asked(self) -> duckdb.DuckDBPyConnection:
        """A connection of the caller's own, which it closes."""
        if self._connection is None:
            self._connection = quiet_connection()
        found = self._connection.cursor()
        found.execute("set enable_progress_bar = false")
        found.execute("reset threads")  # of all connections: a reading before may have set it
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _connection_of(database: Database | None) -> duckdb.DuckDBPyConnection:
    return quiet_connection() if database is None else database.asked()


def duck_batches(
    path: Path, layout: Layout, batch_rows: int, database: Database | None = None, *, threads: int | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of a file of text in order, columns named by place.

    Parameters
    ----------
    threads : of DuckDB, each with buffers of its own; default: one for each core.
    """
    with _connection_of(database) as connection:
        if threads is not None:
            connection.execute(f"set threads = {threads}")
        yield from _select(connection, path, layout).to_arrow_reader(batch_rows)


def parquet_batches(
    path: Path, batch_rows: int, numbers: Collection[int] = (), database: Database | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet file in order, columns named by place; those in `numbers` as float64, where they are such."""
    from penstock.objects.parquet import numbers_and_texts

    if numbers and (plain := numbers_and_texts(path, numbers)) is not None:
        yield from plain
        return
    with _connection_of(database) as connection:
        selected, rows = _select_parquet(connection, path, numbers)
        yield from selected.to_arrow_reader(min(batch_rows, rows))


def _select(connection: duckdb.DuckDBPyConnection, path: Path, layout: Layout) -> duckdb.DuckDBPyRelation:
    if layout.format in ("jsonl", "json"):
        pointers = ["/" + name.replace("~", "~0").replace("/", "~1") for name in layout.fields]
        columns = ", ".join(f"v[{i + 1}] as c{i}" for i in range(len(pointers)))
        return connection.sql(
            f"select {columns} from (select json_extract_string(json, ?) as v from {_json_source(layout.format)})",
            params=[pointers, str(path), "gzip" if layout.gz else "uncompressed"],
        )
    settings: dict[str, Any] = {
        "delim": layout.delimiter,
        "quote": layout.quote,
        "escape": layout.quote,
        "header": layout.header,
        "skip": layout.blank_lines,
        "columns": {f"c{i}": "VARCHAR" for i in range(len(layout.names))},  # DuckDB takes "a" and "A" for one name
        "auto_detect": False,  # strict mode stays on; saying so as well as new_line loses every row in DuckDB 2.0.0
        "max_line_size": MAX_VALUE_BYTES,
        "buffer_size": BUFFER_BYTES,
        "compression": "gzip" if layout.gz else "none",
        "encoding": layout.encoding,
        "hive_partitioning": False,
    }
    if layout.line_end is not None:
        settings["new_line"] = layout.line_end.replace("\r", "\\r").replace("\n", "\\n")
    arguments = ", ".join(f"{name} = ?" for name in settings)
    return connection.sql(f"select * from read_csv(?, {arguments})", params=[str(path), *settings.values()])


def _select_parquet(
    connection: duckdb.DuckDBPyConnection, path: Path, numbers: Collection[int]
) -> tuple[duckdb.DuckDBPyRelation, int]:
    """The rows, and how many are asked for at a time. Every column as text: NaN as nothing, instants in UTC with their zone. Arrow reads the usual types, as DuckDB holds whole
    row groups of a file in memory, several at a time."""
    from penstock.objects.parquet import is_plain, open_pages, piece_rows, pieces

    connection.execute("set timezone = 'UTC'")
    described = connection.execute(
        "describe select * from read_parquet(?, hive_partitioning = false)", [str(path)]
    ).fetchall()
    file = open_pages(path)
    rows = piece_rows(file.metadata)
    if len(described) == len(file.schema_arrow) and is_plain(file.schema_arrow):
        connection.execute("set threads = 1")
        names = [(f"c{i}", kind) for i, (_, kind, *_) in enumerate(described)]
        return connection.from_arrow(pieces(file)).select(_as_text(names, path, numbers)), rows
    columns = _as_text([(name, kind) for name, kind, *_ in described], path, numbers)
    selected = connection.sql(f"select {columns} from read_parquet(?, hive_partitioning = false)", params=[str(path)])
    return selected, rows


_NUMBERS = frozenset(
    {"DOUBLE", "FLOAT", "BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UINTEGER", "USMALLINT", "UTINYINT"}
)


def _as_text(described: list[tuple[str, str]], path: Path, numbers: Collection[int] = ()) -> str:
    """A select list that writes columns as text, and some as float64."""
    columns = []
    for position, (name, kind) in enumerate(described):
        quoted = '"' + name.replace('"', '""') + '"'
        if position in numbers and kind in _NUMBERS:
            value = f"{quoted}::double"
        elif kind in ("DOUBLE", "FLOAT"):
            value = f"case when isnan({quoted}) then null else {quoted}::varchar end"
        elif kind == "BLOB":
            raise SourceError(
                f"column {name!r} of {path} holds raw bytes",
                why="bytes are neither a number nor a text, a category or a time",
                way_out="write the file without that column",
            )
        else:
            value = f"{quoted}::varchar"
        columns.append(f"{value} as c{position}")
    return ", ".join(columns)


def json_fields(path: Path, form: str, gz: bool, database: Database | None = None) -> tuple[str, ...]:
    """The fields of all objects, in the order in which they first appear."""
    import duckdb

    source, parameters = _json_source(form), [str(path), "gzip" if gz else "uncompressed"]
    with _connection_of(database) as connection:
        try:
            odd = connection.execute(
                f"select n, t from (select row_number() over () as n, json_type(json) as t from {source}) "
                "where t <> 'OBJECT' limit 1",
                parameters,
            ).fetchone()
            found = connection.execute(
                "select k from (select n, unnest(ks) as k, generate_subscripts(ks, 1) as i from "
                f"(select row_number() over () as n, json_keys(json) as ks from {source} "
                "where json_type(json) = 'OBJECT')) "
                "group by k order by min((n, i))",
                parameters,
            ).fetchall()
        except (duckdb.Error, OSError) as error:
            raise read_error(path, None, error) from error
    if odd is not None:
        raise SourceError(
            f"{path}: entry {odd[0]} is no JSON object but {odd[1].lower()}",
            why="each line must be one object, {column: value, ...}",
            way_out="mend or remove that line",
        )
    if not found:
        raise SourceError(f"{path} has no columns", why="its objects hold no fields", way_out="check the file")
    return tuple(name for (name,) in found)


def _json_source(form: str) -> str:
    shape = "newline_delimited" if form == "jsonl" else "array"
    more = f"maximum_object_size = {MAX_VALUE_BYTES}, hive_partitioning = false"
    return f"read_json_objects(?, format = '{shape}', compression = ?, {more})"


def read_error(path: Path, layout: Layout | None, error: Exception) -> SourceError:
    """What DuckDB says, in our words."""
    message = str(error)
    if re.match(r"Out of Memory|failed to allocate|bad allocation|malloc of", message, re.IGNORECASE):
        return SourceError(
            f"there is no memory left to read {path}",
            why="reading is bounded, but other programs, or a limit set for this one, leave less than that",
            way_out="end other programs, or raise the limit (ulimit, the container's)",
        )
    encoding = layout.encoding if layout else "utf-8"
    if re.search(r"unicode|UTF-?8", message, re.IGNORECASE):
        return bad_byte(path, encoding)
    if "GZIP" in message or "gzip" in message:
        return broken_gzip(path, error)
    record = re.search(r"CSV Error on Line: (\d+)|Row #(\d+)", message)
    where = f"{path}, record {record[1] or record[2]}" if record else f"{path}"
    counts = re.search(r"Expected (?:Number of Columns: )?(\d+)(?: Found: | columns, got )(\d+)", message)
    original = re.search(r"Original Line: (.*)", message) or re.search(r"columns, got \d+: (.*)", message)
    seen = repr(original[1][:80]) if original else ""
    if counts:
        return SourceError(
            f"{where} has {counts[2]} values where {counts[1]} are expected",
            why="every record must have as many values as there are columns",
            way_out="mend that line; or name another --delimiter or --quote (none: quotes are plain letters)",
            seen=seen,
        )
    if "quote" in message.partition("Possible")[0].lower():
        return SourceError(
            f"{where}: a quoted value does not end properly",
            why="a quote opens a value, and no quote before a delimiter or line end closes it",
            way_out="--quote none, if quotes are plain letters in this file; or mend that line",
            seen=seen,
        )
    if "Maximum line size" in message or "maximum_object_size" in message:
        return SourceError(
            f"{where} is longer than {MAX_VALUE_BYTES // 2**20} MB",
            why="a record that long is mostly the sign of an unclosed quote",
            way_out="--quote none, or mend that line",
        )
    if "state machine" in message:
        return SourceError(
            f"{where} ends its lines in different ways",
            why="the first lines end alike, a later one does not",
            way_out=f"make them alike, for instance with: sed -i 's/\\r$//' {path}",
        )
    malformed = re.search(
        r"Malformed JSON.*?at byte (\d+) in (?:line|record/value) (\d+): ([^\n]*)", message, re.DOTALL
    )
    if malformed:
        return SourceError(
            f"{path}, line {malformed[2]} is broken JSON",
            why=f"{malformed[3].strip().rstrip('.')} (byte {malformed[1]} of the line)",
            way_out="mend or remove that line",
        )
    first = message.splitlines()[0] if message else type(error).__name__
    return SourceError(
        f"{where} cannot be read",
        why="it is not written as its first lines say",
        way_out="mend the file, or name its --format and --delimiter",
        seen=first,
    )


def broken_gzip(path: Path, error: Exception) -> SourceError:
    return SourceError(
        f"{path} cannot be unzipped",
        why=f"{error}".splitlines()[0],
        way_out="fetch the file again; this copy is cut or damaged",
    )


def bad_byte(path: Path, encoding: str) -> SourceError:
    """Says where the first byte stands that is no `encoding`."""
    opener = gzip.open if _is_gzip(path) else open
    decoder = codecs.getincrementaldecoder(encoding)()
    offset = line = 0
    with opener(path, "rb") as file:
        while chunk := file.read(1 << 20):
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                at = error.start - pending  # relative to this chunk
                line += chunk[: max(at, 0)].count(b"\n")
                offset += at
                byte = error.object[error.start]
                return _bad_byte_error(path, encoding, offset, line + 1, byte)
            offset += len(chunk)
            line += chunk.count(b"\n")
    return _bad_byte_error(path, encoding, offset, line + 1, None)


def _bad_byte_error(path: Path, encoding: str, offset: int, line: int, byte: int | None) -> SourceError:
    with (gzip.open if _is_gzip(path) else open)(path, "rb") as file:
        start = file.read(2)
    way_out = "--encoding utf-16" if start in (b"\xff\xfe", b"\xfe\xff") else "--encoding latin-1"
    found = "the text ends within a character" if byte is None else f"byte 0x{byte:02x} starts no character there"
    return SourceError(
        f"{path} is not {encoding.upper()}: line {line}, byte {offset}",
        why=found,
        way_out=f"{way_out}, if that is how it was written (cp1252 for files from Windows); or mend the line",
    )


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"
