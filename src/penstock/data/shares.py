"""How sure a share is that was counted."""

from __future__ import annotations

import math


def wilson(hits: float, n: float, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a share; (0, 1) of no rows. Wilson (1927), J. Am. Stat. Assoc. 22, 209.

    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.49, 0.943]
    """
    if n == 0:
        return 0.0, 1.0
    share, spread = hits / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    reach = z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, centre - reach), min(1.0, centre + reach)
