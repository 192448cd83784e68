"""Segment files of the journal: framing and numbering.

A segment is ``<its twelve characters>.seg``: one header line of JSON, then records one after another:

    4 bytes  length of the payload, little endian
    4 bytes  CRC-32 of the payload
    payload  one line of JSON (the head, which begins ``{"kind":"``), then the raw bytes that the head announces

Its number is the second in which it was begun (since 1970, 32 bits), and then 28 random bits of the process that writes it: numbers sort by time, and
no two journals have the same one, so that the segments of several servers may be put into one folder. (Earlier ones are ``000000001.seg`` and
so on.) A number is claimed by creating its file exclusively, and in each folder numbers only grow, by as many seconds as that takes: a writer has its
own newest segment before it deletes old ones. While a segment is open, its writer holds a lock on it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

import orjson

from penstock.errors import NewerFormat, NotWritable
from penstock.serving.prediction_ids import FIRST_RANDOM, parse_segment_part, segment_part

FORMAT = 1
KIND = "penstock-journal"
FRAME = struct.Struct("<II")
HEAD_START = b'{"kind":"'
_SUFFIX = ".seg"
_WRITER_BITS = 28
_LAST_SECOND = (1 << 32) - 1  # in the year 2106


@dataclass
class ReadReport:
    """What reading met beside the records: nothing is dropped without being counted here."""

    segments: int = 0
    records: int = 0
    skipped: int = 0  # stretches of damaged bytes between good records: at least so many records are lost
    torn_tails: int = 0  # segments whose last record was cut off by a crash (it was never acknowledged)
    damaged: dict[str, int] = field(default_factory=dict)  # segment name -> damaged stretches


def segment_path(folder: Path, number: int) -> Path:
    """The file of a segment.

    >>> segment_path(Path("journal"), 12).name, segment_path(Path("journal"), 1_700_000_000 << 28 | 77).name
    ('000000012.seg', 'CN9Z2000002D.seg')
    """
    return folder / f"{segment_part(number) if number >= FIRST_RANDOM else f'{number:09d}'}{_SUFFIX}"


def segments(folder: Path) -> list[tuple[int, Path]]:
    """(number, path) of every segment, oldest first; empty where the folder does not exist."""
    return [(number, segment_path(folder, number)) for number in sorted(numbers(folder))]


def numbers(folder: Path) -> list[int]:
    """Of every segment, in any order."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return [number for name in names if (number := number_of(name)) is not None]


def number_of(name: str) -> int | None:
    """The number of the segment that a file is; None of one that is none.

    >>> number_of("000000012.seg"), number_of("CN9Z2000002D.seg") == 1_700_000_000 << 28 | 77, number_of("notes.txt")
    (12, True, None)
    """
    stem, ending = os.path.splitext(name)
    if ending != _SUFFIX:
        return None
    if len(stem) < 12:
        return int(stem) if stem.isascii() and stem.isdigit() else None
    return parse_segment_part(stem)


def new_writer() -> int:
    """The random bits of one process in the numbers of its segments."""
    return int.from_bytes(os.urandom(4)) >> 32 - _WRITER_BITS


def writer_of(number: int) -> int:
    """The process that wrote a segment; -1 for all of those that were numbered from 1 on."""
    return -1 if number < FIRST_RANDOM else number & (1 << _WRITER_BITS) - 1


