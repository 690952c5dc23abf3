"""The loop of the engine forwards, compiled for the CPU with numba.

A weighted layer, its neurons and the pooling behind them in one loop over time. The weighted layer
is driven by events: every active input adds its column of weights to the currents it reaches, so
silence costs nothing and sums are those of float32. Currents and membranes of a band of rows stay
in cache; what is kept of them is ``u``, the potential above threshold, which is all that the way
back asks for, and its sign bit is clear exactly where the neuron fired.

The loops proper are small functions over one row. They have no reference counts (``_nrt``), which
cost more than some of their sums.
Arrays of ``u`` hold the bits of float32 numbers, or, in two bytes, their upper halves, which are
bfloat16 numbers. Cutting off the lower half keeps the sign.
"""

from __future__ import annotations

from typing import Any, TypeAlias, no_type_check

import numpy as np
from numba import njit
from numpy.typing import NDArray

from spikeproof.models.kernels import F32

U32 = np.uint32
Bits = NDArray[Any]
U64 = NDArray[np.uint64]
Geometry: TypeAlias = tuple[int, int, int, int, int, int]


@no_type_check  # numba compiles the plain function, not one wrapped in run-time checks
@njit(cache=True, _nrt=False)
def _active(
    row: NDArray[Any], n_in: int, span: int, reached: U64, begin: U64, value: F32, groups: U64
) -> None:
    """The entries of a row that are not zero, by pixels and in groups of four, two and one.

    ``reached`` says of each pixel where the currents that it reaches begin, how many they are, and
    where its first channel's weights for them begin; those of the next are ``span`` further on.
    ``begin`` and ``value`` are filled with where the weights of an entry begin, and what it holds;
    ``groups`` with the ends of the three lists in it, and in these with the first current, the
    number of currents and the place in ``begin`` and ``value`` of every group.
    """
    found = 0
    for j in range(row.shape[0]):
        begin[found], value[found] = j, np.float32(row[j])  # kept only if it counts
        found += row[j] != 0
    fours, twos, ones = groups[0], groups[1], groups[2]
    n4, n2, n1 = 1, 1, 1
    k = 0
    while k < found:
        pixel = np.int64(begin[k]) // n_in
        low = pixel * n_in
        first, count, at = reached[pixel, 0], reached[pixel, 1], reached[pixel, 2]
        end = k
        while end < found and np.int64(begin[end]) < low + n_in:
            begin[end] = at + np.uint64((np.int64(begin[end]) - low) * span)
            end += 1
        while k + 4 <= end:
            fours[n4], fours[n4 + 1], fours[n4 + 2] = first, count, k
            n4, k = n4 + 3, k + 4
        twos[n2], twos[n2 + 1], twos[n2 + 2] = first, count, k
        pair = ((end - k) >> 1) & 1
        n2, k = n2 + 3 * pair, k + 2 * pair
        ones[n1], ones[n1 + 1], ones[n1 + 2] = first, count, k
        n1 += 3 * (end - k)
        k = end
    fours[0], twos[0], ones[0] = n4, n2, n1


@no_type_check
@njit(cache=True, fastmath={"contract"}, error_model="numpy", _nrt=False)
def _add(weights: F32, begin: U64, value: F32, groups: U64, current: F32) -> None:
    """Add to a row of currents what the active entries of a row of pixels weigh there.

    Four entries of a pixel at once, so that currents are loaded less often; one kind of group after
    the other, as branches that cannot be foretold would take longer than the sums. Places are
    unsigned, or each would be looked at for being counted from the end.
    """
    one = np.uint64(1)
    fours, twos, ones = groups[0], groups[1], groups[2]
    for g in range(1, np.int64(fours[0]), 3):
        first, count, k = fours[g], fours[g + 1], fours[g + 2]
        b0, b1 = begin[k], begin[k + one]
        b2, b3 = begin[k + np.uint64(2)], begin[k + np.uint64(3)]
        x0, x1 = value[k], value[k + one]
        x2, x3 = value[k + np.uint64(2)], value[k + np.uint64(3)]
        for o in range(count):
            current[first + o] += (x0 * weights[b0 + o] + x1 * weights[b1 + o]) + (
                x2 * weights[b2 + o] + x3 * weights[b3 + o]
            )
    for g in range(1, np.int64(twos[0]), 3):
        first, count, k = twos[g], twos[g + 1], twos[g + 2]
        b0, b1 = begin[k], begin[k + one]
        x0, x1 = value[k], value[k + one]
        for o in range(count):
            current[first + o] += x0 * weights[b0 + o] + x1 * weights[b1 + o]
    for g in range(1, np.int64(ones[0]), 3):
        first, count, k = ones[g], ones[g + 1], ones[g + 2]
        b0, x0 = begin[k], value[k]
        for o in range(count):
            current[first + o] += x0 * weights[b0 + o]


@no_type_check
@njit(cache=True, _nrt=False)
def _fill(row: F32, with_: F32) -> None:
    for j in range(row.shape[0]):
        row[j] = with_[j]


@no_type_check
@njit(cache=True, fastmath={"contract"}, error_model="numpy", _nrt=False)
def _fire(current: F32, carry: F32, neuron: F32, stored: Bits, spikes: NDArray[np.uint8]) -> None:
    """One time bin of a row: membranes, potentials above threshold, one more for every spike."""
    decay, threshold, taken, held, jump = neuron[0], neuron[1], neuron[2], neuron[3], neuron[4]
    for j in range(current.shape[0]):
        v = carry[j] + current[j]
        left = held * (decay * (v - taken)) + jump
        carry[j] = left if v >= threshold else decay * v
        bits = np.float32(v - threshold).view(
            np.uint32
        )  # +0 just at the threshold: the sign says who fired
        stored[j] = np.uint32(bits >> U32(16)) if stored.itemsize == 2 else bits
        spikes[j] += np.uint8(1) - np.uint8(bits >> U32(31))


