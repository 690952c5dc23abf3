"""How sure a figure is: intervals for shares and medians.

Shares carry Wilson's 95 % interval (Wilson, JASA 22, 1927), which stays sensible at 0 and 100 %
and for few recordings. Medians carry a percentile bootstrap interval (Efron & Tibshirani, 1993)
with a fixed seed; its medians are drawn from their exact distribution, that of the middle order
statistic (David & Nagaraja, Order Statistics, 2003), so that many numbers take no more memory and
time than few.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spikeproof.results import Proportion, Summary

_Z = 1.959963984540054  # 97.5 % point of the normal distribution
_RESAMPLES = 2000


def proportion(k: int, n: int) -> Proportion:
    """``k`` of ``n`` with its 95 % interval."""
    if n == 0:
        return Proportion(0, 0)
    p = k / n
    middle = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
    low = 0.0 if k == 0 else middle - half
    high = 1.0 if k == n else middle + half
    return Proportion(k, n, p, low, high)


def summary(values: Sequence[float] | NDArray[np.float64]) -> Summary:
    """Mean, median, quartiles and the 95 % interval of the median."""
    if not len(values):
        return Summary(0)
    x = np.sort(np.asarray(values, dtype=np.float64))
    q25, median, q75 = np.percentile(x, [25, 50, 75])
    low, high = np.percentile(_resampled_medians(x), [2.5, 97.5])
    return Summary(
        n=len(x),
        mean=float(x.mean()),
        median=float(median),
        q25=float(q25),
        q75=float(q75),
        low=float(low),
        high=float(high),
    )


def _resampled_medians(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Medians of resamples of the sorted ``x``, without drawing the resamples.

    A resample is ``x[floor(n u)]`` for n uniform u. Its k-th smallest value is that of the k-th
    smallest u, which is distributed as Beta(k, n + 1 - k); the next one divides what is left up to
    1 as the smallest of n - k uniform numbers does.
    """
    n, rng = len(x), np.random.default_rng(0)
    k = (n + 1) // 2
    u = rng.beta(k, n + 1 - k, _RESAMPLES)
    middle = x[_place(u, n)]
    if n % 2:
        return middle
    return (middle + x[_place(u + (1 - u) * rng.beta(1, n - k, _RESAMPLES), n)]) / 2


def _place(u: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    return np.minimum((n * u).astype(np.int64), n - 1)
