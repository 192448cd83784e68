"""Where the answers of many files go, an output for each, and the record there of what is done: each file is answered once.

Beside the outputs lies a folder `RECORDS` with a small JSON file for each input. An output appears whole, then its record; a job that is
killed between the two makes the same output again and puts it in the place of the first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, final

from penstock.errors import DamagedStore, NewerFormat, SourceError
from penstock.objects.digests import canonical_json
from penstock.objects.named import FolderFiles, NamedFiles
from penstock.serving.batch.writing import write_batches

if TYPE_CHECKING:
    from pathlib import Path

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

    def path(self, name: str) -> Path | None:
        """The file on this machine that the answers to an input go into; None where it is none."""
        ...

    def keep(self, name: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch], done: Callable[[], Done]) -> Done:
        """Write the answers to an input in the place of earlier ones, and record it; the record.

        Parameters
        ----------
        done : what is recorded; asked when the last batch was taken. Where it raises, or `batches` does, everything stays as
            it was.

        Raises
        ------
        SourceError : the answers to another input would be replaced; nothing was written.
        """
        ...


@final
class FilePlace:
    """A file for each input below a folder or a prefix of a bucket, under the name of the input."""

    def __init__(self, files: NamedFiles) -> None:
        self._files = files
        self.url = files.url
        self._owners: dict[str, Done] = {}  # output -> what it answers

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
        self._owners = {done.output: done for done in sorted(found.values(), key=lambda done: done.at)}
        return found

    def path(self, name: str) -> Path | None:
        return self._files.path(output_name(name)) if isinstance(self._files, FolderFiles) else None

    def holds(self, done: Done) -> bool:
        return self._files.size(done.output) == done.size_bytes

    def keep(self, name: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch], done: Callable[[], Done]) -> Done:
        output = output_name(name)
        owner = self._owners.get(output)
        if owner is not None and owner.input != name and self._files.size(output) is not None:
            raise _one_output(owner.input, name, output)
        record: list[Done] = []

        def fill(file: BinaryIO) -> None:
            write_batches(file, output, schema, batches)
            record.append(done())

        size = self._files.put(output, fill)
        kept = self._owners[output] = replace(record[0], output=output, size_bytes=size)
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


def refuse_one_output(names: Iterable[str]) -> None:
    """No two inputs whose answers would go into one file.

    Raises
    ------
    SourceError : two have outputs of one name.

    >>> refuse_one_output(["x.csv", "x.jsonl", "x.jsonl.csv"])
    Traceback (most recent call last):
        ...
    penstock.errors.SourceError: the answers to x.jsonl and to x.jsonl.csv would both be x.jsonl.csv
      why: one would take the place of the other
      try: rename one of the two, or answer them into two places
    """
    owners: dict[str, str] = {}
    for name in names:
        owner = owners.setdefault(output_name(name), name)
        if owner != name:
            raise _one_output(owner, name, output_name(name))


def _one_output(owner: str, name: str, output: str) -> SourceError:
    return SourceError(
        f"the answers to {owner} and to {name} would both be {output}",
        why="one would take the place of the other",
        way_out="rename one of the two, or answer them into two places",
    )


def _no_record(place: str, error: Exception) -> DamagedStore:
    return DamagedStore(
        f"what was answered in {place} cannot be read",
        why=f"{RECORDS} holds a file that is no record of ours ({error})",
        way_out=f"remove it; or remove {RECORDS} as a whole: then all files are answered anew",
    )
