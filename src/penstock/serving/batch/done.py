"""Where the answers of many files go, an output for each, and the record there of what is done: each file is answered once.

Beside the outputs lies a folder `RECORDS` with a small JSON file for each input. An output appears whole, then its record; a job that is
killed between the two makes the same output again and puts it in the place of the first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, final

from penstock.errors import DamagedStore, NewerFormat
from penstock.objects.digests import canonical_json
from penstock.objects.named import NamedFiles
from penstock.serving.batch.writing import write_batches

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
RECORDS = "_penstock_answered/"


@dataclass(frozen=True)
class Done:
    """One input that was answered.

    Attributes
    ----------
    input : its name. digest : of its bytes. identity : what its store said of it; "" where that is no proof.
    settings : digest of what decides the answers beside the rows and the model: how files are read, what is kept, the history.
    output, size_bytes : what was written. bundle : digest of the model that answered.
    """

    input: str
    digest: str
    identity: str
    settings: str
    bundle: str
    model: str
    version: int | None
    rows: int
    abstained: int
    unreadable: int
    at: str
    output: str = ""
    size_bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, "kind": "answered", **asdict(self)}

    @classmethod
    def from_json(cls, plain: dict[str, Any], place: str) -> Done:
        """
        Raises
        ------
        NewerFormat : a later release wrote it. DamagedStore : it is no record.
        """
        if isinstance(plain, dict) and isinstance(plain.get("format"), int) and plain["format"] > FORMAT:
            raise NewerFormat(
                f"what was answered in {place} is recorded in format {plain['format']}",
                why=f"this release of Penstock knows formats up to {FORMAT}",
                way_out="upgrade Penstock, or write to another place",
            )
        try:
            return cls(**{field.name: plain[field.name] for field in fields(cls)})
        except (KeyError, TypeError) as error:
            raise _no_record(place, error) from error


class Place(Protocol):
    """Where the answers of many inputs go."""

    @property
    def url(self) -> str: ...

    def records(self) -> dict[str, Done]:
        """What was answered here, by the name of the input."""
        ...

    def holds(self, done: Done) -> bool:
        """Whether the output of a record is still there."""
        ...

    def keep(self, name: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch], done: Callable[[], Done]) -> Done:
        """Write the answers to an input in the place of earlier ones, and record it; the record.

        Parameters
        ----------
        done : what is recorded; asked when the last batch was taken. Where it raises, or `batches` does, everything stays as
            it was.
        """
        ...


@final
class FilePlace:
    """A file for each input below a folder or a prefix of a bucket, under the name of the input."""

    def __init__(self, files: NamedFiles) -> None:
        self._files = files
        self.url = files.url

    def records(self) -> dict[str, Done]:
        import json

        found: dict[str, Done] = {}
        for data in self._files.below(RECORDS):
            try:
                plain = json.loads(data)
            except ValueError as error:
                raise _no_record(self.url, error) from error
            done = Done.from_json(plain, self.url)
            found[done.input] = done
        return found

    def holds(self, done: Done) -> bool:
        return self._files.size(done.output) == done.size_bytes

    def keep(self, name: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch], done: Callable[[], Done]) -> Done:
        output = output_name(name)
        record: list[Done] = []

        def fill(file: BinaryIO) -> None:
            write_batches(file, output, schema, batches)
            record.append(done())

        size = self._files.put(output, fill)
        kept = replace(record[0], output=output, size_bytes=size)
        data = canonical_json(kept.to_json())

        def write(file: BinaryIO) -> None:
            file.write(data)

        self._files.put(f"{RECORDS}{hashlib.sha256(name.encode()).hexdigest()[:32]}.json", write)
        return kept


def output_name(name: str) -> str:
    """What the answers to a file are called: Parquet for Parquet, else CSV.

    >>> [output_name(name) for name in ("a.csv", "b/c.jsonl", "year=2024/d.parquet", "e.csv.gz")]
    ['a.csv', 'b/c.jsonl.csv', 'year=2024/d.parquet', 'e.csv.gz.csv']
    """
    if name.endswith((".csv", ".parquet")):
        return name
    return f"{name}.parquet" if name.lower().endswith((".parquet", ".pq")) else f"{name}.csv"


def _no_record(place: str, error: Exception) -> DamagedStore:
    return DamagedStore(
        f"what was answered in {place} cannot be read",
        why=f"{RECORDS} holds a file that is no record of ours ({error})",
        way_out=f"remove it; or remove {RECORDS} as a whole: then all files are answered anew",
    )
