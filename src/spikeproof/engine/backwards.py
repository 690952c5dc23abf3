"""The loop of the engine backwards, compiled for the CPU with numba.

Pooling, surrogate and recursion in time, from gradients of what a layer emits to gradients of its
currents, which take the place of ``u``. Made as :mod:`spikeproof.engine.forwards` is; gradients are
stored like ``u``, but rounded where that cuts off.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit
from numpy.typing import NDArray

from spikeproof.engine.forwards import U32, Bits
from spikeproof.models.kernels import ARCTAN, F32, FAST_SIGMOID, PRECOMPUTED, TRIANGLE


@no_type_check
@njit(cache=True, _nrt=False)
def _widened(stored: int, itemsize: int) -> int:
    """The bits of a float32 number, of what is stored in ``itemsize`` bytes (compiled away)."""
    return np.uint32(U32(stored) << U32(16)) if itemsize == 2 else U32(stored)


@no_type_check
@njit(cache=True, _nrt=False)
def _rounded(bits: int, itemsize: int) -> int:
    """What is stored of a float32 number with these ``bits``."""
    return np.uint32((bits + U32(0x8000)) >> U32(16)) if itemsize == 2 else bits


@no_type_check
@njit(cache=True, _nrt=False)
def _spread(grad: Bits, come: NDArray[np.uint32], pool: int, n_out: int) -> None:
    """Give each neuron of a row the gradient of its pool."""
    each, at, to = np.uint64(n_out), np.uint64(0), np.uint64(0)
    for _ in range(grad.shape[0] // n_out):
        for _ in range(pool):
            for o in range(each):
                come[to + o] = _widened(grad[at + o], grad.itemsize)
            to += each
        at += each


@no_type_check
@njit(cache=True, fastmath={"contract"}, error_model="numpy", _nrt=False)
def _recur(stored: Bits, come: F32, h: F32, kind: int, constants: F32, delta: F32) -> None:
    """One time bin of a row back in time: ``delta`` takes the place of ``u`` in ``stored``."""
    slope, decay, wiped, scale = constants[0], constants[1], constants[2], constants[3]
    zero, one, size = np.float32(0.0), np.float32(1.0), stored.itemsize
    if kind == ARCTAN:
        for j in range(delta.shape[0]):
            bits = _widened(stored[j], size)
            a = slope * np.uint32(bits).view(np.float32)
            passed = decay if (bits >> U32(31)) != 0 else wiped
            d = come[j] * (scale / (one + a * a)) + passed * delta[j]
            delta[j], stored[j] = d, _rounded(np.float32(d).view(np.uint32), size)
    elif kind == FAST_SIGMOID:
        for j in range(delta.shape[0]):
            bits = _widened(stored[j], size)
            a = one + slope * abs(np.uint32(bits).view(np.float32))
            passed = decay if (bits >> U32(31)) != 0 else wiped
            d = come[j] * (scale / (a * a)) + passed * delta[j]
            delta[j], stored[j] = d, _rounded(np.float32(d).view(np.uint32), size)
    elif kind == TRIANGLE:
        for j in range(delta.shape[0]):
            bits = _widened(stored[j], size)
            a = max(zero, one - slope * abs(np.uint32(bits).view(np.float32)))
            passed = decay if (bits >> U32(31)) != 0 else wiped
            d = come[j] * (scale * a) + passed * delta[j]
            delta[j], stored[j] = d, _rounded(np.float32(d).view(np.uint32), size)
    else:
        for j in range(delta.shape[0]):
            bits = _widened(stored[j], size)
            passed = decay if (bits >> U32(31)) != 0 else wiped
            d = come[j] * (scale * h[j]) + passed * delta[j]
            delta[j], stored[j] = d, _rounded(np.float32(d).view(np.uint32), size)


@no_type_check
@njit(cache=True, nogil=True)
def backward(
    items: tuple[int, int],
    grad: Bits,
    u: Bits,
    slope_of: F32,
    kind: int,
    constants: F32,
    pool: int,
    n_out: int,
    band: int,
) -> None:
    """Turn ``u`` ``[N, T, Ho, Wo*O]`` into gradients of the currents, in place.

    ``grad`` ``[N, T, Hp, Wp*O]`` is the gradient of the pooled spikes, or ``[N, 1, Hp, Wp*O]`` if
    it is the same in all time bins. ``constants`` are the slope of the surrogate, the decay, the
    decay of a membrane that has fired, and what a spike weighs in its pool. ``slope_of``, of the
    shape of ``u``, is the surrogate derivative where ``kind`` is ``PRECOMPUTED``. ``items`` are the
    bands to work on, as forwards.
    """
    _, n_steps, rows, wide = u.shape
    bands = (rows + band - 1) // band
    carried = np.empty((band, wide), dtype=np.float32)
    come = np.empty(wide, dtype=np.float32)  # the gradient of the spikes of a row
    nothing, come_bits = come[:0], come.view(np.uint32)
    for item in range(items[0], items[1]):
        n, lo = item // bands, (item % bands) * band
        hi = min(lo + band, rows)
        carried[:], come[:] = np.float32(0.0), np.float32(0.0)
        for back in range(n_steps):
            t = n_steps - 1 - back
            for y in range(lo, hi):
                row = y // pool
                if row >= grad.shape[2]:
                    come[:] = np.float32(0.0)
                elif y % pool == 0:
                    _spread(grad[n, min(t, grad.shape[1] - 1), row], come_bits, pool, n_out)
                h = slope_of[n, t, y] if kind == PRECOMPUTED else nothing
                _recur(u[n, t, y], come, h, kind, constants, carried[y - lo])
