"""Whether matches prove something: their share, held against the share that chance would give.

One number in ten has a right Luhn digit and one in eleven a right digit modulo 11, so a match alone says little. The digits of
the column's own values are shuffled (the last six of each, as what stands before them is often alike) and matched again: that is the share by chance, for numbers of this very form. The evidence
is n KL(share, chance) nats (the bound of Hoeffding 1963, J. Am. Stat. Assoc. 58, 13, theorem 1, for so many matches by chance).
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Sequence
from functools import cache

from penstock.data.privacy.recogniser import Column, Confidence, Evidence, Proof, Recogniser

MOST = 0.8  # of the values, for the column to be of this kind
HALF = 0.5
SURE, LIKELY = (
    30.0,
    14.0,
)  # nats: a chance of 1e-13 and of 1e-6, small beside the number of columns and kinds that are tried
LEAST_CHANCE = 1e-4  # a structure that nothing else follows is still followed by something
FEW = 3  # values of a rare kind in a column of others
RARE = 0.01
SHUFFLED = 300
LAST = 6

_DIGIT = re.compile(r"[0-9]")


def nats(share: float, chance: float, n: int) -> float:
    """Evidence against chance, >= 0: n times the Kullback-Leibler divergence of two coins; 0 where the share is no larger.

    >>> round(nats(1.0, 1 / 11, 6), 1), nats(0.1, 0.1, 1000)
    (14.4, 0.0)
    """
    chance = min(max(chance, LEAST_CHANCE), 1.0)
    if share <= chance:
        return 0.0
    rest = (1 - share) * math.log((1 - share) / (1 - chance)) if share < 1 else 0.0
    return n * (share * math.log(share / chance) + rest)


def shuffled(values: Sequence[str], last: int | None = None) -> list[str]:
    """The values with their digits (the last so many of them) in another order, each at a digit's place.

    The same for the same values.
    """
    dice = random.Random(0)
    made = []
    for value in values[:SHUFFLED]:
        digits = _DIGIT.findall(value)
        moving = digits[-last:] if last else digits
        dice.shuffle(moving)
        digits[len(digits) - len(moving) :] = moving
        following = iter(digits)
        made.append(_DIGIT.sub(lambda _, following=following: next(following), value))  # type: ignore[misc]
    return made


def chance_of(matches: Callable[[str], bool], values: Sequence[str], last: int | None = None) -> float:
    """Share of values of the same form that match by chance; see `shuffled`."""
    others = shuffled(values, last)
    return sum(map(matches, others)) / len(others) if others else 0.0


def by_values(
    recogniser: Recogniser,
    column: Column,
    *,
    shape: str,
    proof: Proof,
    chance: float | None = None,
    alone: bool = True,
    most: float = MOST,
    matches: Callable[[str], bool] | None = None,
    last: int | None = LAST,
) -> Evidence | None:
    """The judgement of most kinds: of whole values, and of hits inside texts.

    Parameters
    ----------
    shape : regular expression of a whole value; only values of this shape are asked `matches`.
    chance : share of other values that match; None: measured by shuffling digits.
    alone : whether values say enough without the column's name; `most` : share of them that then has to match.
    matches : asked instead of the recogniser's own, of whole values.
    last : so many digits are shuffled, as what stands before them (issuers, dates) is often alike in ordinary numbers too.
    """
    named, asked = column.named(recogniser.hint), matches or recogniser.matches
    if column.texts:
        return (
            inside(recogniser, column, proof=proof, chance=chance, named=named, last=last) if alone or named else None
        )
    of_shape = _compiled(shape)
    if not column.values or not of_shape.search(column.joined):
        return None
    whole = re.compile(shape)
    shaped = [value for value in column.values if whole.fullmatch(value)]
    matched = [value for value in shaped if asked(value)]
    n, share = len(column.values), len(matched) / len(column.values)
    if not matched:
        return None
    by_chance = chance_of(asked, shaped, last) if chance is None else chance
    evidence = nats(len(matched) / len(shaped), by_chance, len(shaped))
    confidence = _confidence(
        share, evidence, len(matched), len(matched) / len(shaped), named=named, alone=alone, proof=proof, most=most
    )
    if confidence is None:
        return None
    return Evidence(
        recogniser.name, confidence, proof, share, by_chance, n, named, False,
        words_of(recogniser.says, share, n, by_chance, proof, named, "values"),
    )  # fmt: skip


def _confidence(
    share: float, evidence: float, matched: int, of_shape: float, *, named: bool, alone: bool, proof: Proof, most: float
) -> Confidence | None:
    if share >= most and evidence >= SURE and alone and proof != "pattern":
        return "high"
    if named and share >= HALF:
        return "high" if evidence >= LIKELY and share >= MOST else "medium"
    if alone and share >= most and evidence >= LIKELY:
        return "medium"
    if alone and matched >= FEW and share >= RARE and _is_rare_kind(proof, evidence, of_shape):
        return "medium"
    return None


def _is_rare_kind(proof: Proof, evidence: float, of_shape: float) -> bool:
    """Whether some values are of a kind that the others are not: by a grammar, or by check digits that most of that form have right."""
    return (proof == "structure" and evidence >= LIKELY) or (
        proof == "checksum" and evidence >= SURE and of_shape >= MOST
    )


def inside(
    recogniser: Recogniser,
    column: Column,
    *,
    proof: Proof,
    chance: float | None,
    named: bool,
    last: int | None = LAST,
    matches: Callable[[str], bool] | None = None,
) -> Evidence | None:
    """Hits inside texts: what has the form, and how much of that is more than form."""
    asked = matches or recogniser.matches
    if not recogniser.mask:
        return None
    find = re.compile(recogniser.mask)
    candidates: list[str] = []
    texts = 0
    for text in column.holding(recogniser.needs):
        found = [match[0].strip() for match in find.finditer(text)]
        candidates += found
        texts += any(map(asked, found))
    hits = [candidate for candidate in candidates if asked(candidate)]
    if not hits:
        return None
    by_chance = chance_of(asked, candidates, last) if chance is None else chance
    evidence = nats(len(hits) / len(candidates), by_chance, len(candidates))
    if evidence < LIKELY:
        return None
    confidence: Confidence = "high" if evidence >= SURE and proof != "pattern" else "medium"
    n, share = len(column.values), texts / len(column.values)
    return Evidence(
        recogniser.name, confidence, proof, share, by_chance, n, named, True,
        words_of(recogniser.says, share, n, by_chance, proof, named, "texts"),
    )  # fmt: skip


def by_name(recogniser: Recogniser, column: Column, *, shape: str, least: float = HALF) -> Evidence | None:
    """The judgement of kinds that only the column's name hints at: never more than low confidence."""
    if not column.named(recogniser.hint) or not column.values:
        return None
    whole = re.compile(shape)
    share = sum(whole.fullmatch(value) is not None for value in column.values) / len(column.values)
    if share < least:
        return None
    n = len(column.values)
    why = f"the column's name speaks of {recogniser.says}, and {_percent(share)} of {n} values do not speak against it"
    return Evidence(recogniser.name, "low", "name", share, 1.0, n, True, False, why)


@cache
def _compiled(shape: str) -> re.Pattern[str]:
    return re.compile(f"(?m)^(?:{shape})$")


_PROVEN = {
    "checksum": "their check digits are right",
    "structure": "they follow the grammar",
    "pattern": "they have the form, which has no check digits",
    "name": "only the column's name says so",
}


def words_of(
    says: str, share: float, n: int, chance: float, proof: Proof, named: bool, what: str, proven: str = ""
) -> str:
    """The evidence in a sentence, which quotes no value."""
    held = "are" if what == "values" else "hold"
    by_chance = f"; by chance {_percent(chance)} would be" if chance >= 0.001 else ""
    name = "; the column's name says so, too" if named else ""
    return f"{_percent(share)} of {n} {what} {held} {says}: {proven or _PROVEN[proof]}{by_chance}{name}"


def _percent(share: float) -> str:
    """
    >>> _percent(0.5), _percent(0.0004), _percent(0)
    ('50 %', '0.04 %', '0 %')
    """
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"
