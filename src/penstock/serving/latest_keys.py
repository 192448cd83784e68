"""Which prediction of a model is the latest one with a key: what labels mean that name no id."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import orjson

from penstock.serving.prediction_ids import segment_part, segment_part_of
from penstock.serving.scanning import JournalScan

MOST_KEYS = 1_000_000
"""Of which the latest prediction is known, of those predicted last: some 400 MB of a worker that takes labels by key."""


class LatestKeys:
    """The latest prediction of each key, read on as the journal grows, and forgotten with what retention deletes. May be shared between
    threads.

    Attributes
    ----------
    most : keys that are known at a time. has_forgotten : whether there were more.
    """

    def __init__(self, folder: Path, most: int = MOST_KEYS) -> None:
        self.most, self.has_forgotten = most, False
        # Model and key -> id of the latest prediction, those read last at the end; filled once a label comes by key.
        self._ids: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._scan = JournalScan(folder)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._ids)

    def read(self) -> None:
        """Read what has been journalled since the last time. The first time it is the whole journal."""
        with self._lock:
            self._read()

    def of(self, model: str | None, key: str) -> str | None:
        """The id of the latest prediction with a key, of one model or of any."""
        with self._lock:
            if model is not None:
                return self._ids.get((model, key))
            return max((found for (_, one), found in self._ids.items() if one == key), default=None)

    def _read(self) -> None:
        ids = self._ids
        for _, payload in self._scan.new_payloads(b'{"kind":"predict"'):
            if b'"key":' not in payload:
                continue
            model, answers = _answers(payload)
            for answer in answers:
                if answer.get("key") is not None:
                    key = (model, answer["key"])
                    ids[key] = max(answer["id"], ids.pop(key, ""))  # ids sort by time
            while len(ids) > self.most:
                ids.popitem(last=False)
                self.has_forgotten = True
        if self._scan.has_lost():
            parts = {segment_part(number) for number in self._scan.numbers}
            self._ids = OrderedDict((key, one) for key, one in ids.items() if segment_part_of(one) in parts)


def _answers(payload: bytes) -> tuple[str, list[dict[str, Any]]]:
    """The model that answered, and what it answered."""
    head_end = payload.index(b"\n") + 1
    head = orjson.loads(payload[:head_end])
    return sys.intern(head["model"]), orjson.loads(payload[head_end + head["request_bytes"] :])
