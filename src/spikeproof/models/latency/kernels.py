"""The race of a hidden layer to its first spikes, compiled for the CPU with numba.

Inputs are taken in the order of their spikes. Between two of them every membrane is a straight
line, ``v_i(t) = s_i t - q_i`` with ``s_i = sum_j w_ij`` and ``q_i = sum_j w_ij t_j`` over the
inputs that have spiked, so it is at threshold at ``(theta_i + q_i) / s_i`` if that comes before
the next input. The race is over when ``k`` neurons have spiked, mostly before half of the
inputs have, and nothing later is computed. Samples run side by side and do not see each other.
"""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

Floats = NDArray[Any]
I64 = NDArray[np.int64]


@no_type_check  # numba compiles the plain function, not one wrapped in run-time checks
@njit(cache=True)
def arrivals(x: Floats, order: I64) -> int:
    """Fill ``order`` with the inputs that spike before 1, earliest first; how many they are."""
    count = 0
    for j in range(x.shape[0]):
        if x[j] > 0:
            order[count] = j
            count += 1
    by_time = np.argsort(-x[order[:count]], kind="mergesort")
    order[:count] = order[:count][by_time]
    return count


@no_type_check
@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def race(
    x: Floats,
    order: I64,
    weight: Floats,
    theta: Floats,
    s: Floats,
    q: Floats,
    who: I64,
    when: Floats,
    slope: Floats,
) -> int:
    """Fill ``who``, ``when`` and ``slope`` ``[k]`` with the first neurons; how many spiked.

    ``weight`` is ``[F, H]``, ``s`` and ``q`` ``[H]`` are scratch; neurons that spike at the same
    time are in the order of their numbers. ``slope`` is that of the membrane as it spikes.
    """
    n_units, k = weight.shape[1], who.shape[0]
    s[:] = 0.0
    q[:] = 0.0
    found = 0
    count = arrivals(x, order)
    one = weight.dtype.type(1.0)
    for e in range(count):
        t = max(one - x[order[e]], weight.dtype.type(0.0))
        following = one
        if e + 1 < count:
            following = max(one - x[order[e + 1]], weight.dtype.type(0.0))
        row = weight[order[e]]
        crossed = 0
        for i in range(n_units):
            s[i] += row[i]
            q[i] += row[i] * t
            crossed += s[i] * following - q[i] >= theta[i]
        if crossed == 0:
            continue
        first = found  # those that spiked earlier stay where they are
        for i in range(n_units):
            if s[i] * following - q[i] < theta[i]:
                continue
            due = min(max((theta[i] + q[i]) / s[i], t), following)
            place = found
            if found < k:
                found += 1
            else:
                place = k - 1
                if place < first or due >= when[place]:
                    continue
            while place > first and when[place - 1] > due:
                when[place] = when[place - 1]
                who[place] = who[place - 1]
                slope[place] = slope[place - 1]
                place -= 1
            when[place], who[place], slope[place] = due, i, s[i]
            q[i] = np.inf  # one spike only
        if found == k:
            return found
    return found


@no_type_check
@njit(parallel=True, cache=True)
def first_spikes(
    x: Floats, weight: Floats, theta: Floats, who: I64, when: Floats, slope: Floats
) -> None:
    """:func:`race` for each sample of ``x`` ``[N, F]``; the results are ``[N, k]``.

    Places that no neuron took stay as they are.
    """
    for n in prange(x.shape[0]):
        s = np.empty(weight.shape[1], weight.dtype)
        q = np.empty(weight.shape[1], weight.dtype)
        order = np.empty(x.shape[1], np.int64)
        race(x[n], order, weight, theta, s, q, who[n], when[n], slope[n])


@no_type_check
@njit(parallel=True, cache=True)
def backward(
    grad: Floats, x: Floats, weight: Floats, who: I64, when: Floats, slope: Floats, out: Floats
) -> None:
    """Add to ``out`` ``[N, F]`` the gradient of ``x`` from that of the times, ``grad`` ``[N, k]``.

    ``t_i = (theta_i + sum_j w_ij t_j) / s_i`` over the inputs before it, and ``t_j = 1 - x_j``.
    """
    one = weight.dtype.type(1.0)
    for n in prange(x.shape[0]):
        for p in range(who.shape[1]):
            if slope[n, p] == 0 or grad[n, p] == 0:
                continue
            share = grad[n, p] / slope[n, p]
            for j in range(x.shape[1]):
                if x[n, j] > 0 and one - x[n, j] < when[n, p]:
                    out[n, j] -= share * weight[j, who[n, p]]
