from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from spikeproof.evaluate import proportion, summary


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    # Wilson's interval, computed by hand from its formula with z = 1.96
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (195, 200, 0.943, 0.989),
    ],
)
def test_wilson_interval(k, n, low, high):
    share = proportion(k, n)
    assert share.value == k / n
    assert share.low == pytest.approx(low, abs=5e-4)
    assert share.high == pytest.approx(high, abs=5e-4)


def test_nothing_of_nothing_has_no_value():
    assert proportion(0, 0).value is None
    assert summary([]).median is None


def test_summary_of_known_numbers():
    s = summary([1, 2, 3, 4, 5])
    assert (s.n, s.mean, s.median, s.q25, s.q75) == (5, 3.0, 3.0, 2.0, 4.0)
    assert s.low <= s.median <= s.high
    assert summary([7, 7, 7]).low == summary([7, 7, 7]).high == 7.0


def test_the_interval_of_the_median_narrows_with_more_numbers():
    few, many = summary(list(range(10))), summary([i / 100 for i in range(1000)])
    assert many.high - many.low < (few.high - few.low) / 3


@pytest.mark.parametrize("n", [1, 2, 9, 40])
def test_the_interval_is_that_of_resampling(n):
    x = np.random.default_rng(n).lognormal(size=n)
    resamples = np.random.default_rng(1).choice(x, (20_000, n))
    low, high = np.percentile(np.median(resamples, axis=1), [2.5, 97.5])
    ranks = np.searchsorted(np.sort(x), [low, high, summary(x).low, summary(x).high])
    assert np.abs(ranks[:2] - ranks[2:]).max() <= 1  # by at most one number


def test_many_numbers_take_no_memory_for_resamples():
    tracemalloc.start()
    summary(np.arange(100_000.0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000
