"""How sure a figure is: intervals for shares and medians.

Shares carry Wilson's 95 % interval (Wilson, JASA 22, 1927), which stays sensible at 0 and 100 %
and for few recordings. Medians carry a percentile bootstrap interval (Efron & Tibshirani, 1993)
with a fixed seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

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


def summary(values: Sequence[float]) -> Summary:
    """Mean, median, quartiles and the 95 % interval of the median."""
    return _summary(tuple(values)) if len(values) else Summary(0)


@lru_cache(maxsize=4096)  # an audit sums up the same figures after every part
def _summary(values: tuple[float, ...]) -> Summary:
    x = np.asarray(values, dtype=np.float64)
    q25, median, q75 = np.percentile(x, [25, 50, 75])
    draws = np.random.default_rng(0).integers(len(x), size=(_RESAMPLES, len(x)))
    low, high = np.percentile(np.median(x[draws], axis=1), [2.5, 97.5])
    return Summary(
        n=len(x),
        mean=float(x.mean()),
        median=float(median),
        q25=float(q25),
        q75=float(q75),
        low=float(low),
        high=float(high),
    )
