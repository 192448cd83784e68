"""What a program prints: shown as it comes, kept in a file that cannot grow without end, with secrets masked in both."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO, final

from penstock.errors import StoreFull
from penstock.experiments.capture.secrets import Masker
from penstock.objects.files import naming_full_disk

CONSOLE = "console.log"
_TAIL = "console.tail."


@final
class ConsoleLog:
    """Keeps what it is given in ``console.log`` of a folder: all of it, or where that is more than `limit_bytes`, its first and
    its last half. Every piece is with the system when `write` returns; memory does not grow.

    The end of a long log is kept in files of half the limit each, of which the last two are there; `join_console` puts the parts
    together.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self.half_bytes = max(1, limit_bytes // 2)
        self.size_bytes = 0
        self.full = ""
        self._file = -1
        self._in_file = 0
        self._tail = 0  # number of the tail that is written to; 0: the head is

    def write(self, data: bytes) -> None:
        """Append. Where that is not possible (no space is left), `full` says why from then on, and nothing more is kept: the program goes on."""
        self.size_bytes += len(data)
        if self.full:
            return
        view = memoryview(data)
        try:
            with naming_full_disk(self.folder / CONSOLE):
                while view:
                    if self._file < 0 or self._in_file >= self.half_bytes:
                        self._next_file()
                    written = os.write(self._file, view[: self.half_bytes - self._in_file])
                    self._in_file += written
                    view = view[written:]
        except StoreFull as error:
            self.full = error.what
        except OSError as error:  # the script has removed the folder
            self.full = f"{error.strerror}: {error.filename}"

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _next_file(self) -> None:
        name = CONSOLE
        if self._file >= 0:
            os.close(self._file)
            self._tail += 1
            name = f"{_TAIL}{self._tail}"
            (self.folder / f"{_TAIL}{self._tail - 2}").unlink(missing_ok=True)
        self._file = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._in_file = 0


@dataclass(frozen=True)
class Joined:
    """A log in one file. `cut_bytes` are left out of its middle, as far as that is known."""

    file: Path
    cut_bytes: int = 0


def join_console(folder: Path, size_bytes: int | None = None) -> Joined | None:
    """Put head and tail of a log together in ``console.log``; None where nothing was printed.

    Parameters
    ----------
    size_bytes : what was printed in all; None where nobody counted, as Penstock was killed.
    """
    parts = _parts(folder)
    if len(parts) < 2:
        return Joined(parts[0]) if parts else None
    head, *tails = parts
    half_bytes, last_bytes = head.stat().st_size, tails[-1].stat().st_size
    again_bytes = min(half_bytes - last_bytes, tails[0].stat().st_size) if len(tails) == 2 else 0
    kept = half_bytes + last_bytes + again_bytes
    cut_bytes = 0 if size_bytes is None else size_bytes - kept
    with naming_full_disk(head), head.open("ab") as file:
        if cut_bytes or (size_bytes is None and len(tails) == 2):
            left_out = f"{cut_bytes:,} bytes are" if cut_bytes else "something may be"
            file.write(f"\n[... {left_out} left out here, see [run] console_bytes ...]\n".encode())
        if again_bytes:
            with tails[0].open("rb") as first:
                first.seek(-again_bytes, os.SEEK_END)
                _copy(first, file)
        with tails[-1].open("rb") as second:
            _copy(second, file)
    for tail in tails:
        tail.unlink()
    return Joined(head, cut_bytes)


def _parts(folder: Path) -> list[Path]:
    """The files of a log, in the order in which they were written."""
    head = folder / CONSOLE
    tails = sorted(folder.glob(f"{_TAIL}*"), key=lambda path: int(path.name.removeprefix(_TAIL)))
    return [head, *tails[-2:]] if head.exists() else []


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    while chunk := source.read(1 << 20):
        target.write(chunk)


@final
class Printed:
    """One of the two streams of a program: masks what comes, shows it, keeps it, and hands it to who looks for metrics."""

    def __init__(
        self,
        masker: Masker,
        log: ConsoleLog,
        show: TextIO | None,
        reader: Callable[[bytes], None] | None = None,
        *,
        label: str = "",
    ) -> None:
        self._masked = masker.stream()
        self._log, self._reader = log, reader
        self._show = show
        self._lines = LabelledLines(label) if label else None
        self.tail = b""  # the last bytes, for saying why a program failed

    def feed(self, data: bytes) -> None:
        self._hand_on(self._masked.feed(data))

    def flush(self) -> None:
        """At the end of the stream."""
        self._hand_on(self._masked.flush())
        if self._lines is not None:
            self._show_now(self._lines.rest())

    def _hand_on(self, data: bytes) -> None:
        if not data:
            return
        self._echo(data)
        self._log.write(data)
        self.tail = (self.tail + data)[-8192:] if len(data) < 8192 else data[-8192:]
        if self._reader is not None:
            self._reader(data)

    def _echo(self, data: bytes) -> None:
        """Show as it came, byte for byte, or, with a label, line by line."""
        self._show_now(data if self._lines is None else self._lines.feed(data))

    def _show_now(self, data: bytes) -> None:
        """Where the terminal or reader has gone, the run goes on unseen."""
        if self._show is None or not data:
            return
        try:
            raw = getattr(self._show, "buffer", None)
            if raw is None:
                self._show.write(data.decode("utf-8", "replace"))
            else:
                self._show.flush()
                raw.write(data)
            self._show.flush()
        except (BrokenPipeError, ValueError):  # ValueError: a closed file
            self._show = None
            _quiet_end()


@final
class LabelledLines:
    """Whole lines with a label in front, so that the lines of programs that run at the same time can be told apart.

    >>> lines = LabelledLines("train | ")
    >>> lines.feed(b"one\\ntw"), lines.feed(b"o\\n10%\\r90%\\r100%"), lines.rest()
    (b'train | one\\n', b'train | two\\n', b'train | 100%\\n')
    """

    _MOST_BYTES = 1 << 16  # a longer line is shown in pieces

    def __init__(self, label: str) -> None:
        self._label = label.encode()
        self._begun = b""

    def feed(self, data: bytes) -> bytes:
        """What can be shown now."""
        *lines, self._begun = (self._begun + data).split(b"\n")
        if len(self._begun) > self._MOST_BYTES:
            self._begun = _last_written(self._begun)
        if len(self._begun) > self._MOST_BYTES:
            lines, self._begun = [*lines, self._begun], b""
        return b"".join(self._label + _last_written(line) + b"\n" for line in lines)

    def rest(self) -> bytes:
        """A last line without an end."""
        return self.feed(b"\n") if self._begun else b""


def _last_written(line: bytes) -> bytes:
    """What a terminal shows in the end of a line that goes back to its beginning, as bars of progress do."""
    return line.rstrip(b"\r").rpartition(b"\r")[2]


def _quiet_end() -> None:
    """Python flushes stdout when it ends, and would complain of the broken pipe then."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError, AttributeError):  # no real file behind it
        return
