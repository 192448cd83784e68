"""Where a large file is cut, so that files that share content share pieces: content-defined chunks.

A piece ends at the place of a short window, behind a minimum that is not looked at, whose next eight bytes have the largest hash.
That place is the same wherever the bytes around it are the same: after rows were put in or taken out, the cuts fall into step
again within a few pieces, and all pieces from there on are known. Only the window is looked at, which is a quarter of the bytes, with one
multiplication each; where the largest hash occurs more than once (in tables with few values) the longer text decides.

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
_READ_BYTES = 8 * 2**20
_CONTEXT_BYTES = 256
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
    """The bytes of an open file, cut. Pieces have 7/8 to 9/8 of `aimed` bytes; the last may be shorter.

    >>> import io
    >>> data = bytes(range(256)) * 4096
    >>> cut = list(pieces(io.BytesIO(data), 65_536))
    >>> b"".join(cut) == data, max(map(len, cut)) <= 73_728
    (True, True)
    """
    least, most = aimed * 7 // 8, aimed * 9 // 8
    buffer, start, ended = b"", 0, False
    while True:
        if not ended and len(buffer) - start < most + _CONTEXT_BYTES:
            more = file.read(max(_READ_BYTES, most + _CONTEXT_BYTES))
            ended = not more
            buffer, start = buffer[start:] + more, 0
            continue
        left = len(buffer) - start
        if left <= least:
            if left:
                yield buffer[start:]
            return
        end = start + _cut(buffer, start + least, min(start + most, len(buffer))) - start
        yield buffer[start:end]
        start = end


def _cut(data: bytes, low: int, high: int) -> int:
    """The best place in ``low..high`` to cut at."""
    import numpy as np

    here = min(high, len(data) - 8) - low + 1
    if here <= 0:  # the end of the file is within the window: nothing behind it could be told
        return high
    words: np.ndarray = np.ndarray((here,), dtype="<u8", buffer=data, offset=low, strides=(1,))
    hashes = words * np.uint64(_FACTOR)
    first = int(hashes.argmax())
    ties = np.flatnonzero(hashes[first:] == hashes[first])
    if len(ties) > 1:
        places = (ties[:64] + (first + low)).tolist()
        return int(max(places, key=lambda at: data[at : at + _CONTEXT_BYTES]))
    return low + first
