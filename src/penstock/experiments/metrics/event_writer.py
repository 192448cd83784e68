"""TensorBoard's event files are written: scalars only, without TensorBoard. They are read by `penstock.experiments.metrics.events`.

A record is its length (8 bytes), the checksum of that (4), an `Event` message, the checksum of that (4). An event has a wall time
(field 1, double), a step (2, varint) and either the version of the format (3), which comes first in a file, or a summary (5)
with one value (1): its tag (1) and number (2, float).
"""

from __future__ import annotations

import struct
from pathlib import Path
from types import TracebackType
from typing import Self, final

from penstock.experiments.metrics.events import masked_crc
from penstock.objects.files import naming_full_disk

_VERSION = b"brain.Event:2"
_FLUSH_BYTES = 1 << 20


@final
class EventWriter:
    """Writes a new file, or goes on with one of its own. `flush` makes what was added visible."""

    def __init__(self, path: Path, *, wall_s: float) -> None:
        self.path = path
        self._names: dict[str, bytes] = {}
        self._buffer = bytearray()
        with naming_full_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "ab")  # noqa: SIM115 - closed by `close`
        if self._file.tell() == 0:
            self._record(b"\x09" + struct.pack("<d", wall_s) + b"\x1a" + _varint(len(_VERSION)) + _VERSION)

    def add(self, tag: str, step: int, value: float, wall_s: float) -> None:
        """One value. It is kept as a 32-bit float, as TensorBoard has it; what is too large becomes infinite."""
        try:
            number = struct.pack("<f", value)
        except OverflowError:
            number = struct.pack("<f", float("inf") if value > 0 else float("-inf"))
        name = self._names.get(tag)
        if name is None:
            text = tag.encode("utf-8", "replace")
            name = self._names[tag] = b"\x0a" + _varint(len(text)) + text + b"\x15"
        inner = name + number
        summary = b"\x0a" + _varint(len(inner)) + inner
        self._record(
            b"\x09" + struct.pack("<d", wall_s) + b"\x10" + _varint(step) + b"\x2a" + _varint(len(summary)) + summary
        )

    def flush(self) -> None:
        with naming_full_disk(self.path):
            self._file.write(self._buffer)
            self._file.flush()
        self._buffer.clear()

    def close(self) -> None:
        self.flush()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _record(self, event: bytes) -> None:
        length = struct.pack("<Q", len(event))
        self._buffer += length + struct.pack("<I", masked_crc(length)) + event + struct.pack("<I", masked_crc(event))
        if len(self._buffer) > _FLUSH_BYTES:
            self.flush()


def _varint(number: int) -> bytes:
    """A number of 64 bits as protocol buffers write it; a negative one as its two's complement.

    >>> _varint(1), _varint(300), len(_varint(-1))
    (b'\\x01', b'\\xac\\x02', 10)
    """
    number &= 0xFFFFFFFFFFFFFFFF
    if number < 128:
        return bytes((number,))
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    written.append(number)
    return bytes(written)
