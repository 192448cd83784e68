"""Sets of kinds that steps take."""

from __future__ import annotations

from penstock.bundle.kinds import INPUT_KINDS, Kind

NUMBERS = frozenset({Kind.NUMERIC})
CATEGORIES = frozenset({Kind.BINARY, Kind.CATEGORICAL})
TEXTS = frozenset({Kind.TEXT})
TIMES = frozenset({Kind.DATETIME})
ANY = INPUT_KINDS
