"""Earlier rows that a server keeps for the columns that look back, where `[serving.history]` says so.

What is remembered is read from the journal and from nowhere else: a restart loses nothing, and each worker reads what the others
wrote. A row is in the journal before its answer leaves, so that every later request sees it, whichever worker is asked.
"""

from __future__ import annotations

import threading
from bisect import insort
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.bundle.decoder import Decoder
from penstock.bundle.history import MOST_ROWS, History, Past
from penstock.errors import RequestError
from penstock.serving.journal import to_record
from penstock.serving.scanning import JournalScan
from penstock.serving.settings import HistorySettings

if TYPE_CHECKING:
    from penstock.serving.asked import Asked

BOOKS = 8
"""Decoders whose rows are remembered at a time: those of both slots, and some of the shelf."""


class RememberedRows:
    """The latest rows of each key, by one worker. May be shared between threads."""

    def __init__(self, folder: Path, settings: HistorySettings) -> None:
        self.folder, self.settings = folder, settings
        self._books: dict[tuple[str, str], _Book] = {}  # by the model, and the decoder's digest
        self._lock = threading.Lock()

    def for_request(self, decoder: Decoder, asked: Asked, *, model: str) -> list[Any]:
        """The rows of a request with the columns that look back: from the history that came along, or from what is remembered.

        Raises
        ------
        RequestError : the request has a history and the model none, or the history is wrong.
        """
        declared = decoder.history
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
            return list(self.fill(decoder, asked.rows, model=model))
        return asked.rows

    def fill(self, decoder: Decoder, rows: Sequence[Any], *, model: str) -> Sequence[Any]:
        """Rows with what they see of earlier ones of their model; they do not see each other. What a row has already is left
        alone."""
        if not self.settings.rows or decoder.history is None:
            return rows
        with self._lock:
            book = self._book(model, decoder)
            book.read()
            return [book.filled(row) if isinstance(row, dict) else row for row in rows]

    def read(self, decoders: Sequence[tuple[str, Decoder]]) -> None:
        """Read what is journalled, ahead of the first request; each decoder comes with the name of its model."""
        with self._lock:
            for model, decoder in decoders if self.settings.rows else ():
                if decoder.history is not None:
                    self._book(model, decoder).read()

    def _book(self, model: str, decoder: Decoder) -> _Book:
        """The book of a decoder; those that were not asked for longest go."""
        key = (model, decoder.digest)
        book = self._books.pop(key, None) or _Book.of(model, decoder, self.folder, self.settings)
        self._books[key] = book
        while len(self._books) > BOOKS:
            del self._books[next(iter(self._books))]
        return book


@dataclass(order=True, slots=True)
class _Kept:
    """A row of a key; ordered by its time, then by its prediction, so that no order of reading changes which are kept."""

    time: Any
    id: str
    row: dict[str, Any] = field(compare=False)
    key: str | None = field(compare=False)


@dataclass
class _View:
    """Columns that look at the same rows: of one key and one time."""

    history: History
    rows: int
    kept: OrderedDict[tuple[Any, ...], list[_Kept]] = field(default_factory=OrderedDict)


class _Book:
    """What the rows of one decoder are to each other."""

    def __init__(self, model: str, views: Sequence[_View], fields: Sequence[str], keys: int, scan: JournalScan) -> None:
        self.model, self.views, self.fields, self.keys, self.scan = model, views, fields, keys, scan

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
        for payload in self.scan.new_payloads(b'{"kind":"predict"'):
            record = to_record(payload)
            if record.model != self.model:
                continue
            for row, answer in zip(record.rows, record.answers, strict=False):
                self._add(row, answer["id"], answer.get("key"))

    def _add(self, row: dict[str, Any], prediction: str, key: str | None) -> None:
        slim = {name: row[name] for name in self.fields if row.get(name) is not None}
        for view in self.views:
            found = view.history.key_of(view.history.columns[0], row)
            if found is None:
                continue
            whose, time = found
            kept = view.kept.setdefault(whose, [])
            view.kept.move_to_end(whose)
            if key is not None:  # asked again: the latest takes the place of the earlier one
                same = next((one for one in kept if one.key == key), None)
                if same is not None:
                    if same.id > prediction:
                        continue
                    kept.remove(same)
            insort(kept, _Kept(time, prediction, slim, key))
            del kept[: -view.rows]
            while len(view.kept) > self.keys:
                view.kept.popitem(last=False)

    def filled(self, row: dict[str, Any]) -> dict[str, Any]:
        for view, kept in self._seen_by(row):
            (row,) = view.history.fill([row], [one.row for one in kept])
        return row

    def _seen_by(self, row: dict[str, Any]) -> Iterator[tuple[_View, list[_Kept]]]:
        for view in self.views:
            found = view.history.key_of(view.history.columns[0], row)
            yield view, [] if found is None else view.kept.get(found[0], [])