@no_type_check
@njit(cache=True, _nrt=False)
def _pool(spikes: NDArray[np.uint8], counts: NDArray[np.uint8], pool: int, n_out: int) -> None:
    """Sum the ``spikes`` of rows that were added up over the columns of each pool."""
    each, at, to = np.uint64(n_out), np.uint64(0), np.uint64(0)
    for _ in range(counts.shape[0] // n_out):
        for o in range(each):
            counts[to + o] = spikes[at + o]
        at += each
        for _ in range(1, pool):
            for o in range(each):
                counts[to + o] += spikes[at + o]
            at += each
        to += each


@no_type_check
@njit(cache=True, nogil=True)
def forward(
    items: tuple[int, int],
    x: NDArray[Any],
    reached: U64,
    columns: F32,
    bias: F32,
    geometry: Geometry,
    neuron: F32,
    pool: int,
    band: int,
    u: Bits,
    out: NDArray[np.uint8],
) -> None:
    """Fill ``u`` ``[N, T, Ho, Wo*O]`` (unless its T is 0) and the spikes of each pool.

    ``x`` is ``[N, T, H, W*I]``, ``reached`` ``[W, 3]`` that of :func:`reached_of`; ``out`` is
    ``[N, T, Hp, Wp*O]``, ``bias`` a row of currents in silence ``[Wo*O]``. ``columns`` are the
    weights as :func:`columns_of` lays them out; ``geometry`` is kernel, stride and padding, rows
    before columns. ``neuron`` is decay, threshold, what a spike takes off the membrane before it
    decays, whether it leaves of it anything at all (0 or 1), what it adds after, and where
    membranes start. Rows are worked on in bands of ``band`` rows, a multiple of ``pool``; ``items``
    are the first and behind the last of them, counted through all samples.
    """
    _, n_steps, height, entries = x.shape
    width = reached.shape[0]
    n_in = entries // width
    kh, kw, sh, sw, ph, pw = geometry
    rows = (height + 2 * ph - kh) // sh + 1
    cols = (width + 2 * pw - kw) // sw + 1
    wide = bias.shape[0]
    n_out = wide // cols
    bands = (rows + band - 1) // band
    span = -(-kw // sw) * n_out
    current = np.empty((band, wide), dtype=np.float32)
    carry = np.empty((band, wide), dtype=np.float32)
    spikes, thrown = np.zeros(wide, dtype=np.uint8), np.empty(wide, dtype=u.dtype)
    begin = np.empty(entries + 1, dtype=np.uint64)
    value = np.empty(entries + 1, dtype=np.float32)
    groups = np.empty((3, 3 * width * max(1, n_in // 4) + 4), dtype=np.uint64)
    for item in range(items[0], items[1]):
        n, lo = item // bands, (item % bands) * band
        hi = min(lo + band, rows)
        carry[:] = neuron[5]
        for t in range(n_steps):
            for r in range(hi - lo):
                _fill(current[r], bias)
            for y in range(max(0, lo * sh - ph), min(height, (hi - 1) * sh - ph + kh)):
                first_row = max(lo, -((kh - 1 - y - ph) // sh))
                last_row = min(hi - 1, (y + ph) // sh)
                _active(x[n, t, y], n_in, span, reached, begin, value, groups)
                for r in range(first_row, last_row + 1):
                    _add(columns[y + ph - r * sh], begin, value, groups, current[r - lo])
            spikes[:] = 0
            for r in range(hi - lo):
                stored = u[n, t, lo + r] if u.shape[1] > 0 else thrown
                _fire(current[r], carry[r], neuron, stored, spikes)
                row = (lo + r) // pool
                if (lo + r) % pool == pool - 1:  # rows that fill no pool are in none
                    _pool(spikes, out[n, t, row], pool, n_out)
                    spikes[:] = 0


def columns_of(weight: F32, stride: int) -> F32:
    """``weight`` ``[O, I, kh, kw]`` as ``[kh, stride*I*reach*O]`` for :func:`forward`.

    A pixel in column ``z`` (padding included) reaches the currents in columns ``z // stride`` and
    ``reach - 1`` before it; their weights lie side by side, in the order of the currents.
    """
    n_out, n_in, kh, kw = weight.shape
    reach = -(-kw // stride)
    laid = np.zeros((kh, stride, n_in, reach, n_out), dtype=np.float32)
    for k in range(kw):
        laid[:, k % stride, :, reach - 1 - k // stride] = weight[:, :, :, k].transpose(2, 1, 0)
    return laid.reshape(kh, -1)


def reached_of(geometry: Geometry, width: int, cols: int, n_in: int, n_out: int) -> U64:
    """Of each column of pixels which currents it reaches ``[W, 3]``; see :func:`_active`."""
    _, kw, _, sw, _, pw = geometry
    reach = -(-kw // sw)  # columns of currents that a pixel reaches
    z = np.arange(width) + pw
    first = np.maximum(0, -((kw - 1 - z) // sw))
    last = np.minimum(cols, z // sw + 1)
    skipped = first - z // sw + reach - 1
    place = (z % sw) * n_in * reach * n_out + skipped * n_out
    found = (first * n_out, np.maximum(0, last - first) * n_out, place)
    return np.stack(found, axis=1).astype(np.uint64)
