"""The two loops of the engine, compiled for the CPU with numba.

*Forward*, a weighted layer, its neurons and the pooling behind them in one loop over time. The
weighted layer is driven by events: every active input adds its column of weights to the currents it
reaches, so silence costs nothing and sums are those of float32. Currents and membranes of a band of
rows stay in cache; what is kept of them is ``u``, the potential above threshold, which is all that
the way back asks for, and its sign bit is clear exactly where the neuron fired.

*Backward*, the pooling, the surrogate and the recursion in time, from gradients of what the layer
emits to gradients of its currents, which take the place of ``u``.

Arrays of ``u`` and of gradients hold the bits of float32 numbers, or their upper halves, which are
bfloat16 numbers; ``shift`` (0 or 16) says which. Cutting off the lower half keeps the sign.
"""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from spikeproof.models.kernels import ARCTAN, F32, FAST_SIGMOID, PRECOMPUTED, TRIANGLE

U32 = np.uint32
Bits = NDArray[Any]


@no_type_check  # numba compiles the plain function, not one wrapped in run-time checks
@njit(parallel=True, cache=True, fastmath={"contract"}, error_model="numpy")
def forward(
    x: NDArray[Any],
    weight: F32,
    bias: F32,
    geometry: tuple[int, int, int, int, int, int],
    neuron: F32,
    wipes: bool,
    strict: bool,
    pool: int,
    band: int,
    keep: bool,
    shift: int,
    u: Bits,
    out: NDArray[np.uint8],
) -> None:
    """Fill ``u`` ``[N, T, Ho, Wo*O]`` (if ``keep``) and spikes per pool ``out`` [N, T, Hp, Wp*O].

    ``x`` is ``[N, T, H, W, I]``, ``weight`` ``[kh*kw, I, O]``, ``bias`` ``[O]``. ``geometry`` is
    kernel, stride and padding, rows before columns; ``neuron`` is decay, threshold, what a spike
    takes off the membrane before it decays, what it adds to it after, and where membranes start.
    Rows are worked on in bands, a multiple of ``pool``.
    """
    n_samples, n_steps, height, width, n_in = x.shape
    n_out = bias.shape[0]
    kh, kw, sh, sw, ph, pw = geometry
    rows = (height + 2 * ph - kh) // sh + 1
    cols = (width + 2 * pw - kw) // sw + 1
    pooled_rows, pooled_cols = rows // pool, cols // pool
    wide = cols * n_out
    decay, threshold, taken, jump, start = neuron
    zero = np.float32(0.0)
    down, half = U32(shift), U32(16)
    bands = (rows + band - 1) // band
    resting = np.empty(wide, dtype=np.float32)
    for j in range(wide):
        resting[j] = bias[j % n_out]
    for item in prange(n_samples * bands):
        n = item // bands
        lo = (item % bands) * band
        hi = min(lo + band, rows)
        current = np.empty((hi - lo, wide), dtype=np.float32)
        bits = current.view(np.uint32)
        carry = np.full((hi - lo, wide), start, dtype=np.float32)
        spikes = np.empty(wide, dtype=np.uint8)
        which = np.empty(n_in, dtype=np.int64)
        value = np.empty(n_in, dtype=np.float32)
        for t in range(n_steps):
            for r in range(hi - lo):
                current[r] = resting
            for y in range(max(0, lo * sh - ph), min(height, (hi - 1) * sh - ph + kh)):
                first_row = max(lo, -((kh - 1 - y - ph) // sh))
                last_row = min(hi - 1, (y + ph) // sh)
                for z in range(width):
                    active = 0
                    for c in range(n_in):
                        if active < n_in:
                            which[active] = c
                            value[active] = np.float32(x[n, t, y, z, c])
                            active += x[n, t, y, z, c] != 0
                    if active == 0:
                        continue
                    first_col = max(0, -((kw - 1 - z - pw) // sw))
                    last_col = min(cols - 1, (z + pw) // sw)
                    for r in range(first_row, last_row + 1):
                        tap_row = (y + ph - r * sh) * kw
                        for q in range(first_col, last_col + 1):
                            columns = weight[tap_row + z + pw - q * sw]
                            target = current[r - lo, q * n_out : (q + 1) * n_out]
                            k = 0
                            while k + 4 <= active:  # four at once: the target is loaded less often
                                w0, w1 = columns[which[k]], columns[which[k + 1]]
                                w2, w3 = columns[which[k + 2]], columns[which[k + 3]]
                                x0, x1, x2, x3 = value[k], value[k + 1], value[k + 2], value[k + 3]
                                for o in range(n_out):
                                    target[o] += x0 * w0[o] + x1 * w1[o] + x2 * w2[o] + x3 * w3[o]
                                k += 4
                            while k < active:
                                w0, x0 = columns[which[k]], value[k]
                                for o in range(n_out):
                                    target[o] += x0 * w0[o]
                                k += 1
            for r in range(hi - lo):
                above, below, raised = current[r], carry[r], bits[r]
                for j in range(wide):
                    v = below[j] + above[j]
                    fired = v > threshold if strict else v >= threshold
                    kept = decay * v
                    left = zero if wipes else decay * (v - taken)
                    below[j] = left + jump if fired else kept
                    # Just at the threshold the difference is +0, which says that it fired.
                    above[j] = v - threshold if (fired or v != threshold) else -zero
                if keep:
                    stored = u[n, t, lo + r]
                    for j in range(wide):
                        stored[j] = raised[j] >> down
                for j in range(wide):
                    spikes[j] = np.uint8(1) - np.uint8((raised[j] >> half) >> U32(15))
                row = (lo + r) // pool
                if row >= pooled_rows:
                    continue
                counts = out[n, t, row]
                if pool == 1:
                    counts[:] = spikes
                    continue
                if (lo + r) % pool == 0:
                    counts[:] = 0
                for q in range(pooled_cols):
                    mine = counts[q * n_out : (q + 1) * n_out]
                    for d in range(pool):
                        at = (q * pool + d) * n_out
                        theirs = spikes[at : at + n_out]
                        for o in range(n_out):
                            mine[o] += theirs[o]


@no_type_check
@njit(parallel=True, cache=True, fastmath={"contract"}, error_model="numpy")
def backward(
    grad: Bits,
    u: Bits,
    slope_of: F32,
    kind: int,
    slope: float,
    decay: float,
    wipes: bool,
    scale: float,
    pool: int,
    n_out: int,
    band: int,
    shift: int,
) -> None:
    """Turn ``u`` ``[N, T, Ho, Wo*O]`` into gradients of the currents, in place.

    ``grad`` ``[N, T, Hp, Wp*O]`` is the gradient of the pooled spikes, or ``[N, 1, Hp, Wp*O]`` if
    it is the same in all time bins; ``scale`` is what a spike weighs in its pool. ``slope_of``, of
    the shape of ``u``, is the surrogate derivative where ``kind`` is ``PRECOMPUTED``.
    """
    n_samples, n_steps, rows, wide = u.shape
    grad_steps, pooled_rows = grad.shape[1], grad.shape[2]
    pooled_cols = grad.shape[3] // n_out
    zero, one = np.float32(0.0), np.float32(1.0)
    decay32, scale32, slope32 = np.float32(decay), np.float32(scale), np.float32(slope)
    wiped = zero if wipes else decay32
    up = U32(shift)
    round_off = U32(0x8000) if shift else U32(0)
    bands = (rows + band - 1) // band
    for item in prange(n_samples * bands):
        n = item // bands
        lo = (item % bands) * band
        hi = min(lo + band, rows)
        carried = np.zeros((hi - lo, wide), dtype=np.float32)
        carried_bits = carried.view(np.uint32)
        come = np.zeros(wide, dtype=np.float32)  # the gradient of the spikes of a row
        come_bits = come.view(np.uint32)
        h = np.empty(wide, dtype=np.float32)
        away = np.empty(wide, dtype=np.float32)
        away_bits = away.view(np.uint32)
        for back in range(n_steps):
            t = n_steps - 1 - back
            for y in range(lo, hi):
                row = y // pool
                if row >= pooled_rows:
                    come[:] = zero
                elif y % pool == 0:
                    source = grad[n, t if grad_steps > 1 else 0, row]
                    for q in range(pooled_cols):
                        for d in range(pool):
                            at = (q * pool + d) * n_out
                            for o in range(n_out):
                                come_bits[at + o] = U32(source[q * n_out + o]) << up
                    for j in range(wide):
                        come[j] *= scale32
                stored = u[n, t, y]
                for j in range(wide):
                    away_bits[j] = U32(stored[j]) << up
                if kind == PRECOMPUTED:
                    h[:] = slope_of[n, t, y]
                elif kind == ARCTAN:
                    for j in range(wide):
                        a = slope32 * away[j]
                        h[j] = one / (one + a * a)
                elif kind == FAST_SIGMOID:
                    for j in range(wide):
                        a = one + slope32 * abs(away[j])
                        h[j] = one / (a * a)
                elif kind == TRIANGLE:
                    for j in range(wide):
                        h[j] = max(zero, one - slope32 * abs(away[j]))
                delta, delta_bits = carried[y - lo], carried_bits[y - lo]
                for j in range(wide):
                    silent = (away_bits[j] >> U32(31)) != 0
                    passed = decay32 if silent else wiped
                    delta[j] = come[j] * h[j] + passed * delta[j]
                for j in range(wide):
                    stored[j] = (delta_bits[j] + round_off) >> up
