"""The few words that every stage shares: what a column is, and what a model is asked for."""

from __future__ import annotations

from enum import StrEnum

MISSING_TIME = -(2**63)
"""An absent instant among int64 microseconds since 1970 (UTC)."""


class Kind(StrEnum):
    """What a column holds. The decoder gives each kind one array type; see `penstock.bundle.decoder`."""

    NUMERIC = "numeric"  # float64, NaN where missing
    BINARY = "binary"  # str, None where missing; two values
    CATEGORICAL = "categorical"  # str, None where missing
    TEXT = "text"  # str, None where missing; many words
    DATETIME = "datetime"  # int64 microseconds since 1970, UTC; MISSING_TIME where missing
    IDENTIFIER = "identifier"  # str; names a row, says nothing about it; not an input
    CONSTANT = "constant"  # str; one value only; not an input


INPUT_KINDS = frozenset({Kind.NUMERIC, Kind.BINARY, Kind.CATEGORICAL, Kind.TEXT, Kind.DATETIME})


class Task(StrEnum):
    """What is predicted."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"

    @property
    def is_classification(self) -> bool:
        return self is not Task.REGRESSION
