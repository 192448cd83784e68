"""`penstock.log(step=3, loss=0.5)`: how a script says its metrics. Outside of a run it does nothing.

Every call is one line in the file of the run, written at once: a killed process loses none, and `penstock watch` sees it. Lines
of several threads, processes and machines of one run do not mix. Nothing that is logged can end a training: what is no number
is left out and told once, and so is a full disk.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.ledger.log import LogFile

_file: LogFile | None = None
_begun = False
_told: set[str] = set()
_NUMBERS = (int, float)


def log(step: int | float | None = None, **values: Any) -> None:
    """Record metrics of the run that this script is part of.

    Parameters
    ----------
    step : where in the training this is, such as the number of the epoch or batch.
    values : name -> number; NaN and infinity are kept. Scalars of NumPy, PyTorch and others (whatever has ``.item()``) are
        taken as numbers. Anything else is left out, and said once on stderr.

    >>> log(step=1, loss=0.25)     # no run here: nothing happens
    """
    if not _begun:
        _begin()
    if _file is None:
        return
    line = {} if step is None else {"step": step}
    line.update(values)
    for value in line.values():
        if type(value) not in _NUMBERS:
            line = _numbers(line)
            break
    if line and not (len(line) == 1 and "step" in line):
        try:
            _file.append(line)
        except Exception as error:  # noqa: BLE001 - a full disk, or a name that is no text: training goes on
            _tell("lost", f"a line of metrics is lost: {error}")


def log_name(name: str, value: Any, step: int | float | None = None) -> None:
    """As `log`, for a metric whose name is no Python word, such as ``val/loss``."""
    log(step, **{name: value})


def _begin() -> None:
    """Find the run in the environment; once per process (a forked child goes on with the same file)."""
    global _file, _begun
    folder = os.environ.get("PENSTOCK_RUN_FOLDER")
    if folder and os.path.isdir(folder):
        from pathlib import Path

        from penstock.ledger.log import LogFile

        started = os.environ.get("PENSTOCK_STARTED")
        _file = LogFile(Path(folder) / "metrics.jsonl", float(started) if started else None)
    _begun = True


def _numbers(line: dict[str, Any]) -> dict[str, Any]:
    """What of a line is a number, as a Python number."""
    kept: dict[str, Any] = {}
    for name, value in line.items():
        number = _number(value)
        if number is not None:
            kept[name] = number
        elif value is not None or name != "step":
            shown = (
                f"{type(value).__name__} {value!r:.60}"
                if isinstance(value, str | None)
                else f"a {type(value).__name__}"
            )
            _tell(name, f"{name!r} is left out, as it is no number but {shown}")
    return kept


def _number(value: Any) -> int | float | None:
    """A value as a number; None where it is none."""
    if isinstance(value, int):  # booleans too
        return int(value)
    if isinstance(value, float):  # of a subclass (NumPy's float64 is one) the plain number
        return float(value)
    try:
        if hasattr(value, "item"):  # NumPy, PyTorch, JAX: one element
            value = value.item()
        elif hasattr(value, "numpy"):  # TensorFlow
            value = value.numpy().item()
        else:
            return float(value) if hasattr(value, "__float__") else None
    except Exception:  # noqa: BLE001 - whatever the user's own type does, training goes on
        return None
    return int(value) if isinstance(value, bool) else value if isinstance(value, _NUMBERS) else None


def _tell(key: str, text: str) -> None:
    """Say something once per process, on stderr, which the run records too."""
    if key not in _told:
        _told.add(key)
        print(f"penstock.log: {text}", file=sys.stderr, flush=True)
