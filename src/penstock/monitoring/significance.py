"""How far a window may differ from the reference by chance, in the unit of each check.

Each function answers: with a reference of m rows and a window of n, which value is passed with probability `alpha` at
most, if both come from one source? So a report can show the value and its limit side by side.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

FEW = 5.0  # expected rows of the window; rarer values are counted together


def ks_limit(alpha: float, m: int, n: int) -> float:
    """Limit of the Kolmogorov-Smirnov distance of two samples.

    Source: the asymptotic distribution with the correction of Stephens (1970), J. R. Stat. Soc. B 32, 115. With ties it
    is passed even less often than alpha.
    """
    from scipy.special import kolmogi

    root = np.sqrt(m * n / (m + n))
    return float(min(1.0, kolmogi(alpha) / (root + 0.12 + 0.11 / root)))


def g_distance(reference: npt.ArrayLike, window: npt.ArrayLike) -> tuple[float, int]:
    """How different two lists of counts are, and the degrees of freedom of the test of it.

    Parameters
    ----------
    reference, window : counts of the same values, shape (n_values,)

    Returns
    -------
    (w, df) : w = sqrt(G / (m n / (m + n))) with the G statistic of the 2 x k table; near Cohen's effect size w, where 0.1
        is small and 0.5 large. Values expected fewer than 5 times in the window are counted as one.

    Source: Sokal & Rohlf (2012), Biometry, 4th ed., ch. 17. G rather than Pearson's statistic, whose tail is far too
    heavy where few are expected.
    """
    ref, win = np.asarray(reference, dtype=np.float64), np.asarray(window, dtype=np.float64)
    m, n = ref.sum(), win.sum()
    if m == 0 or n == 0:
        return float("nan"), 0
    rare = ref / m * n < FEW
    ref, win = np.r_[ref[~rare], ref[rare].sum()], np.r_[win[~rare], win[rare].sum()]
    seen = (ref + win) > 0
    ref, win = ref[seen], win[seen]
    both = ref + win
    g = 2 * (_of_logs(ref, both * m / (m + n)) + _of_logs(win, both * n / (m + n)))
    return float(np.sqrt(max(0.0, g) / (m * n / (m + n)))), len(ref) - 1


def g_limit(alpha: float, m: int, n: int, df: int) -> float:
    """Limit of `g_distance`."""
    from scipy.special import chdtri

    return float(np.sqrt(chdtri(max(1, df), alpha) / (m * n / (m + n))))


@lru_cache(maxsize=4096)
def share_limit(alpha: float, m: int, hits: int, n: int) -> float:
    """Largest share of hits among n rows that chance allows, where `hits` of m reference rows were hits.

    Fisher's exact test, one side: the limit is exact for every m and n, and passed with probability alpha at most.
    """
    low, high = -1, n + 1  # low is never significant, high always (there are no n + 1 rows)
    while high - low > 1:
        k = (low + high) // 2
        if _tail(m, hits, n, k) < alpha:
            high = k
        else:
            low = k
    return low / n


def _tail(m: int, hits: int, n: int, k: int) -> float:
    """P(at least k of the hits fall among the n rows), all m + n rows being alike (hypergeometric)."""
    if k <= 0:
        return 1.0
    from scipy.special import gammaln

    def log_choose(a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.float64]:
        x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
        return np.asarray(gammaln(x + 1) - gammaln(y + 1) - gammaln(x - y + 1))

    all_hits = hits + k
    j = np.arange(k, min(all_hits, n) + 1)
    return float(np.exp(log_choose(all_hits, j) + log_choose(m + n - all_hits, n - j) - log_choose(m + n, n)).sum())


def _of_logs(observed: npt.NDArray[np.float64], expected: npt.NDArray[np.float64]) -> float:
    some = observed > 0
    return float((observed[some] * np.log(observed[some] / expected[some])).sum())
