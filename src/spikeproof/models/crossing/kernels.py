"""The loops of :mod:`spikeproof.models.crossing.times`, compiled for the CPU with numba.

A layer has as many causal sets as neurons, so no product of matrices does its work: every sample
reads the weights in its own order. In plain PyTorch that is an array ``[N, J, I]`` several times
over; here a sample keeps membranes and slopes in the first-level cache and reads each row of
weights once. Samples run side by side, or inputs where weights are differentiated; no sum depends
on the number of threads, and no sample on its batch.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

_SUMS = {"contract", "reassoc", "nsz"}  # sums may be added up in lanes


@no_type_check  # numba compiles the plain function, not one wrapped in run-time checks
@njit(parallel=True, cache=True, fastmath={"contract"}, error_model="numpy")
def forward(
    times: F32, order: I64, weight: F32, whole: F32, end: float, due: F32, slope: F32
) -> None:
    """Fill ``due`` and ``slope`` ``[N, I]`` from sorted ``times`` and their ``order`` ``[N, J]``.

    ``weight`` is ``[J, I]`` and ``whole`` its sum over J, the slope when all inputs have come: so
    the last of them, which may be most (black pixels), need not be added up. ``slope`` is that of
    the membrane when it crosses, 1 without a spike.
    """
    n_samples, n_inputs = times.shape
    n_units = weight.shape[1]
    one, end32, gone = np.float32(1.0), np.float32(end), np.float32(-np.inf)
    for n in prange(n_samples):
        v = np.zeros(n_units, dtype=np.float32)
        a = np.zeros(n_units, dtype=np.float32)
        due_n, slope_n = due[n], slope[n]
        last, left, came_all = np.float32(0.0), n_units, False
        for k in range(n_inputs + 1):
            t = end32
            if k < n_inputs:
                t = min(times[n, k], end32)
            dt = t - last
            if dt > 0:
                crossed = 0
                for i in range(n_units):
                    v[i] += a[i] * dt
                    crossed += v[i] >= one
                if crossed:
                    for i in range(n_units):
                        if v[i] >= one:
                            due_n[i] = max(t - (v[i] - one) / a[i], last)
                            slope_n[i] = a[i]
                            v[i] = gone  # one spike only
                    left -= crossed
                last = t
            if t >= end32 or left == 0:
                break
            if came_all:
                continue
            came_all = t == times[n, n_inputs - 1]
            if came_all:
                a[:] = whole
            else:
                row = weight[order[n, k]]
                for i in range(n_units):
                    a[i] += row[i]
        if left:
            for i in range(n_units):
                if v[i] != gone:
                    due_n[i] = end32 + (one - v[i])
                    slope_n[i] = one


@no_type_check
@njit(parallel=True, cache=True, fastmath=_SUMS, error_model="numpy")
def grad_weight(times: F32, latest: F32, until: F32, pull: F32, out: F32) -> None:
    """Add to ``out`` ``[J, I]`` the sum over samples of ``pull * (t_j - until)`` where causal.

    ``times`` is ``[N, J]`` in the order of the inputs; ``until`` and ``pull`` are ``[N, I]``.
    Inputs at the ``latest`` time ``[N]`` of their sample are left out.
    """
    n_samples, n_inputs = times.shape
    n_units = until.shape[1]
    zero = np.float32(0.0)
    for j in prange(n_inputs):
        row = out[j]
        for n in range(n_samples):
            t = times[n, j]
            if t < latest[n]:
                until_n, pull_n = until[n], pull[n]
                for i in range(n_units):
                    row[i] += pull_n[i] * min(t - until_n[i], zero)


@no_type_check
@njit(parallel=True, cache=True, fastmath=_SUMS, error_model="numpy")
def grad_times(times: F32, weight: F32, until: F32, pull: F32, out: F32) -> None:
    """Fill ``out`` ``[N, J]``, the sum over neurons of ``pull * weight`` where causal."""
    n_samples, n_inputs = times.shape
    n_units = until.shape[1]
    zero = np.float32(0.0)
    for n in prange(n_samples):
        until_n, pull_n = until[n], pull[n]
        for j in range(n_inputs):
            t, row, total = times[n, j], weight[j], zero
            for i in range(n_units):
                total += row[i] * pull_n[i] if t < until_n[i] else zero
            out[n, j] = total
