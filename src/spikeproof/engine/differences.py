"""The loops of the engine for samples that differ from a known one in few cells.

A change goes from layer to layer as a list of events, each a place in ``[T, H, W, C]`` and how much
more stands there. Only currents that it reaches are computed, only neurons with such currents fire
anew, from the bin of the first change on, and only spikes that come or go are passed on. What all
others do is known: ``u``, the potentials above threshold that :mod:`spikeproof.engine.forwards`
keeps.

Lists have room for so many events; a change that has more is no small one, and the loops say so.
"""

from __future__ import annotations

from typing import Any, TypeAlias, no_type_check

import numpy as np
from numba import njit
from numpy.typing import NDArray

from spikeproof.engine.forwards import Geometry
from spikeproof.models.kernels import F32

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
Shape: TypeAlias = tuple[int, int, int, int]
Events: TypeAlias = tuple[I64, I64, F32]
"""Where the events of each sample start (one more for the end), their places, their amounts."""


@no_type_check  # numba compiles the plain function, not one wrapped in run-time checks
@njit(cache=True, nogil=True)
def listed(cells: I64, values: F32, known: F32, size: tuple[int, int, int], gives: Events) -> None:
    """List by how much ``values`` of ``cells`` ``[M, S]`` differ from the ``known`` ones there.

    Cells are counted in ``[T, C, H, W]``, with ``size`` C, H and W; events in ``[T, H, W, C]``.
    """
    start, place, amount = gives
    channels, height, width = size
    count = 0
    start[0] = 0
    for m in range(cells.shape[0]):
        for s in range(cells.shape[1]):
            more = values[m, s] - known[m, s]
            if more != 0:
                rest, column = divmod(cells[m, s], width)
                rest, row = divmod(rest, height)
                t, channel = divmod(rest, channels)
                place[count] = ((t * height + row) * width + column) * channels + channel
                amount[count] = more
                count += 1
        start[m + 1] = count


@no_type_check
@njit(cache=True, fastmath={"contract"}, error_model="numpy", _nrt=False)
def _add(
    place: I64,
    amount: F32,
    shape: Shape,
    weight: F32,
    geometry: Geometry,
    cols: int,
    slot_of: I64,
    slots: I64,
    current: F32,
) -> int:
    """Add events of one sample to currents; how many pixels are reached.

    ``slot_of`` says where the currents of a pixel are kept (-1: none yet), ``slots`` ``[S, 3]``
    which pixel that is and its bins of the first and last event.
    """
    _, height, width, n_in = shape
    kh, kw, sh, sw, ph, pw = geometry
    n_out = weight.shape[3]
    rows = slot_of.shape[0] // cols
    used = 0
    for e in range(place.shape[0]):
        rest, channel = divmod(place[e], n_in)
        rest, x = divmod(rest, width)
        t, y = divmod(rest, height)
        more = amount[e]
        for i in range(kh):
            r, off = divmod(y + ph - i, sh)
            if off != 0 or r < 0 or r >= rows:
                continue
            for j in range(kw):
                q, off = divmod(x + pw - j, sw)
                if off != 0 or q < 0 or q >= cols:
                    continue
                pixel = r * cols + q
                slot = slot_of[pixel]
                if slot < 0:
                    slot = slot_of[pixel] = used
                    slots[slot, 0], slots[slot, 1], slots[slot, 2] = pixel, t, t
                    current[slot] = 0.0
                    used += 1
                slots[slot, 1] = min(slots[slot, 1], t)
                slots[slot, 2] = max(slots[slot, 2], t)
                row, column = current[slot, t], weight[i, j, channel]
                for o in range(n_out):
                    row[o] += more * column[o]
    return used


@no_type_check
@njit(cache=True, fastmath={"contract", "reassoc"}, error_model="numpy", _nrt=False)
def _fire(current: F32, known: F32, carry: F32, neuron: F32, turned: I32) -> int:
    """One bin of a pixel: how its neurons differ after it; the number of spikes that came or went.

    ``carry`` is by how much membranes differ, ``turned`` one where a spike came, minus one where
    it went.
    """
    decay, level, taken, held, jump = neuron[0], neuron[1], neuron[2], neuron[3], neuron[4]
    turns = 0
    for o in range(carry.shape[0]):
        more = carry[o] + current[o]
        u = known[o]
        v = u + level
        w = v + more
        fired, fires = u >= 0, u + more >= 0
        was = held * (decay * (v - taken)) + jump if fired else decay * v
        now = held * (decay * (w - taken)) + jump if fires else decay * w
        carry[o] = now - was
        turned[o] = np.int32(fires) - np.int32(fired)
        turns += turned[o] * turned[o]
    return turns


