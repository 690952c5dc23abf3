"""The two loops of :mod:`spikeproof.models.scan`, compiled for the CPU with numba.

In plain PyTorch a neuron layer touches memory about a dozen times per time step, and that, not
convolution, is what a gradient step spends its time on. Here the membrane stays in cache: each
loop reads its inputs and writes its outputs once. The arithmetic is that of the eager loops in
``scan.py``, which serve as the oracle in the tests.
"""

from __future__ import annotations

import math
from typing import Any, no_type_check

import numpy as np
import torch
from numba import config, njit, prange, set_num_threads
from numpy.typing import NDArray

from spikeproof.models.surrogate import ArcTan, Bump, FastSigmoid, PiecewiseQuadratic

F32 = NDArray[np.float32]

PRECOMPUTED, ARCTAN, FAST_SIGMOID, TRIANGLE = 0, 1, 2, 3
_BLOCK = 2048  # membranes per work item: 8 KiB, well inside the first-level cache


def kind_of(surrogate: Bump) -> tuple[int, float]:
    """Number and slope under which the kernels know a surrogate (0: not known to them)."""
    match surrogate:
        case ArcTan(slope=slope):
            return ARCTAN, math.pi / 2 * slope
        case FastSigmoid(slope=slope):
            return FAST_SIGMOID, slope
        case PiecewiseQuadratic(width=width):
            return TRIANGLE, 1.0 / width
        case _:
            return PRECOMPUTED, 0.0


@no_type_check  # numba compiles the plain function, not one wrapped in run-time checks
@njit(parallel=True, cache=True, fastmath={"contract"})
def forward(current: F32, decay: float, threshold: float, hard: bool, v: F32, spikes: F32) -> None:
    """Fill ``v`` and ``spikes``, all ``[N, T, F]``, from the input ``current``."""
    n_samples, n_steps, n_units = current.shape
    blocks = (n_units + _BLOCK - 1) // _BLOCK
    decay32 = np.float32(decay)
    threshold32 = np.float32(threshold)
    for item in prange(n_samples * blocks):
        n = item // blocks
        lo = (item % blocks) * _BLOCK
        hi = min(lo + _BLOCK, n_units)
        membrane = np.zeros(hi - lo, dtype=np.float32)
        for t in range(n_steps):
            i_t = current[n, t, lo:hi]
            v_t = v[n, t, lo:hi]
            s_t = spikes[n, t, lo:hi]
            for j in range(hi - lo):
                u = i_t[j] + decay32 * membrane[j]
                fired = u >= threshold32
                v_t[j] = u
                s_t[j] = np.float32(1.0) if fired else np.float32(0.0)
                if hard:
                    membrane[j] = np.float32(0.0) if fired else u
                else:
                    membrane[j] = u - threshold32 if fired else u


@no_type_check
@njit(parallel=True, cache=True, fastmath={"contract"})
def backward(
    grad: F32,
    v: F32,
    slope_of: F32,
    kind: int,
    slope: float,
    decay: float,
    threshold: float,
    hard: bool,
    out: F32,
) -> None:
    """Fill ``out`` ``[N, T, F]`` with the gradient of the input current.

    ``slope_of`` is the surrogate derivative where ``kind`` is ``PRECOMPUTED``, else unused.
    """
    n_samples, n_steps, n_units = grad.shape
    blocks = (n_units + _BLOCK - 1) // _BLOCK
    decay32 = np.float32(decay)
    threshold32 = np.float32(threshold)
    slope32 = np.float32(slope)
    one = np.float32(1.0)
    for item in prange(n_samples * blocks):
        n = item // blocks
        lo = (item % blocks) * _BLOCK
        hi = min(lo + _BLOCK, n_units)
        carried = np.zeros(hi - lo, dtype=np.float32)
        for back in range(n_steps):
            t = n_steps - 1 - back
            g_t = grad[n, t, lo:hi]
            v_t = v[n, t, lo:hi]
            o_t = out[n, t, lo:hi]
            if kind == 0:
                h_t = slope_of[n, t, lo:hi]
                for j in range(hi - lo):
                    through = np.float32(0.0) if (hard and v_t[j] >= threshold32) else carried[j]
                    o_t[j] = g_t[j] * h_t[j] + decay32 * through
                    carried[j] = o_t[j]
            elif kind == 1:
                for j in range(hi - lo):
                    a = slope32 * (v_t[j] - threshold32)
                    through = np.float32(0.0) if (hard and v_t[j] >= threshold32) else carried[j]
                    o_t[j] = g_t[j] / (one + a * a) + decay32 * through
                    carried[j] = o_t[j]
            elif kind == 2:
                for j in range(hi - lo):
                    a = one + slope32 * abs(v_t[j] - threshold32)
                    through = np.float32(0.0) if (hard and v_t[j] >= threshold32) else carried[j]
                    o_t[j] = g_t[j] / (a * a) + decay32 * through
                    carried[j] = o_t[j]
            else:
                for j in range(hi - lo):
                    a = max(np.float32(0.0), one - slope32 * abs(v_t[j] - threshold32))
                    through = np.float32(0.0) if (hard and v_t[j] >= threshold32) else carried[j]
                    o_t[j] = g_t[j] * a + decay32 * through
                    carried[j] = o_t[j]


def share_threads() -> None:
    """Give the loops as many threads as PyTorch has; call it before each of them.

    Numba and PyTorch share one OpenMP, and numba sets the number of threads of both to all cores
    when its own start. PyTorch would then go on with another number than it was told to use, and
    add up its sums in another order than before.
    """
    count = torch.get_num_threads()
    set_num_threads(min(count, config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)


def as_array(tensor: Any) -> F32:
    """A numpy view of a contiguous float32 CPU tensor."""
    array: F32 = tensor.detach().numpy()
    return array
