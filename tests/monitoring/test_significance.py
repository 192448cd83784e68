"""Limits are passed by chance as rarely as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact, ks_2samp, power_divergence

from penstock.monitoring.significance import g_distance, g_limit, ks_limit, share_limit


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_ks_limits_hold_for_continuous_samples(alpha):
    """2,000 pairs of samples."""
    rng = np.random.default_rng(0)
    over = sum(ks_2samp(rng.random(800), rng.random(150)).statistic > ks_limit(alpha, 800, 150) for _ in range(2000))
    assert over / 2000 == pytest.approx(alpha, abs=0.012)


def test_g_is_that_of_the_two_by_k_table():
    """As scipy's power divergence with lambda 0."""
    reference, window = np.array([500, 300, 200]), np.array([40, 35, 25])
    both = reference + window
    expected = np.r_[both * 1000 / 1100, both * 100 / 1100]
    g = power_divergence(np.r_[reference, window], expected, lambda_="log-likelihood").statistic
    w, df = g_distance(reference, window)
    assert w**2 * (1000 * 100 / 1100) == pytest.approx(g)
    assert df == 2


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.001])
def test_g_limits_hold_with_rare_values(alpha):
    """Zipf counts: 200 values, of which most are rare."""
    rng = np.random.default_rng(1)
    shares = 1 / np.arange(1, 201)
    shares /= shares.sum()
    over = 0
    for _ in range(4000):
        w, df = g_distance(rng.multinomial(10_000, shares), rng.multinomial(400, shares))
        over += w > g_limit(alpha, 10_000, 400, df)
    assert over / 4000 <= alpha * 1.6 + 0.001


def test_a_value_that_never_was_is_not_lost_among_the_rare():
    """All rows on a value with no reference row."""
    w, _ = g_distance([1000, 0], [0, 50])
    assert w > g_limit(1e-6, 1000, 50, 1)


@pytest.mark.parametrize(
    ("m", "hits", "n"), [(1000, 0, 500), (1000, 30, 500), (200, 2, 50), (5000, 2500, 300), (0, 0, 40)]
)
def test_share_limits_are_fishers(m, hits, n):
    """At the limit chance allows it; one more hit, it does not."""
    alpha = 1e-3
    k = round(share_limit(alpha, m, hits, n) * n)

    def p(k: int) -> float:
        return fisher_exact([[k, n - k], [hits, m - hits]], alternative="greater").pvalue

    assert p(k) >= alpha
    if k < n:
        assert p(k + 1) < alpha


def test_nothing_to_compare_is_nan():
    """No rows on one side."""
    assert np.isnan(g_distance([0, 0], [1, 2])[0])