@no_type_check
@njit(cache=True, error_model="numpy", _nrt=False)
def _passed_on(
    current: F32,
    u: F32,
    slot: I64,
    size: Shape,
    neuron: F32,
    carry: F32,
    turned: I32,
    place: I64,
    amount: F32,
    count: int,
) -> int:
    """Let the neurons of a pixel fire anew; how many events there are then, or -1 for no room."""
    cols, high, wide, pool = size
    steps, n_out = current.shape
    r, q = divmod(slot[0], cols)
    seen = r // pool < high and q // pool < wide
    carry[:] = 0.0
    for t in range(slot[1], steps):
        turns = _fire(current[t], u[t, r, q * n_out : (q + 1) * n_out], carry, neuron, turned)
        if turns > 0 and seen:
            if count + turns > place.shape[0]:
                return -1
            to = ((t * high + r // pool) * wide + q // pool) * n_out
            for o in range(n_out):
                if turned[o] != 0:
                    place[count], amount[count] = to + o, turned[o]
                    count += 1
        if t >= slot[2] and not _any(carry):
            break
    return count


@no_type_check
@njit(cache=True, _nrt=False)
def _any(values: F32) -> bool:
    found = 0
    for o in range(values.shape[0]):
        found += values[o] != 0
    return found > 0


@no_type_check
@njit(cache=True, nogil=True, error_model="numpy")
def passed(
    given: Events,
    who: I64,
    shape: Shape,
    weight: F32,
    geometry: Geometry,
    neuron: F32,
    pool: int,
    u: F32,
    gives: Events,
) -> bool:
    """Pass the events ``given`` of each sample through a layer; False if there is no room.

    They are places in ``shape`` ``[T, H, W, I]``; ``gives`` is filled with those of its pools.
    ``weight`` is ``[kh, kw, I, O]``, ``geometry`` and ``neuron`` as for
    :func:`spikeproof.engine.forwards.forward`, ``u`` ``[N, T, Ho, Wo*O]`` the potentials of the
    known samples ``who``.
    """
    start, place, amount = given
    gives_start, gives_place, gives_amount = gives
    steps, n_out = shape[0], weight.shape[3]
    rows, cols = u.shape[2], u.shape[3] // n_out
    high, wide = rows // pool, cols // pool
    slot_of = np.full(rows * cols, -1, dtype=np.int64)
    slots = np.empty((rows * cols, 3), dtype=np.int64)
    current = np.empty((rows * cols, steps, n_out), dtype=np.float32)
    carry, turned = np.empty(n_out, dtype=np.float32), np.empty(n_out, dtype=np.int32)
    count = 0
    gives_start[0] = 0
    for m in range(who.shape[0]):
        lo, hi = start[m], start[m + 1]
        used = _add(
            place[lo:hi], amount[lo:hi], shape, weight, geometry, cols, slot_of, slots, current
        )
        mine = u[who[m]]
        for slot in range(used):
            pixel = slots[slot, 0]
            slot_of[pixel] = -1
            count = _passed_on(
                current[slot],
                mine,
                slots[slot],
                (cols, high, wide, pool),
                neuron,
                carry,
                turned,
                gives_place,
                gives_amount,
                count,
            )
            if count < 0:
                return False
        gives_start[m + 1] = count
    return True


@no_type_check
@njit(cache=True, nogil=True)
def read(given: Events, share: F32, weight: F32, out: F32) -> None:
    """Add to logits ``out`` ``[M, K]`` what the events ``given`` weigh.

    ``weight`` is ``[H*W*C, K]`` and ``share`` ``[T]`` what a bin counts for.
    """
    start, place, amount = given
    entries = weight.shape[0]
    for m in range(out.shape[0]):
        logits = out[m]
        for e in range(start[m], start[m + 1]):
            t, entry = divmod(place[e], entries)
            more, column = share[t] * amount[e], weight[entry]
            for k in range(logits.shape[0]):
                logits[k] += more * column[k]


def room_for(samples: int, each: int) -> tuple[Any, ...]:
    """An empty list of events for so many ``samples``, ``each`` with so many on average."""
    return (
        np.empty(samples + 1, dtype=np.int64),
        np.empty(samples * each, dtype=np.int64),
        np.empty(samples * each, dtype=np.float32),
    )
