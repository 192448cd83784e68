"""Earlier rows that a server keeps for the columns that look back, where `[serving.history]` says so.

What is remembered is read from the journal and from nowhere else: a restart loses nothing, and each worker reads what the others
wrote. A row is in the journal before its answer leaves, so that every later request sees it, whichever worker is asked.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from bisect import insort
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from sys import getsizeof
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

import orjson

from penstock.bundle.decoder import Decoder
from penstock.bundle.history import MOST_ROWS, History, Past
from penstock.bundle.runtime import Bundle
from penstock.errors import PenstockError, RequestError
from penstock.serving.journal import to_record
from penstock.serving.scanning import JournalScan
from penstock.serving.settings import HistorySettings

if TYPE_CHECKING:
    from penstock.serving.asked import Asked

log = logging.getLogger("penstock.serving")

READ_ON_S = 1.0
"""How often what others wrote is read, whoever asks: so that a request finds little to read before its answer."""


class RememberedRows:
    """The latest rows of each key, by one worker, for as long as a bundle that looks back at them is loaded. May be shared between
    threads."""

    def __init__(self, folder: Path, settings: HistorySettings) -> None:
        self.folder, self.settings = folder, settings
        self._books: WeakKeyDictionary[Bundle, dict[str, _Book]] = WeakKeyDictionary()  # by the model
        self._all: tuple[
            ref[_Book], ...
        ] = ()  # also of what is let go and still answers; replaced whole, and read without the lock
        self._lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """Memory that all rows take which are kept, about. Waits for nobody who reads."""
        return sum(book.size_bytes for one in self._all if (book := one()) is not None)

    def size_bytes_of(self, bundles: Iterable[Bundle]) -> int:
        """The same of the rows that these bundles look back at."""
        books = {id(book): book for bundle in bundles for book in list(self._books.get(bundle, {}).values())}
        return sum(book.size_bytes for book in books.values())

    def for_request(self, bundle: Bundle, asked: Asked, *, model: str) -> list[Any]:
        """The rows of a request with the columns that look back: from the history that came along, or from what is remembered.

        Raises
        ------
        RequestError : the request has a history and the model none, or the history is wrong.
        """
        declared = bundle.decoder.history
        if asked.has_history:
            if declared is None:
                raise RequestError(
                    'the request has "history"',
                    why="the model has no column that looks back at earlier rows",
                    way_out="leave it out; such columns are declared as [history] in penstock.toml",
                    path="history",
                    code="unknown-field",
                )
            return declared.fill(asked.rows, asked.history)
        if declared is not None and self.settings.rows:
            return list(self.fill(bundle, asked.rows, model=model))
        return asked.rows

    def fill(self, bundle: Bundle, rows: Sequence[Any], *, model: str) -> Sequence[Any]:
        """Rows with what they see of earlier ones of their model; they do not see each other. What a row has already is left
        alone."""
        if not self._remembers(bundle):
            return rows
        self.prepare(bundle, model)
        with self._lock:
            book = self._books[bundle][model]
            book.read()
            return [book.filled(row) if isinstance(row, dict) else row for row in rows]

    def prepare(self, bundle: Bundle, model: str) -> None:
        """Read what is journalled for a bundle, where that was not done: beside the event loop, before the bundle is asked. It takes
        long where the journal is long, and others go on being answered."""
        if not self._remembers(bundle) or self._has_book(bundle, model):
            return
        book = _Book.of(model, bundle.decoder, self.folder, self.settings)
        with self._lock:
            self._all = (*(one for one in self._all if one() is not None), ref(book))
        book.read()
        with self._lock:
            self._books.setdefault(bundle, {}).setdefault(model, book)

    async def follow(self) -> None:
        """Read on until cancelled."""
        while True:
            await asyncio.sleep(READ_ON_S)
            if not self._books:
                continue
            try:
                await asyncio.to_thread(self._read_on)
            except (OSError, PenstockError) as error:  # who asks meets it as well, if it stays
                log.error("the journal is not read on: %s", error)

    def _read_on(self) -> None:
        with self._lock:
            books = {id(book): book for books in self._books.values() for book in books.values()}
        for book in books.values():
            with self._lock:
                book.read()

    def _remembers(self, bundle: Bundle) -> bool:
        return self.settings.rows > 0 and bundle.decoder.history is not None

    def _has_book(self, bundle: Bundle, model: str) -> bool:
        """Whether it has one; that of another bundle that reads rows alike is its own as well."""
        with self._lock:
            if model in self._books.get(bundle, ()):
                return True
            for other, books in self._books.items():
                if model in books and other.decoder.digest == bundle.decoder.digest:
                    break
            else:
                return False
            self._books.setdefault(bundle, {})[model] = books[model]
            return True


_KEPT_BYTES = 280
"""Of a row that is kept, without its values: its place, its time, the texts of its id and its key."""
_KEY_BYTES = 350
"""Of a key: its text, its list of rows, its place among the keys."""


def _bytes_of_row(row: dict[str, Any]) -> int:
    return getsizeof(row) + sum(map(getsizeof, row.values()))


@dataclass(order=True, slots=True)
class _Kept:
    """A row of a key; ordered by its time, then by its prediction, so that no order of reading changes which are kept."""

    time: Any
    id: str
    row: dict[str, Any] = field(compare=False)
    key: str | None = field(compare=False)
    size_bytes: int = field(compare=False)


@dataclass
class _View:
    """Columns that look at the same rows: of one key and one time."""

    history: History
    rows: int
    kept: OrderedDict[tuple[Any, ...], list[_Kept]] = field(default_factory=OrderedDict)


class _Book:
    """What the rows of one decoder are to each other.

    Attributes
    ----------
    size_bytes : memory that they take, as it is reckoned.
    """

    def __init__(self, model: str, views: Sequence[_View], fields: Sequence[str], keys: int, scan: JournalScan) -> None:
        self.model, self.views, self.fields, self.keys, self.scan = model, views, fields, keys, scan
        self.size_bytes = 0

    @classmethod
    def of(cls, model: str, decoder: Decoder, folder: Path, settings: HistorySettings) -> _Book:
        history, target = decoder.history, decoder.target
        assert history is not None
        together: dict[tuple[Any, ...], list[Past]] = {}
        for past in history.columns:
            if target is None or target.name not in past.needs:  # a request does not know its own outcome
                together.setdefault((past.by, past.over), []).append(past)
        views = [
            _View(
                replace(history, columns=tuple(pasts)),
                min(max(settings.rows, *(past.rows or 0 for past in pasts)), MOST_ROWS),
            )
            for pasts in together.values()
        ]
        return cls(model, views, [spec.name for spec in history.specs], settings.keys, JournalScan(folder))

    def read(self) -> None:
        """Read on."""
        for _, payload in self.scan.new_payloads(b'{"kind":"predict"'):
            if orjson.loads(payload[: payload.index(b"\n")])["model"] != self.model:
                continue
            record = to_record(payload)
            for row, answer in zip(record.rows, record.answers, strict=False):
                self._add(row, answer["id"], answer.get("key"))

    def _add(self, row: dict[str, Any], prediction: str, key: str | None) -> None:
        slim = {name: row[name] for name in self.fields if row.get(name) is not None}
        size_bytes = _KEPT_BYTES + _bytes_of_row(slim) // len(self.views)  # which all views share
        for view in self.views:
            found = view.history.key_of(view.history.columns[0], row)
            if found is None:
                continue
            whose, time = found
            kept = view.kept.get(whose)
            if kept is None:
                kept = view.kept[whose] = []
                self.size_bytes += _KEY_BYTES
            view.kept.move_to_end(whose)
            if key is not None:  # asked again: the latest takes the place of the earlier one
                same = next((one for one in kept if one.key == key), None)
                if same is not None:
                    if same.id > prediction:
                        continue
                    kept.remove(same)
                    self.size_bytes -= same.size_bytes
            insort(kept, _Kept(time, prediction, slim, key, size_bytes))
            self.size_bytes += size_bytes
            for gone in kept[: -view.rows]:
                self.size_bytes -= gone.size_bytes
            del kept[: -view.rows]
            while len(view.kept) > self.keys:
                _, others = view.kept.popitem(last=False)
                self.size_bytes -= _KEY_BYTES + sum(gone.size_bytes for gone in others)

    def filled(self, row: dict[str, Any]) -> dict[str, Any]:
        for view, kept in self._seen_by(row):
            (row,) = view.history.fill([row], [one.row for one in kept])
        return row

    def _seen_by(self, row: dict[str, Any]) -> Iterator[tuple[_View, list[_Kept]]]:
        for view in self.views:
            found = view.history.key_of(view.history.columns[0], row)
            yield view, [] if found is None else view.kept.get(found[0], [])
