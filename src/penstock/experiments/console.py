"""What a program prints: shown as it comes, kept in a file that cannot grow without end, with secrets masked in both."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO, final

from penstock.errors import StoreFull
from penstock.experiments.secrets import Masker
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
        self, masker: Masker, log: ConsoleLog, show: TextIO | None, reader: Callable[[bytes], None] | None = None
    ) -> None:
        self._masked = masker.stream()
        self._log, self._reader = log, reader
        self._show = show
        self.tail = b""  # the last bytes, for saying why a program failed

    def feed(self, data: bytes) -> None:
        self._hand_on(self._masked.feed(data))

    def flush(self) -> None:
        """At the end of the stream."""
        self._hand_on(self._masked.flush())

    def _hand_on(self, data: bytes) -> None:
        if not data:
            return
        self._echo(data)
        self._log.write(data)
        self.tail = (self.tail + data)[-8192:] if len(data) < 8192 else data[-8192:]
        if self._reader is not None:
            self._reader(data)

    def _echo(self, data: bytes) -> None:
        """Show as it came, byte for byte; where the terminal or reader has gone, the run goes on unseen."""
        if self._show is None:
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


def _quiet_end() -> None:
    """Python flushes stdout when it ends, and would complain of the broken pipe then."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError, AttributeError):  # no real file behind it
        return
