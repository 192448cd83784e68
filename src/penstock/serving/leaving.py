"""Answers as they leave: each with its id, as JSON. Few are written in one go; many are made ready in a thread, all but their ids.

An id names the place in the journal, which is known only when its turn to be written comes, on the event loop; so there the ids are
put between what lies ready.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from penstock.bundle.answers import LATE
from penstock.serving.prediction_ids import row_part

_FIRST_ROWS = tuple(row_part(row) for row in range(256))


def leaving(prefix: str, answers: Sequence[dict[str, Any]]) -> tuple[bytes, dict[str, Any] | None]:
    """Answers with their ids, as they may leave, and what of them is withheld, by row."""
    withheld: dict[str, Any] | None = None
    told = []
    for row, answer in enumerate(answers):
        made = {"id": prefix + (_FIRST_ROWS[row] if row < 256 else row_part(row)), **answer}
        value = made.pop("withheld", None)
        if value is not None:
            if withheld is None:
                withheld = {}
            withheld[str(row)] = value
        told.append(made)
    return orjson.dumps(told), withheld


Counts = tuple[int, int, int, int, int, int]
"""Of answers that leave together: missing fields, unknown values, novel rows, abstentions, rows that a fallback answers for lack of time,
and for lack of a field."""


def counted(answers: Sequence[dict[str, Any]], novelty_limit: float) -> Counts:
    missing = unknown = novel = abstentions = late = without = 0
    for answer in answers:
        if answer["missing"]:
            missing += len(answer["missing"])
        if answer["unknown"]:
            unknown += len(answer["unknown"])
        if answer["novelty"] > novelty_limit:
            novel += 1
        if answer["decision"] != "answer":
            abstentions += 1
        if "fallback" in answer:
            if answer["fallback"] == LATE:
                late += 1
            else:
                without += 1
    return missing, unknown, novel, abstentions, late, without


@dataclass(frozen=True, slots=True)
class Ready:
    """Answers that lack the first part of their ids alone.

    Attributes
    ----------
    answers : of each, what comes after that part.
    withheld : by row. counts : what is counted of them. body : of the request, for the journal.
    """

    answers: Sequence[bytes]
    withheld: dict[str, Any] | None
    counts: Counts
    body: bytes

    @classmethod
    def of(cls, answers: Sequence[dict[str, Any]], counts: Counts, body: bytes) -> Ready:
        withheld, told = {}, []
        for row, answer in enumerate(answers):
            if "withheld" in answer:
                answer = dict(answer)  # another one may read it
                value = answer.pop("withheld")
                if value is not None:
                    withheld[str(row)] = value
            told.append(b'%b",%b' % (row_part(row).encode(), orjson.dumps(answer)[1:]))
        return cls(told, withheld or None, counts, body)

    def leaving(self, prefix: str) -> tuple[bytes, dict[str, Any] | None]:
        """The same bytes as `leaving` gives. There is at least one answer."""
        start = b'{"id":"' + prefix.encode()
        return b"[%b%b]" % (start, (b"," + start).join(self.answers)), self.withheld
