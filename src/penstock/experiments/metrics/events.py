"""TensorBoard's event files: scalars are read as they are written, without TensorBoard.

A file is a row of records: length (8 bytes), its checksum (4), the bytes of an `Event` message, their checksum (4); checksums are
CRC-32C, masked as TFRecord does. Of the messages only what a scalar needs is looked at. A record that is cut is waited for.

Format: tensorflow/core/lib/io/record_writer.h; tensorflow/core/util/event.proto, framework/summary.proto, framework/tensor.proto.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

MOST_BYTES = 64 << 20
"""A longer record is passed over: no scalar is, and memory has an end."""
_HEAD_BYTES, _CRC_BYTES = 12, 4
_CHUNK_BYTES = 1 << 20
_MASK_DELTA = 0xA282EAD8
_SPLITS = frozenset(("train", "training", "val", "valid", "validation", "dev", "eval", "evaluation", "test"))
"""Folders of these names hold one part each of a training's curves (Keras writes so)."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value: `wall_s` is when it was written, in seconds since 1970."""

    tag: str
    step: int
    value: float
    wall_s: float


@final
class EventFile:
    """Reads one file as it grows. `damaged` says why it is read no further, "" while it is."""

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        self.damaged = ""
        self._at = 0
        self._plugins: dict[str, str] = {}  # tag -> plug-in: only the first value of a tag tells

    def scalars(self) -> Iterator[Scalar]:
        """What has come since the last call."""
        if self.damaged:
            return
        try:
            with open(self.path, "rb") as file:
                file.seek(self._at)
                yield from self._records(file.fileno())
        except FileNotFoundError:  # removed by the script: what was read is kept
            return

    def _records(self, descriptor: int) -> Iterator[Scalar]:
        data = b""
        while True:
            head = 0
            while len(data) - head >= _HEAD_BYTES:
                (size, crc) = struct.unpack_from("<QI", data, head)
                if masked_crc(data[head : head + 8]) != crc:
                    self.damaged = f"a record at byte {self._at} has a wrong checksum"
                    return
                whole = _HEAD_BYTES + size + _CRC_BYTES
                if size > MOST_BYTES:
                    self._skip(descriptor, whole)
                    return
                if len(data) - head < whole:
                    break
                body = data[head + _HEAD_BYTES : head + whole - _CRC_BYTES]
                found = list(_scalars(body, self._plugins))
                if found and masked_crc(body) != struct.unpack_from("<I", data, head + whole - _CRC_BYTES)[0]:
                    self.damaged = f"a record at byte {self._at} has a wrong checksum"
                    return
                head += whole
                self._at += whole
                yield from found
            data = data[head:]
            more = os.read(descriptor, _CHUNK_BYTES)
            if not more:
                return
            data += more

    def _skip(self, descriptor: int, whole: int) -> None:
        """Pass over a record, once it is there in full."""
        if os.fstat(descriptor).st_size >= self._at + whole:
            self._at += whole


@final
class EventFiles:
    """All event files of a run. Tags of several folders are told apart by the folder."""

    def __init__(self) -> None:
        self.files: dict[str, EventFile] = {}
        self._roots: list[str] = []
        self._owners: dict[str, str] = {}

    def add(self, path: str) -> None:
        if path not in self.files:
            self.files[path] = EventFile(path)

    def scalars(self) -> Iterator[Scalar]:
        """What has come since the last call; tags are the names of the metrics."""
        for path, file in self.files.items():
            prefix = None
            for scalar in file.scalars():
                if prefix is None:
                    prefix = self._prefix(os.path.dirname(path))
                yield Scalar(
                    self._name(prefix, os.path.dirname(path), scalar.tag), scalar.step, scalar.value, scalar.wall_s
                )

    def damaged(self) -> list[str]:
        return [f"{file.path}: {file.damaged}" for file in self.files.values() if file.damaged]

    def _prefix(self, folder: str) -> str:
        """Of the names of a folder's metrics: where it is below the first one, or what part of the data it is of."""
        own = os.path.basename(folder)
        if own.lower() in _SPLITS:
            return own
        for root in self._roots:
            if folder == root:
                return ""
            if folder.startswith(root + os.sep):
                return os.path.relpath(folder, root)
        self._roots.append(folder)
        return ""

    def _name(self, prefix: str, folder: str, tag: str) -> str:
        name = f"{prefix}/{tag}" if prefix else tag
        owner = self._owners.setdefault(name, folder)
        return name if owner == folder else f"{os.path.basename(folder)}/{name}"