def create_segment(folder: Path, started_at: str, writer: int) -> tuple[int, int, int]:
    """Claim a number later than all: (number, descriptor, offset of the first record). The descriptor appends and holds the lock.

    Parameters
    ----------
    writer : from `new_writer`, of this process.

    Raises
    ------
    OSError : no space is left; nothing half-written stays behind.
    NotWritable : a segment, or the clock of this machine, is of the last second that a number can have.
    """
    folder.mkdir(parents=True, exist_ok=True)
    newest = max(numbers(folder), default=0)
    second = max(int(time.time()), (newest >> _WRITER_BITS) + 1)
    while True:
        if second > _LAST_SECOND:
            raise _none_later(segment_path(folder, newest), newest >> _WRITER_BITS)
        number = second << _WRITER_BITS | writer
        try:
            fd = os.open(segment_path(folder, number), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
            break
        except FileExistsError:
            second += 1
    fcntl.flock(fd, fcntl.LOCK_EX)
    header = orjson.dumps({"format": FORMAT, "kind": KIND, "segment": number, "started_at": started_at}) + b"\n"
    try:
        if os.write(fd, header) != len(header):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        segment_path(folder, number).unlink(missing_ok=True)
        os.close(fd)
        raise
    return number, fd, len(header)


def _none_later(newest: Path, second: int) -> NotWritable:
    if second < _LAST_SECOND:
        return NotWritable(
            "the journal cannot be written: by the clock of this machine it is the year 2106, or later",
            why="segments are numbered by the second in which they are begun, of which the last one is in that year",
            way_out="set the clock",
        )
    return NotWritable(
        f"the journal cannot be written: its segment {newest.name} was begun in the year 2106",
        why="a new one has a later number than all that are there, and there is none; the clock of who wrote it was wrong, or it is none of ours",
        way_out=f"move it out of the journal: mv {newest} {newest.parent.parent}/",
    )


def frame(payload: bytes) -> bytes:
    return FRAME.pack(len(payload), crc32(payload)) + payload


def read_header(buffer: bytes, path: Path) -> tuple[dict[str, object], int] | None:
    """The header and the offset of the first record; None where a crash left a file without one.

    Raises
    ------
    NewerFormat : a later release of Penstock wrote this journal.
    """
    end = buffer.find(b"\n", 0, 4096)
    if end < 0:
        return None
    try:
        header = orjson.loads(buffer[:end])
    except orjson.JSONDecodeError:
        return None
    if not isinstance(header, dict) or header.get("kind") != KIND or type(header.get("format")) is not int:
        return None
    if header["format"] != FORMAT:
        raise NewerFormat(
            f"journal segment {path.name} has format {header['format']}",
            why=f"this release of Penstock reads format {FORMAT}",
            way_out="upgrade Penstock to the release that wrote it, or a later one",
        )
    if type(header.get("started_at")) is not str:
        return None
    return header, end + 1


def payloads(buffer: bytes, offset: int, name: str, report: ReadReport) -> Iterator[tuple[int, bytes]]:
    """(offset, payload) of each good record from `offset` on; damage and a torn tail are counted in `report`."""
    size = len(buffer)
    while offset < size:
        payload = payload_at(buffer, offset)
        if payload is not None:
            yield offset, payload
            offset += FRAME.size + len(payload)
            continue
        resume = _next_good(buffer, offset + 1)
        if resume is None:
            report.torn_tails += 1
            return
        report.skipped += 1
        report.damaged[name] = report.damaged.get(name, 0) + 1
        offset = resume


def payload_at(buffer: bytes, offset: int) -> bytes | None:
    """The payload of the record at `offset`, or None where no whole, undamaged record stands there."""
    start = offset + FRAME.size
    if start > len(buffer):
        return None
    length, checksum = FRAME.unpack_from(buffer, offset)
    if length < len(HEAD_START) or start + length > len(buffer):
        return None
    payload = buffer[start : start + length]
    return payload if crc32(payload) == checksum else None


def _next_good(buffer: bytes, offset: int) -> int | None:
    """Offset of the next record that is whole, found by the bytes with which every head begins."""
    found = buffer.find(HEAD_START, offset + FRAME.size)
    while found >= 0:
        if payload_at(buffer, found - FRAME.size) is not None:
            return found - FRAME.size
        found = buffer.find(HEAD_START, found + 1)
    return None


def read_segment(path: Path, start: int = 0) -> bytes:
    """The bytes of a segment from `start` on; empty where retention has deleted it. (Not mapped: a writer whose disk
    is full cuts its torn bytes off, which would kill a process that has them mapped.)"""
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read()
    except FileNotFoundError:
        return b""


def read_payload(path: Path, offset: int) -> bytes | None:
    """The payload of the one record at `offset`, or None where no whole record stands there.

    Raises
    ------
    FileNotFoundError : the segment is gone.
    """
    with path.open("rb") as file:
        file.seek(offset)
        head = file.read(FRAME.size)
        if len(head) < FRAME.size:
            return None
        length, _ = FRAME.unpack(head)
        if length > os.fstat(file.fileno()).st_size:
            return None
        return payload_at(head + file.read(length), 0)


def is_open(path: Path) -> bool:
    """Whether a living writer holds it."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(fd)
