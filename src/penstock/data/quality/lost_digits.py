"""`lost-digits`"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.bundle.kinds import Kind
from penstock.data.digits import kept
from penstock.data.quality.check import Finding, failures_or_nearest, finding
from penstock.data.quality.view import View


class LostDigits:
    """Numbers that are different in the table and the same for the model.

    What it does
        Counts the different numbers of each numeric column among the training rows, and how many of them are left as float32, which has 24
        bits (about 7 digits) and is what a model sees: less an offset, which the decoder subtracts first where that keeps more of them. It fails
        where more than the limit (10 %) of them still share one with another. At most 20,000 different numbers are looked at, evenly by size; a
        column of fewer than 10 that are not whole passes.
    Why it matters
        What differs little for the range of its column has no difference left, so that a column that explains everything teaches nothing. No
        step of a recipe can bring back what was lost before it.
    Example that fails
        `ns` holds the nanosecond of the day of a million events, many of them within the same microsecond, which are one for the model. The
        seconds of one hour since 1970 (1700000000, 1700000001, and so on) pass: they are taken less 1700000000.
    What to do
        Write instants as dates, which are kept in whole microseconds, take the number apart in the source (seconds, and nanoseconds within them),
        or say that the numbers are names: `kinds.ns = "categorical"` under `[data]`.
    Reference
        IEEE 754-2019, 3.6, binary32; Goldberg (1991), What every computer scientist should know about floating-point arithmetic.
    """

    id = "lost-digits"

    def judge(self, view: View, limit: float) -> Sequence[Finding]:
        found = []
        for name in view.of_kind(Kind.NUMERIC):
            seen = kept(view.train[name])
            why = f"of {seen.before} different numbers {seen.after} are left in float32, as the model sees them"
            found.append(finding(self, name, seen.lost_share, limit, why))
        return failures_or_nearest(self, found, limit, "there are no numbers")
