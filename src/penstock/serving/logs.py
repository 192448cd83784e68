"""The server's log, on stderr: lines of text for a person, or one JSON object a line for programs, with the request that they are about.

Nothing of what is asked or answered is in it: of a fault of ours the place in the code is told, and what the error says, which may
hold a value of a row, at level "debug" alone.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from penstock.serving.callers import ASKING
from penstock.serving.instants import iso
from penstock.serving.settings import LogSettings

_TOLD = "told"
_LOGGERS = ("penstock", "uvicorn.error")


@contextmanager
def configured(settings: LogSettings) -> Iterator[None]:
    """Have the log written as declared, for as long as a server runs in this process."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = JsonLines if settings.format == "json" else TextLines
    handler.setFormatter(formatter(with_messages=settings.level == "debug"))
    before = []
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        before.append((logger, logger.handlers, logger.level, logger.propagate))
        logger.handlers, logger.propagate = [handler], False
        # What uvicorn warns of is what clients send; that is counted, and no line each.
        logger.setLevel(settings.level.upper() if name == "penstock" else "ERROR")
    try:
        yield
    finally:
        for logger, handlers, level, propagate in before:
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)


def told(**more: Any) -> dict[str, Any]:
    """The `extra` of a log call whose line has these fields beside its message."""
    return {_TOLD: more}


class _Lines(logging.Formatter):
    def __init__(self, *, with_messages: bool) -> None:
        super().__init__()
        self._with_messages = with_messages

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """What a line says, in its order."""
        said: dict[str, Any] = {
            "at": iso(int(record.created * 1_000_000) * 1000),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        who = ASKING.get()
        if who is not None:
            if who.request_id:
                said["request_id"] = who.request_id
            if who.consumer:
                said["consumer"] = who.consumer
        said.update(getattr(record, _TOLD, {}))
        if record.exc_info is not None and record.exc_info[1] is not None:
            said["fault"] = self._fault(record.exc_info[1])
        return said

    def _fault(self, error: BaseException) -> str:
        if self._with_messages:
            return "".join(traceback.format_exception(error))
        places = "".join(traceback.format_tb(error.__traceback__))
        return f"{places}{type(error).__module__}.{type(error).__qualname__}"


class JsonLines(_Lines):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.fields(record), default=str)


class TextLines(_Lines):
    """``instant level message name=value ...``, and what is longer than a line below it."""

    def format(self, record: logging.LogRecord) -> str:
        said = self.fields(record)
        fault = said.pop("fault", None)
        head = " ".join(str(said.pop(name)) for name in ("at", "level", "message"))
        rest = "".join(f" {name}={_plain(value)}" for name, value in said.items())
        return head + rest + ("" if fault is None else "\n" + fault)


def _plain(value: Any) -> str:
    text = str(value)
    return text if text.isascii() and text.isprintable() and " " not in text else json.dumps(text)