# ---- the messages, in the wire format of protocol buffers


def _scalars(event: bytes, plugins: dict[str, str]) -> Iterator[Scalar]:
    wall_s, step, summaries = 0.0, 0, []
    for number, value in _fields(event):
        if number == 1 and isinstance(value, bytes):
            wall_s = float(struct.unpack("<d", value)[0])
        elif number == 2 and isinstance(value, int):
            step = value - (1 << 64) if value >= 1 << 63 else value
        elif number == 5 and isinstance(value, bytes):
            summaries.append(value)
    for summary in summaries:
        for number, value in _fields(summary):
            if number == 1 and isinstance(value, bytes):
                tag, scalar = _value(value, plugins)
                if scalar is not None and not tag.startswith("_hparams_/"):
                    yield Scalar(tag, step, scalar, wall_s)


def _value(message: bytes, plugins: dict[str, str]) -> tuple[str, float | None]:
    """Tag and number of one `Summary.Value`; no number where it is a text, picture or histogram."""
    tag, plugin, scalar, tensor = "", "", None, b""
    for number, value in _fields(message):
        if not isinstance(value, bytes):
            continue
        if number == 1:
            tag = value.decode("utf-8", "replace")
        elif number == 2:
            scalar = float(struct.unpack("<f", value)[0])
        elif number == 8:
            tensor = value
        elif number == 9:
            plugin = _plugin(value)
    if plugin:
        plugins[tag] = plugin
    if scalar is None and tensor and plugins.get(tag, "scalars") == "scalars":
        scalar = _tensor(tensor)
    return tag, scalar


def _plugin(metadata: bytes) -> str:
    for number, value in _fields(metadata):
        if number == 1 and isinstance(value, bytes):
            for inner, name in _fields(value):
                if inner == 1 and isinstance(name, bytes):
                    return name.decode("utf-8", "replace")
    return ""


_CONTENT = {1: "<f", 2: "<d", 3: "<i", 9: "<q", 19: "<e"}
_LISTS = {5: "<f", 6: "<d"}


def _tensor(message: bytes) -> float | None:
    """The number of a `TensorProto` of one element; None where it has several, or no numbers."""
    kind, found = 0, None
    for number, value in _fields(message):
        if number == 1 and isinstance(value, int):
            kind = value
        elif number == 2 and isinstance(value, bytes) and not _is_single(value):
            return None
        elif number in _LISTS and isinstance(value, bytes) and len(value) == struct.calcsize(_LISTS[number]):
            found = float(struct.unpack(_LISTS[number], value)[0])
        elif number in (7, 10) and isinstance(value, int):
            found = float(value - (1 << 64) if value >= 1 << 63 else value)
        elif number in (7, 10) and isinstance(value, bytes):
            inner, _ = _varint(value, 0)
            found = float(inner - (1 << 64) if inner >= 1 << 63 else inner)
        elif number == 4 and isinstance(value, bytes) and kind in _CONTENT:
            if len(value) != struct.calcsize(_CONTENT[kind]):
                return None
            found = float(struct.unpack(_CONTENT[kind], value)[0])
    return found


def _is_single(shape: bytes) -> bool:
    """Whether a `TensorShapeProto` has one element in all."""
    for number, dimension in _fields(shape):
        if number == 2 and isinstance(dimension, bytes):
            sizes = [value for inner, value in _fields(dimension) if inner == 1]
            if sizes != [1]:
                return False
    return True


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field; what is cut or unknown ends it."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
        elif kind == 1:
            yield number, message[at : at + 8]
            at += 8
        elif kind == 5:
            yield number, message[at : at + 4]
            at += 4
        elif kind == 2:
            size, at = _varint(message, at)
            yield number, message[at : at + size]
            at += size
        else:
            return


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message):
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
    return value, at


def _crc_table() -> tuple[int, ...]:
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ 0x82F63B78 if n & 1 else n >> 1
        table.append(n)
    return tuple(table)


_TABLE = _crc_table()


def masked_crc(data: bytes) -> int:
    """CRC-32C of some bytes, masked.

    >>> hex(masked_crc(b"123456789")) == hex(((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF)
    True
    """
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF
