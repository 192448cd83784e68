"""The command line: one thin file per verb. The work returns a result or raises; printing and exit codes are here, once."""

from __future__ import annotations

import gc
import sys

_ALLOCATIONS = 50_000
"""Between two looks for garbage; with Python's 700, a tenth of the time until a program starts went into looking."""


def main() -> None:
    """Entry point of the command `penstock`."""
    gc.set_threshold(_ALLOCATIONS, 10, 10)
    from penstock.cli.app import run

    sys.exit(run(sys.argv[1:]))
