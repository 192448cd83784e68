"""The end of a run: what it left is collected and recorded, and why it failed is said."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from penstock.errors import ScriptFailed

if TYPE_CHECKING:
    from penstock.experiments.running.process import Ended


def why_failed(
    name: str,
    run_id: str,
    ended: Ended,
    printed: tuple[bytes, bytes],
    *,
    timeout_s: float | None,
    out_of_memory: bool,
    has_input: bool,
) -> ScriptFailed:
    """The error of a program that ended badly, with its own last words. `printed` : the ends of its stderr and of its stdout."""
    errors, output = printed
    see = f"look at what it printed: `penstock show {run_id} --log`"
    if ended.why == "timeout":
        patience = " and killed, as it did not" if ended.signal == 9 else ""
        return ScriptFailed(
            f"{name} ran longer than {timeout_s:g} s",
            why=f"that is its timeout; it was told to end{patience}",
            way_out=f"give it more time with --timeout, or {see}",
            exit_status=ended.status,
        )
    if ended.why == "lost":
        return ScriptFailed(
            f"{name} was killed together with the process that looks after it",
            why="memory ran out"
            if out_of_memory
            else "something outside killed Penstock's keeper; how the program itself ended, and what it cost, nobody saw",
            way_out="use less memory, such as smaller batches" if out_of_memory else see,
            exit_status=ended.status,
        )
    if ended.signal:
        import signal

        try:
            shown = signal.Signals(ended.signal).name
        except ValueError:
            shown = f"signal {ended.signal}"
        why = "something outside of it did so"
        if ended.signal == 9 and out_of_memory:
            why = "the system ended it, as memory ran out"
        elif ended.signal in (4, 6, 7, 8, 11):
            why = last_words(errors) or "it crashed in native code: a bug of a library, or of its use"
        return ScriptFailed(
            f"{name} was killed by {shown}",
            why=why,
            way_out="use less memory, such as smaller batches" if out_of_memory else see,
            exit_status=ended.status,
        )
    if not has_input and b"EOFError" in (errors or output)[-2048:]:
        return ScriptFailed(
            f"{name} asked for input, and there is none",
            why=last_words(errors or output) or "its input is at its end",
            way_out="run it in a terminal, or give it a file: penstock run ... < answers.txt",
            exit_status=ended.status,
        )
    return ScriptFailed(
        f"{name} ended with exit status {ended.status}",
        why=_reason(errors, output),
        way_out=see,
        exit_status=ended.status,
    )


def _reason(errors: bytes, output: bytes) -> str:
    """What a program said of its failure. What it printed last is no reason, unless it is an error of Python: only a place to look."""
    if words := last_words(errors):
        return words
    words = last_words(output)
    if b"Traceback (most recent call last)" in output:
        return words
    return f"it does not say why; the last line that it printed: {words}" if words else "it does not say why"


def last_words(printed: bytes) -> str:
    """The line that says why: of a Python error its last line with the place in the user's own file; else the last line."""
    lines = [line.rstrip() for line in printed.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines:
        return ""
    starts = [i for i, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if not starts:
        return lines[-1].strip()[:500]
    inside = lines[starts[-1] + 1 :]
    words = next((line for line in inside if not line.startswith((" ", "\t"))), "")
    places = [found for line in inside if (found := re.match(r'\s+File "(.+?)", line (\d+)', line))]
    own = [
        place
        for place in places
        if "site-packages" not in place[1] and "/lib/python" not in place[1] and not place[1].startswith("<")
    ]
    if words and (own or places):
        place = (own or places)[-1]
        words = f"{words} ({os.path.basename(place[1])}, line {place[2]})"
    return words[:500]
