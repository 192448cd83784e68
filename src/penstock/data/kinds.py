"""What kind of column it is: rules on the training values, each with its reason in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from penstock.bundle.decoder import ColumnSpec, Kind
from penstock.bundle.images import is_image_url
from penstock.bundle.raw import Reader, Unreadable
from penstock.bundle.values import column_reader
from penstock.data.column_finding import ColumnFinding, Told, in_full, listed, plain, share_told, shown
from penstock.data.evidence import (
    MISSING_MARKERS,
    Evidence,
    any_leading_zero,
    exponent_code,
    plain_numbers,
    same_number_same_text,
)
from penstock.data.formats import DateFormat, date_format, number_format
from penstock.data.number_findings import exactly, told_of_lost, told_of_rounded, told_of_sentinels
from penstock.data.writing import AS_FOUND, Written
from penstock.errors import SchemaMismatch

UNIQUE_SHARE = 0.95  # of the filled rows that differ, for a column to name its rows
MIN_ROWS = 20  # in fewer rows, values differ by chance
TEXT_WORDS = 3.0  # mean words of a value, from which on it is read word by word
MAX_CODES = 200

_ID_NAME = re.compile(r"(^|[_\W])(id|ids|uuid|guid|index|rowid|rownum|row)$|[a-z](Id|ID|UUID)$", re.IGNORECASE)
_INFINITE = frozenset({"inf", "infinity", "∞"})
_CAMEL_ID = re.compile(r"[a-z](Id|ID|UUID)$")
_CODE_NAME = re.compile(r"(^|[_\W])(zip|zipcode|postcode|postal|code|cd|type)$|[a-z](Code|Type|Zip)$", re.IGNORECASE)


def infer_column(
    name: str,
    evidence: Evidence,
    *,
    total_rows: int,
    kind: Kind | None = None,
    missing: tuple[str, ...] | None = None,
    written: Written = AS_FOUND,
    exact: bool = True,
) -> tuple[ColumnSpec, ColumnFinding]:
    """The declaration of a column, from its training values.

    Parameters
    ----------
    total_rows : rows of the whole table (a row counter runs up to it).
    kind : the user's word, which is taken.
    missing : the user's missing markers; by default those of `MISSING_MARKERS` that occur.
    written : what the user says of how dates and numbers are written.
    exact : whether whole numbers beyond 2^53 may be kept less an origin, where float64 would round them.

    Raises
    ------
    SchemaMismatch : it cannot be read as the user says.
    """
    markers = _found_of(MISSING_MARKERS, evidence) if missing is None else tuple(sorted(missing))
    known = evidence.without(markers)
    spec, finding = _Column(name, known, total_rows, markers, missing is not None, written, exact).infer(kind)
    notes = []
    if evidence.blank:
        notes.append(Told(f"{evidence.blank} hold white space only"))
    said = frozenset(spec.missing)
    found = {evidence.texts[i]: int(evidence.counts[i]) for i in evidence.places_of(said).tolist()} if said else {}
    told = [f"{marker!r} in {found[marker]} rows" for marker in spec.missing if marker in found]
    if told:
        notes.append(
            Told(f"missing where it says {', '.join(told)}", f"missing by its markers in {sum(found.values())} rows")
        )
    return spec, finding.with_note(Told.joined(notes))


def _found_of(markers: frozenset[str], evidence: Evidence) -> tuple[str, ...]:
    return tuple(sorted(evidence.texts[i] for i in evidence.places_of(markers).tolist()))


@dataclass(frozen=True)
class _Column:
    name: str
    values: Evidence  # without missing markers
    total_rows: int
    markers: tuple[str, ...]
    markers_given: bool
    written: Written = AS_FOUND
    exact: bool = True

    def infer(self, kind: Kind | None) -> tuple[ColumnSpec, ColumnFinding]:
        if kind is None and self.written.formats:
            kind = Kind.DATETIME
        if kind is not None:
            return self._as_told(kind)
        values = self.values
        if values.distinct == 0:
            return self._found(Kind.CONSTANT, Told("no training row has a value"))
        if values.distinct == 1:
            one = shown(values.texts[0])
            if values.filled == values.rows:
                return self._found(
                    Kind.CONSTANT, Told(f"every training row says {one}", "every training row says the same")
                )
            return self._found(Kind.BINARY, Told(f"{one} or nothing", "one value or nothing"))
        if values.distinct == 2 and _truths(values.texts) == {"true", "false"}:
            return self._found(Kind.BINARY, Told("true or false"), boolean_text=True)
        numbers = number_format(values.texts, self.written)
        if numbers is not None:
            dates = None if self.written.settles_numbers else date_format(values, self.name, self.written)
            if dates is not None:
                return self._dates(dates)
            return self._numbers(numbers.numbers, numbers.why, decimal=numbers.decimal, thousands=numbers.thousands)
        if _truths(values.texts):
            return self._found(Kind.BINARY, Told("true or false in several spellings"), boolean_text=True)
        almost = self._numbers_but_for_few_texts()
        return almost if almost is not None else self._texts()

    def _found(
        self, kind: Kind, why: Told, warnings: tuple[Told, ...] = (), **how: Any
    ) -> tuple[ColumnSpec, ColumnFinding]:
        if kind is Kind.DATETIME and self.written.timezone:
            how["timezone"] = self.written.timezone
        spec = ColumnSpec(self.name, kind, missing=self.markers, **how)
        return spec, ColumnFinding(self.name, kind, why, warnings)

    def _dates(self, dates: DateFormat, why: str = "") -> tuple[ColumnSpec, ColumnFinding]:
        spec, finding = self._found(
            Kind.DATETIME, Told(why or dates.why), tuple(map(Told, dates.warnings)), formats=dates.formats
        )
        return spec, replace(finding, guessed=dates.formats if dates.swapped else ())

    def _as_told(self, kind: Kind) -> tuple[ColumnSpec, ColumnFinding]:
        why = Told("as told")
        numbers = number_format(self.values.texts, self.written) if self.values.texts else None
        if kind is Kind.NUMERIC:
            if numbers is None:
                said = self.written
                how = (
                    {"decimal": said.decimal or ".", "thousands": said.thousands or ""} if said.settles_numbers else {}
                )
                return self._found(kind, why, self._unreadable_numbers(), **how)
            form = {"decimal": numbers.decimal, "thousands": numbers.thousands}
            exact, origin, told = self._exactly(numbers.numbers, **form)
            rounded = () if origin else told_of_rounded(self.name, self.values.texts, numbers.numbers)
            warnings = (*rounded, *told_of_lost(self.name, exact))
            return self._found(kind, Told.joined([why, told]), warnings, **form, origin=origin)
        if kind is Kind.DATETIME:
            dates = date_format(self.values, f"{self.name} date", self.written)
            if self.written.formats:
                self._refuse_other_dates()
            if dates is None and self.values.texts:
                raise SchemaMismatch(
                    f"column {self.name!r} is told to be datetime, but its values are no dates that are known",
                    why=f"it holds {listed(self.values)}",
                    way_out=f'say how they are written, as formats.{self.name} = "%d/%m/%Y" under [data], or give the column '
                    "another kind",
                )
            if dates is None:
                return self._found(kind, why, formats=("iso",))
            return self._dates(dates, dates.why if self.written.formats else f"{why}: {dates.why}")
        if kind is Kind.TEXT:
            return self._found(kind, why)
        return self._found(
            kind,
            why,
            numeric_text=same_number_same_text(self.values.texts),
            boolean_text=bool(_truths(self.values.texts)),
        )

    def _refuse_other_dates(self) -> None:
        """Dates of which hardly one is written as it is said: most likely what is said is wrong."""
        formats = self.written.formats
        read = column_reader(ColumnSpec(self.name, Kind.DATETIME, formats=formats))
        other = [i for i, text in enumerate(self.values.texts) if not _reads(read, text)]
        rows = int(self.values.counts[other].sum()) if other else 0
        if 2 * rows > self.values.filled:
            raise SchemaMismatch(
                f"{rows} of {self.values.filled} values in {self.name!r} are no dates as {' or '.join(formats)}",
                why=f"[data] formats says they are; it holds {listed(self.values.without([]))}",
                way_out='correct the pattern: %d is the day, %m the month, %Y the year, "iso" is 2026-11-20',
            )

    def _unreadable_numbers(self) -> tuple[Told, ...]:
        other = [text for text in self.values.texts if plain_numbers([text]) is None]
        so = f"{len(other)} different values are no numbers"
        return (Told(f"{so}, such as {shown(other[0])}", so),) if other else ()

    # ---- numbers

    def _numbers(
        self, numbers: np.ndarray, note: str, *, decimal: str = ".", thousands: str = ""
    ) -> tuple[ColumnSpec, ColumnFinding]:
        values = self.values
        form: dict[str, Any] = {"decimal": decimal, "thousands": thousands}
        exact, origin, told = self._exactly(numbers, **form)
        distinct = len(np.unique(exact))
        tail = Told(note)
        rounded = () if origin else told_of_rounded(self.name, values.texts, numbers)
        if all(map(exponent_code, values.texts)):
            like, one, they = (
                f"like {shown(values.texts[0])}",
                f"values such as {shown(values.texts[0])}",
                "they name things",
            )
            says = f'are read as names: kinds.{self.name} = "numeric" under [data] reads numbers'
            reads = Told(f"{self.name}: {one} {says}", f"{self.name}: values with an exponent {says}")
            if own := values.filled >= MIN_ROWS and values.share >= UNIQUE_SHARE:
                they += ", and each row has its own"
            why = Told(
                f"all are written {like}, as no program writes numbers: {they}",
                f"all are written with an exponent as no program writes numbers: {they}",
            )
            if own:
                return self._found(Kind.IDENTIFIER, why, (reads,))
            return self._found(Kind.CATEGORICAL, why, (reads,))
        if distinct == 1:
            kind = Kind.CONSTANT if values.filled == values.rows else Kind.BINARY
            one_only = Told(f"one number only, {plain(numbers[0])}", "one number only")
            return self._found(kind, Told.joined([one_only, tail]), rounded, numeric_text=True, **form)
        if distinct == 2:
            low, high = (in_full(number, origin) for number in sorted(set(exact.tolist())))
            why = Told.joined([Told(f"two numbers, {low} and {high}", "two numbers"), tail])
            return self._found(Kind.BINARY, why, rounded, numeric_text=True, **form)
        whole = bool((numbers == np.floor(numbers)).all())
        if any_leading_zero(values.texts):
            zeros = "digits with leading zeros name things, they do not count"
            if values.filled >= MIN_ROWS and values.share >= UNIQUE_SHARE:
                return self._found(Kind.IDENTIFIER, Told(f"{zeros}, and each row has its own"))
            return self._found(Kind.CATEGORICAL, Told(zeros))
        if whole:
            plainly = same_number_same_text(values.texts)
            names_rows = self._whole_numbers_that_name_rows(numbers)
            if names_rows:
                return self._found(Kind.IDENTIFIER, Told(names_rows), numeric_text=plainly)
            if _CODE_NAME.search(self.name) and distinct <= MAX_CODES:
                why = Told(f"{distinct} whole numbers, and the name speaks of codes")
                return self._found(Kind.CATEGORICAL, why, numeric_text=plainly, **form)
        sort = "whole numbers" if whole else "numbers"
        low, high = in_full(exact.min(), origin), in_full(exact.max(), origin)
        so = f"{distinct} different {sort}"
        why = Told.joined([Told(f"{so} from {low} to {high}", so), tail, told])
        warnings = (*rounded, *told_of_lost(self.name, exact), *told_of_sentinels(values, numbers))
        return self._found(Kind.NUMERIC, why, warnings, **form, origin=origin)

    def _exactly(self, numbers: np.ndarray, **form: str) -> tuple[np.ndarray, int, Told]:
        return exactly(self.values.texts, numbers, **form) if self.exact else (numbers, 0, Told(""))

    def _whole_numbers_that_name_rows(self, numbers: np.ndarray) -> str:
        values = self.values
        share = values.share
        if np.abs(numbers).max() > 2**53 and share >= 0.5:
            return "whole numbers too long for arithmetic, most rows with one of their own"
        if values.filled < MIN_ROWS:
            return ""
        if share >= UNIQUE_SHARE and _is_id_name(self.name):
            return "each row has its own whole number, and the name says id"
        if share >= 0.1 and _is_id_name(self.name):
            return "the name says id, and few rows share one"
        steps = np.diff(numbers[values.sequence])
        counts_rows = values.distinct == values.filled and share >= UNIQUE_SHARE and bool((steps > 0).all())
        if counts_rows and numbers.max() - numbers.min() <= 1.5 * self.total_rows:
            return "it counts the rows"
        return ""

    def _numbers_but_for_few_texts(self) -> tuple[ColumnSpec, ColumnFinding] | None:
        values = self.values
        no_numbers = (text for text in values.texts if plain_numbers([text]) is None)
        endless = {text for text in values.texts if text.lower().lstrip("+-") in _INFINITE}
        other = list(islice((text for text in no_numbers if text not in endless), 3))
        if len(other) > 2 or (other and (values.distinct < 10 or self.markers_given)):
            return None
        rows = values.filled - values.without(other).filled
        without_end = {text: int(n) for text, n in zip(values.texts, values.counts, strict=True) if text in endless}
        other += sorted(endless)
        rest = values.without(other)
        numbers = plain_numbers(rest.texts)
        if numbers is None or not rest.texts or rows > 0.5 * values.filled:
            return None
        markers = tuple(sorted({*self.markers, *other}))
        spec, finding = replace(self, values=rest, markers=markers)._numbers(numbers, "")
        told = " and ".join(map(shown, other))
        are = "is no number" if len(other) == 1 else "are no numbers"
        warned = finding.warnings
        if without_end:
            named = " and ".join(f"{shown(text)} in {n} rows" for text, n in sorted(without_end.items()))
            so = "infinities are taken for missing; write them as a number in the source where they mean one"
            warned += (Told(f"{named}: {so}", so),)
        taken = Told(f"{told} {are} and taken for missing", "a value or more that are no numbers are taken for missing")
        return spec, replace(finding.with_note(taken), warnings=warned)

    def _mostly_numbers(self) -> tuple[Told, ...]:
        """Of a column of texts, whether half of its rows hold numbers."""
        other = [text for text in self.values.texts if plain_numbers([text]) is None]
        rows = self.values.filled - self.values.without(other).filled
        if 2 * rows > self.values.filled or not other:
            return ()
        named, what = (
            "" if len(other) == 1 else f" and {len(other) - 1} others",
            share_told(1 - rows / self.values.filled),
        )
        so = f'so that it is read as text: kinds.{self.name} = "numeric" under [data] reads the numbers and takes the rest for missing'
        are = f"{what} of the values are numbers"
        return (
            Told(f"{are}, {shown(other[0])}{named} are not, {so}", f"{are}, {len(other)} different ones are not, {so}"),
        )

    # ---- texts

    def _texts(self) -> tuple[ColumnSpec, ColumnFinding]:
        values = self.values
        if all(map(is_image_url, values.texts)):
            return self._found(Kind.TEXT, Told("images as data URLs: `pixels` makes numbers of them"))
        dates = date_format(values, self.name, self.written)
        if dates is not None:
            return self._dates(dates)
        if values.distinct == 2:
            return self._found(Kind.BINARY, Told(f"two values, {listed(values)}", "two values"))
        share = values.share
        words = np.fromiter(map(len, map(str.split, values.texts)), dtype=np.float64, count=values.distinct)
        mean_words = float(words @ values.counts / values.filled)
        many = values.distinct > 50 or (share >= 0.5 and values.distinct > 5)
        if many and ((mean_words >= TEXT_WORDS and share >= 0.5) or (mean_words >= 8 and share >= 0.1)):
            return self._found(
                Kind.TEXT, Told(f"{mean_words:.1f} words on average, {share_told(share)} of the values differ")
            )
        if values.filled >= MIN_ROWS and share >= UNIQUE_SHARE:
            return self._found(
                Kind.IDENTIFIER, Told(f"{share_told(share)} of the values differ, of one or two words each")
            )
        if values.filled >= MIN_ROWS and share >= 0.5 and _is_id_name(self.name):
            return self._found(Kind.IDENTIFIER, Told(f"{share_told(share)} of the values differ, and the name says id"))
        warnings: tuple[Told, ...] = ()
        if share >= 0.5 and values.filled >= MIN_ROWS:
            few = f"{values.distinct} different values in {values.filled} rows: few repeat, little can be learned"
            warnings = (Told(few),)
        amounts = sum(bool(re.fullmatch(r"[^\w\s]?\s?[\d.,]+\s?\D{0,3}", text)) for text in values.texts)
        if mixed := self._mostly_numbers():
            warnings = mixed
        elif amounts > 0.9 * values.distinct and any(char.isdigit() for char in values.texts[0]):
            so = "look like numbers with a unit: write them without it to use them so"
            warnings += (Told(f"values such as {shown(values.texts[0])} {so}", f"values {so}"),)
        why = Told(f"{values.distinct} different values: {listed(values)}", f"{values.distinct} different values")
        return self._found(Kind.CATEGORICAL, why, warnings, numeric_text=same_number_same_text(self.values.texts))


def _reads(read: Reader, text: str) -> bool:
    try:
        return read(text) is not None
    except Unreadable:
        return False


def _is_id_name(name: str) -> bool:
    return _ID_NAME.search(name) is not None or _CAMEL_ID.search(name) is not None


def _truths(texts: Sequence[str]) -> set[str]:
    """Which of "true" and "false" these texts are, in whatever case; none where one is something else."""
    found: set[str] = set()
    for text in texts:
        lower = text.lower() if len(text) <= 5 else ""
        if lower not in ("true", "false"):
            return set()
        found.add(lower)
    return found
