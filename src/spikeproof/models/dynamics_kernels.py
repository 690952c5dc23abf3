"""The two loops of :mod:`spikeproof.models.dynamics`, compiled for the CPU with numba.

Like :mod:`spikeproof.models.kernels`, but with constants per neuron and the resets of other
frameworks. ``constants`` is ``[6, F]``: gain, bias, decay, threshold, jump and floor of each
neuron.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit, prange

from spikeproof.models.kernels import ARCTAN, F32, FAST_SIGMOID, PRECOMPUTED, TRIANGLE

LINEAR = 4  # the membrane itself is emitted: nothing stands in for its derivative
_BLOCK = 1024  # with the constants, what a block needs is about 40 KiB


@no_type_check  # numba compiles the plain function, not one wrapped in run-time checks
@njit(parallel=True, cache=True, fastmath={"contract"})
def forward(
    current: F32,
    constants: F32,
    start: F32,
    strict: bool,
    multiple: bool,
    forgets: bool,
    erases: bool,
    v: F32,
    spikes: F32,
) -> None:
    """Fill ``v`` and ``spikes`` ``[N, T, F]`` from ``current``; ``start`` ``[F]`` is decayed."""
    n_samples, n_steps, n_units = current.shape
    blocks = (n_units + _BLOCK - 1) // _BLOCK
    zero, one = np.float32(0.0), np.float32(1.0)
    for item in prange(n_samples * blocks):
        n = item // blocks
        lo = (item % blocks) * _BLOCK
        hi = min(lo + _BLOCK, n_units)
        gain, bias, decay = constants[0, lo:hi], constants[1, lo:hi], constants[2, lo:hi]
        threshold, jump, floor = constants[3, lo:hi], constants[4, lo:hi], constants[5, lo:hi]
        carried = start[lo:hi].copy()
        admitted = np.ones(hi - lo, dtype=np.float32)
        for t in range(n_steps):
            i_t = current[n, t, lo:hi]
            v_t = v[n, t, lo:hi]
            s_t = spikes[n, t, lo:hi]
            for j in range(hi - lo):
                u = carried[j] + admitted[j] * (gain[j] * i_t[j] + bias[j])
                fired = u > threshold[j] or (u == threshold[j] and not strict)
                s = one if fired else zero
                if multiple and fired:
                    s = max(one, np.float32(np.floor(u / threshold[j])))
                v_t[j] = u
                s_t[j] = s
                kept = zero if (forgets and fired) else decay[j] * u
                carried[j] = max(floor[j], kept + jump[j] * s)
                if erases:
                    admitted[j] = zero if fired else one


@no_type_check
@njit(parallel=True, cache=True, fastmath={"contract"})
def backward(
    grad: F32,
    v: F32,
    slope_of: F32,
    kind: int,
    slope: float,
    constants: F32,
    strict: bool,
    multiple: bool,
    forgets: bool,
    erases: bool,
    out: F32,
) -> None:
    """Fill ``out`` ``[N, T, F]`` with the gradient of the input current.

    ``slope_of`` is the surrogate derivative where ``kind`` is ``PRECOMPUTED``, else unused.
    """
    n_samples, n_steps, n_units = grad.shape
    blocks = (n_units + _BLOCK - 1) // _BLOCK
    slope32 = np.float32(slope)
    zero, one = np.float32(0.0), np.float32(1.0)
    for item in prange(n_samples * blocks):
        n = item // blocks
        lo = (item % blocks) * _BLOCK
        hi = min(lo + _BLOCK, n_units)
        width = hi - lo
        gain, decay = constants[0, lo:hi], constants[2, lo:hi]
        threshold, jump, floor = constants[3, lo:hi], constants[4, lo:hi], constants[5, lo:hi]
        carried = np.zeros(width, dtype=np.float32)
        h = np.ones(width, dtype=np.float32)
        for back in range(n_steps):
            t = n_steps - 1 - back
            g_t = grad[n, t, lo:hi]
            v_t = v[n, t, lo:hi]
            o_t = out[n, t, lo:hi]
            if kind == PRECOMPUTED:
                h[:] = slope_of[n, t, lo:hi]
            elif kind == ARCTAN:
                for j in range(width):
                    a = slope32 * (v_t[j] - threshold[j])
                    h[j] = one / (one + a * a)
            elif kind == FAST_SIGMOID:
                for j in range(width):
                    a = one + slope32 * abs(v_t[j] - threshold[j])
                    h[j] = one / (a * a)
            elif kind == TRIANGLE:
                for j in range(width):
                    h[j] = max(zero, one - slope32 * abs(v_t[j] - threshold[j]))
            for j in range(width):
                u = v_t[j]
                fired = u > threshold[j] or (u == threshold[j] and not strict)
                s = one if fired else zero
                if multiple and fired:
                    s = max(one, np.float32(np.floor(u / threshold[j])))
                passed = zero if (forgets and fired) else decay[j]
                if passed * u + jump[j] * s <= floor[j]:
                    passed = zero
                carried[j] = g_t[j] * h[j] + passed * carried[j]
                o_t[j] = gain[j] * carried[j]
            if erases and t > 0:
                before = v[n, t - 1, lo:hi]
                for j in range(width):
                    if before[j] > threshold[j] or (before[j] == threshold[j] and not strict):
                        o_t[j] = zero
