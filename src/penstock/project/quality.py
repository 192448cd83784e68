"""The ids of the checks of `penstock data quality`, and the limits that hold where `[quality.limits]` says nothing.

Ids are permanent. What a limit counts, and on which side of it a check fails, the check itself says.
"""

from __future__ import annotations

LIMITS: dict[str, float] = {
    "duplicate-rows": 0.01,
    "split-duplicates": 0.01,
    "near-duplicate-texts": 0.02,
    "label-conflicts": 0.01,
    "label-errors": 0.035,
    "too-good-column": 0.95,
    "dominant-column": 3.0,
    "target-copy": 0.98,
    "filled-by-outcome": 0.5,
    "time-travel": 0.01,
    "identifier-leak": 0.3,
    "constant-columns": 0.999,
    "redundant-columns": 0.99,
    "lost-digits": 0.1,
    "class-imbalance": 0.1,
    "rare-classes": 20.0,
    "scale-jumps": 2.0,
    "standing-still": 0.1,
    "part-shift": 0.6,
    "enough-rows": 0.01,
}
"""Id of a check -> its usual limit."""
