"""The command line: one thin file per verb. The work returns a result or raises; printing and exit codes are here, once."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the command `penstock`."""
    from penstock.cli.app import run

    sys.exit(run(sys.argv[1:]))
