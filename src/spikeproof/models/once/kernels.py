"""The three loops of spike-once neurons, compiled for the CPU with numba.

Each goes from input spike to input spike and never through silent steps or silent inputs: an MNIST
digit has about a hundred and fifty spikes for 784 pixels and 255 steps. A spike reads one row of
the weights, which are ``[F, K]`` for this reason. The oracles are in ``layer.py``.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

F32 = NDArray[np.float32]


@no_type_check  # numba compiles the plain function, not one wrapped in run-time checks
@njit(parallel=True, cache=True, fastmath={"contract"})
def crossings(times: F32, weight: F32, threshold: float, steps: int, out: F32) -> None:
    """Fill ``out`` ``[R, K]`` with the steps in which the membranes first reach the threshold."""
    n_rows, n_inputs = times.shape
    n_units = weight.shape[1]
    theta = np.float32(threshold)
    silent = np.float32(steps)
    for r in prange(n_rows):
        starts = np.zeros(steps + 1, dtype=np.int32)  # a counting sort of the spikes by time
        for f in range(n_inputs):
            if times[r, f] < silent:
                starts[np.int64(times[r, f]) + 1] += 1
        for t in range(steps):
            starts[t + 1] += starts[t]
        n_spikes = starts[steps]
        order = np.empty(n_spikes, dtype=np.int32)
        for f in range(n_inputs):
            if times[r, f] < silent:
                t = np.int64(times[r, f])
                order[starts[t]] = f
                starts[t] += 1
        v = np.zeros(n_units, dtype=np.float32)
        row = out[r]
        row[:] = silent
        waiting = n_units
        i = 0
        while i < n_spikes and waiting > 0:
            now = times[r, order[i]]
            while i < n_spikes and times[r, order[i]] == now:
                w = weight[order[i]]
                for k in range(n_units):
                    v[k] += w[k]
                i += 1
            for k in range(n_units):
                if v[k] >= theta and row[k] == silent:
                    row[k] = now
                    waiting -= 1


@no_type_check
@njit(parallel=True, cache=True, fastmath={"contract"})
def causal_sums(by_input: F32, post: F32, error: F32, steps: int, out: F32) -> None:
    """Fill ``out`` ``[F, K]`` with the sum of ``error`` ``[R, K]`` over causal pairs of spikes.

    ``by_input`` ``[F, R]`` are the input times. Every thread owns some rows of ``out``, so the
    order of additions does not depend on how many threads there are.
    """
    n_inputs, n_rows = by_input.shape
    n_units = post.shape[1]
    silent = np.float32(steps)
    for f in prange(n_inputs):
        total = out[f]
        total[:] = np.float32(0.0)
        for r in range(n_rows):
            pre = by_input[f, r]
            if pre < silent:
                for k in range(n_units):
                    total[k] += error[r, k] if pre <= post[r, k] else np.float32(0.0)


@no_type_check
@njit(parallel=True, cache=True, fastmath={"contract", "reassoc"})
def passed_back(times: F32, post: F32, error: F32, weight: F32, out: F32) -> None:
    """Fill ``out`` ``[R, F]`` with the errors of the inputs: weights to later spikes, summed."""
    n_rows, n_inputs = times.shape
    n_units = weight.shape[1]
    for r in prange(n_rows):
        for f in range(n_inputs):
            pre = times[r, f]
            total = np.float32(0.0)
            for k in range(n_units):
                total += weight[f, k] * error[r, k] if pre <= post[r, k] else np.float32(0.0)
            out[r, f] = total
