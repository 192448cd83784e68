"""One column of a batch by its distinct values: each is read and judged once, whatever the number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from penstock.bundle.decoder import Decoder, EncodedColumn
from penstock.bundle.kinds import MISSING_TIME, Kind
from penstock.bundle.specs import ColumnSpec


@dataclass(frozen=True)
class Values:
    """Distinct values as they are written and as they are read.

    Attributes
    ----------
    texts : as the file writes them. codes : the place in `texts` of each row's value, -1 where there is none; shape (n,).
    typed : the values read, as the array that `Kind` says, shape (k,). missing, unreadable : bool, shape (k,).
    """

    kind: Kind
    texts: Sequence[str]
    codes: np.ndarray
    typed: np.ndarray
    missing: np.ndarray
    unreadable: np.ndarray

    @classmethod
    def of(cls, column: EncodedColumn, spec: ColumnSpec) -> Values:
        """Read a column as it is declared."""
        texts = ["" if text is None else text for text in column.values]
        decoder = Decoder((spec,), None)
        frame, problems = decoder.decode_columns({spec.name: EncodedColumn(texts, np.arange(len(texts)))})
        typed = frame[spec.name]
        unreadable = np.zeros(len(texts), dtype=bool)
        unreadable[[problem.row for problem in problems]] = True
        if spec.kind is Kind.NUMERIC:
            absent = np.isnan(typed)
        elif spec.kind is Kind.DATETIME:
            absent = typed == MISSING_TIME
        else:
            absent = np.fromiter((value is None for value in typed), bool, len(typed))
        return cls(spec.kind, texts, np.asarray(column.codes), typed, absent & ~unreadable, unreadable)

    @cached_property
    def present(self) -> np.ndarray:
        """Which distinct values are read as something: bool, shape (k,)."""
        return ~(self.missing | self.unreadable)

    @cached_property
    def counts(self) -> np.ndarray:
        """Rows of each distinct value: shape (k,)."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.texts))

    def rows_with(self, chosen: np.ndarray, *, null: bool = False) -> np.ndarray:
        """Rows that hold one of the chosen distinct values: bool, shape (n,). `null`: of rows that hold none."""
        return np.append(chosen, null)[self.codes]  # code -1 picks the last

    @cached_property
    def numbers(self) -> np.ndarray:
        """Of numbers and instants: a float64 for each row, NaN where there is none; shape (n,)."""
        known = np.where(self.present, self.typed.astype(np.float64), np.nan)
        return np.append(known, np.nan)[self.codes]
