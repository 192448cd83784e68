"""Flags of any script: found in its source, assigned from words, passed on to it."""

from penstock.experiments.flags.command import Command, command
from penstock.experiments.flags.detect import detect
from penstock.experiments.flags.flag import Flag
from penstock.experiments.flags.flag_set import FlagSet

__all__ = ["Command", "Flag", "FlagSet", "command", "detect"]
