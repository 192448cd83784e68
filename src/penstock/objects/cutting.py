"""Where a large file is cut, so that files that share content share pieces: content-defined chunks.

A piece ends at the place of a short window, behind a minimum that is not looked at, whose neighbouring bytes have the largest hash.
That place is the same wherever the bytes around it are the same: after rows were put in or taken out, the cuts fall into step
again within a few pieces, and all pieces from there on are known. Only the window is looked at, which is a quarter of the bytes: where it
has lines, only their ends, by the 32 bytes on either side; else every byte, by the eight that follow. Where the largest hash occurs
more than once (in tables with few values) the longer text decides.

The size that is aimed at follows that of the file, so that appending 1 % costs little more than that, and a large file is not
thousands of pieces. It is a power of two, and a later version keeps that of the one before while it is still of that order.

Source: the local maximum of a hash as in Bjorner, Blass and Gurevich (2010), J. Comput. Syst. Sci. 76, 154; skipping the minimum as in
FastCDC, Xia et al. (2016), USENIX ATC.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import numpy as np

SMALLEST_BYTES = 32 * 2**10
LARGEST_BYTES = 4 * 2**20
PIECES = 512
"""A file is cut into about so many pieces, within the two bounds."""
_CONTEXT_BYTES = 256
_BEFORE_BYTES = 32
_LINES = 8
"""With so many ends of lines in a window, only these are looked at."""
_FACTOR = 0x9E3779B97F4A7C15


def aimed_bytes(size_bytes: int, before: int | None = None) -> int:
    """The size of a piece that is aimed at in a file of a size; `before`: that of its earlier version.

    >>> aimed_bytes(10 * 2**20), aimed_bytes(2**30), aimed_bytes(2**40)
    (32768, 2097152, 4194304)
    >>> aimed_bytes(2**30 + 2**29, before=2**20)
    1048576
    """
    aimed = SMALLEST_BYTES
    while aimed < LARGEST_BYTES and aimed * PIECES < size_bytes:
        aimed *= 2
    if before is not None and before / 4 <= aimed <= before * 4:
        return before
    return aimed


def pieces(file: BinaryIO, aimed: int) -> Iterator[bytes]:
    """The bytes of an open file that can be sought in, cut. Pieces have 7/8 to 9/8 of `aimed` bytes; the last may be shorter.

    The window is read first, and then the piece as a whole: no byte is copied but by the system.

    >>> import io
    >>> data = bytes(range(256)) * 4096
    >>> cut = list(pieces(io.BytesIO(data), 65_536))
    >>> b"".join(cut) == data, max(map(len, cut)) <= 73_728
    (True, True)
    """
    least, most = aimed * 7 // 8, aimed * 9 // 8
    start = 0
    while True:
        window = _read(file, start + least - _BEFORE_BYTES, _BEFORE_BYTES + most - least + _CONTEXT_BYTES)
        size = least
        if len(window) > _BEFORE_BYTES:
            size += _cut(window, min(_BEFORE_BYTES + most - least, len(window))) - _BEFORE_BYTES
        data = _read(file, start, size)
        if data:
            yield data
        if len(window) <= _BEFORE_BYTES or len(data) < size:
            return
        start += size


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    """So many bytes from a place, fewer only where the file ends."""
    file.seek(offset)
    data = file.read(size)
    while len(data) < size and (more := file.read(size - len(data))):
        data += more
    return data


def _cut(data: bytes, high: int) -> int:
    """The best place in ``_BEFORE_BYTES..high`` to cut at."""
    import numpy as np

    low = _BEFORE_BYTES
    here = min(high, len(data) - 8) - low + 1
    if here <= 0:  # the end of the file is within the window: nothing behind it could be told
        return high
    words: np.ndarray = np.ndarray((len(data) - 7,), dtype="<u8", buffer=data, strides=(1,))
    factor = np.uint64(_FACTOR)
    ends = np.flatnonzero(
        np.frombuffer(data, np.uint8, max(min(here, len(data) - _BEFORE_BYTES - low), 0), low - 1) == 10
    )
    if len(ends) >= _LINES:
        places = ends + low
        hashes = words[places - _BEFORE_BYTES] * factor
        for step in range(8 - _BEFORE_BYTES, _BEFORE_BYTES, 8):
            hashes ^= words[places + step]
            hashes *= factor
            hashes ^= hashes >> np.uint64(29)
    else:
        places = np.arange(low, low + here)
        hashes = words[low : low + here] * factor
    first = int(hashes.argmax())
    ties = places[np.flatnonzero(hashes == hashes[first])]
    if len(ties) > 1:
        return int(max(ties[:64].tolist(), key=lambda at: data[at : at + _CONTEXT_BYTES]))
    return int(places[first])
