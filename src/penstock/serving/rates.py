"""Rates of consumers, held over all workers of a server together.

The rule: a rate is of rows, so that it is the same whether they come one by one or by the thousand; a request without rows counts as
one. A consumer gets its rate from the server as a whole, whichever worker its connections happen to reach. After a pause it may ask for
one second's worth at once, at least one request. A request is admitted as one row, before it is read; the rest of its rows
are taken when they are known, on credit where they are more than are left, and the next request waits until that is paid. No request may
take more credit than `CREDIT_S` seconds' worth, so that nobody is locked out for longer than that.

Workers share one number per consumer, the instant at which it would be level again (the virtual scheduling algorithm of ATM's
generic cell rate, ITU-T I.371), in a file that is locked for the microsecond of its change.
"""

from __future__ import annotations

import struct
import time
from pathlib import Path

from penstock.serving.folder import ServingFolder
from penstock.serving.sharing import Turn, shared_map

CREDIT_S = 60.0

_AT = struct.Struct("<d")


class Rate:
    """The allowance of one consumer, shared by every process that opens it under the same name."""

    def __init__(self, state_dir: Path, name: str, per_s: float) -> None:
        self.per_s = per_s
        self._gap_s = 1 / per_s
        self._burst_s = max(1.0, self._gap_s)  # how far ahead of level a consumer may be after its request
        self._furthest_s = self._burst_s + CREDIT_S
        self.most_rows = max(1, int(CREDIT_S * per_s))  # of one request
        path = ServingFolder(state_dir).rates / name
        self._shared = shared_map(path, _AT.size)
        self._turn = Turn(path)

    def wait_s(self, now: float | None = None) -> float:
        """Take one row from the allowance and give 0; or take none, and give the seconds until there is one.

        Parameters
        ----------
        now : of the clock that all processes of a machine share; default: `time.monotonic`.
        """
        return self._take(self._gap_s, self._gap_s, now)

    def more_s(self, rows: int, now: float | None = None) -> float:
        """Take further rows of a request that was admitted, on credit where need be, and give 0.

        Where other requests have taken credit since it was admitted, it takes none, and gives the seconds until that is paid.
        """
        return self._take(rows * self._gap_s, 0.0, now)

    def _take(self, cost_s: float, least_s: float, now: float | None) -> float:
        """Take `cost_s` if at least `least_s` of it is left."""
        now = time.monotonic() if now is None else now
        with self._turn:
            (level_at,) = _AT.unpack_from(self._shared)
            if not now <= level_at <= now + self._furthest_s:  # long ago; or of a clock before the machine's restart
                level_at = now
            over = level_at + least_s - now - self._burst_s
            if over > 1e-9:
                return float(over)
            _AT.pack_into(self._shared, 0, level_at + cost_s)
            return 0.0


def clear_rates(state_dir: Path) -> None:
    """Forget what was used at an earlier server. Called once, before the first worker starts."""
    folder = ServingFolder(state_dir).rates
    for path in folder.glob("*") if folder.is_dir() else ():
        path.unlink(missing_ok=True)
