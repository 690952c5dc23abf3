"""ECF, the lossless code of Prophesee's HDF5 files: one chunk of events to bytes and back.

A chunk is little-endian: a word ``4 n + mode`` (32 bits; ``n`` events, at most 65,535), the first
time (64 bits, µs), then times, then pixels. Runs are ``value, count``; a count that fills its bits
is followed by the true one in 16 bits.

* Times: bytes ``step (4), count (4)``, a run of ``count`` events ``step`` µs after the last run.
  Bytes whose ``step`` is 15 hold 4 bits each, lowest first, of a longer wait before the next run.
* ``mode`` 2: words of 24 bits ``0, y (11), x (11), p (1)``, four in three 32-bit words.
* ``mode`` 1: rows as 16-bit runs ``y (11), count (5)``; then words of 12 bits ``x (11), p (1)``,
  four in three 16-bit words.
* ``mode`` 0: rows as above; then 16-bit words ``x (11), mask (5)``, one event at ``x`` and one at
  ``x + 1 + k`` for each bit ``k`` of the mask from its highest; then 8-bit runs ``p (1),
  count (7)``.

The last group may code for more than ``n`` events; what is over is ignored. After Prophesee's
published codec (https://github.com/prophesee-ai/hdf5_ecf, read for its layout).
"""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
from numba import njit
from numpy.typing import NDArray

from spikeproof.errors import InvalidRecording

FILTER = 0x8ECF
"""The filter's number in HDF5 files."""

MAX_EVENTS = 2**16 - 1  # a chunk
MAX_SIDE = 2**11  # x and y have 11 bits
_HEAD = 12  # bytes before the times
_ROOM = 32  # bytes an event, at most: a wait of 16 bytes, four runs
_SPARE = 5  # events that the last group may code for in excess

Columns = tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.int64], NDArray[np.uint8]]
"""``x``, ``y``, ``t`` (µs) and ``p`` of the events."""


def decode(data: bytes, limit: int = MAX_EVENTS) -> Columns:
    """Read one chunk; raises ``ValueError`` if it is damaged or holds over ``limit`` events."""
    raw = np.frombuffer(data, np.uint8)
    if len(raw) < _HEAD:
        raise ValueError(f"{len(raw)} bytes are no ECF chunk")
    word, start = int(raw[:4].view("<u4")[0]), int(raw[4:_HEAD].view("<i8")[0])
    n, mode = word >> 2, word & 3
    if n > limit:
        raise ValueError(f"an ECF chunk claims {n} events, more than {limit}")
    x, y = np.empty(n + _SPARE, np.uint16), np.empty(n + _SPARE, np.uint16)
    t, p = np.empty(n, np.int64), np.empty(n + _SPARE, np.uint8)
    if _decode(raw, mode, np.uint64(start & 2**64 - 1), x, y, t, p) < 0:
        raise ValueError("an ECF chunk is cut short or damaged")
    return x[:n], y[:n], t, p[:n]


def encode(x: NDArray[Any], y: NDArray[Any], t: NDArray[Any], p: NDArray[Any]) -> bytes:
    """Give the bytes of one chunk in the shortest of the three modes.

    Times must not decrease. Raises ``InvalidRecording`` above 65,535 events or 2,048 pixels.
    """
    n = len(t)
    if n > MAX_EVENTS:
        raise InvalidRecording(f"{n} events are more than one ECF chunk holds ({MAX_EVENTS})")
    if n and max(int(x.max()), int(y.max())) >= MAX_SIDE:
        raise InvalidRecording(
            f"ECF holds coordinates up to {MAX_SIDE - 1} and there is one of "
            f"{max(int(x.max()), int(y.max()))}; write .h5 or .npz"
        )
    columns = (x.astype(np.uint16), y.astype(np.uint16), t.astype(np.int64), p.astype(np.uint8))
    chunks = []
    for mode in (0, 1, 2):
        out = np.zeros(_HEAD + _ROOM * (n + _SPARE), np.uint8)
        out[:4].view("<u4")[0] = 4 * n + mode
        out[4:_HEAD].view("<i8")[0] = columns[2][0] if n else 0
        size = _encode(out, mode, *columns)
        chunks.append(out[:size].tobytes())
    return min(chunks, key=len)


@no_type_check
@njit(cache=True)
def _decode(raw, mode, start, x, y, t, p):
    """Fill the columns; -1 if the bytes end early or code for too many events."""
    at = _read_times(raw, start, t)
    n = len(t)
    if at >= 0 and mode & 2:
        for i in range(0, n, 4):
            if at + 12 > len(raw):
                return -1
            a, b, c = _word32(raw, at), _word32(raw, at + 4), _word32(raw, at + 8)
            four = (a >> 8, (a & 0xFF) | b >> 16 << 8, (b & 0xFFFF) | c >> 24 << 16, c & 0xFFFFFF)
            for k in range(4):
                y[i + k], x[i + k], p[i + k] = (
                    four[k] >> 12 & 0x7FF,
                    four[k] >> 1 & 0x7FF,
                    four[k] & 1,
                )
            at += 12
        return at
    if at >= 0:
        at = _read_runs(raw, at, y, n, 5, 2)
    if at >= 0 and mode & 1:
        for i in range(0, n, 4):
            if at + 6 > len(raw):
                return -1
            a, b, c = _word16(raw, at), _word16(raw, at + 2), _word16(raw, at + 4)
            four = (a >> 4, (a & 0xF) | b >> 8 << 4, (b & 0xFF) | c >> 12 << 8, c & 0xFFF)
            for k in range(4):
                x[i + k], p[i + k] = four[k] >> 1, four[k] & 1
            at += 6
        return at
    i = 0
    while at >= 0 and i < n:
        if at + 2 > len(raw):
            return -1
        word = _word16(raw, at)
        x[i] = word >> 5
        i += 1
        for k in range(5):
            if word >> (4 - k) & 1:
                x[i] = (word >> 5) + k + 1
                i += 1
        at += 2
    return _read_runs(raw, at, p, n, 7, 1) if at >= 0 else -1


@no_type_check
@njit(cache=True)
def _read_times(raw, start, t):
    """Fill the times from the one that the chunk begins with."""
    at, i, now = _HEAD, 0, start
    while i < len(t):
        if at >= len(raw):
            return -1
        step, count = raw[at] >> 4, raw[at] & 15
        at += 1
        shift = 0
        while step == 15:
            if shift > 60 or at >= len(raw):
                return -1
            now += np.uint64(count) << np.uint64(shift)
            shift += 4
            step, count = raw[at] >> 4, raw[at] & 15
            at += 1
        now += np.uint64(step)
        if count == 15:
            if at + 2 > len(raw):
                return -1
            count = _word16(raw, at)
            at += 2
        if count > len(t) - i:
            return -1
        t[i : i + count] = np.int64(now)
        i += count
    return at


@no_type_check
@njit(cache=True)
def _read_runs(raw, at, column, n, bits, size):
    """Fill ``n`` values from runs of ``size`` bytes with counts of ``bits`` bits."""
    full, i = (1 << bits) - 1, 0
    while i < n:
        if at + size > len(raw):
            return -1
        word = _word16(raw, at) if size == 2 else np.int64(raw[at])
        at += size
        count = word & full
        if count == full:
            if at + 2 > len(raw):
                return -1
            count = _word16(raw, at)
            at += 2
        if count > n - i:
            return -1
        column[i : i + count] = word >> bits
        i += count
    return at


@no_type_check
@njit(cache=True)
def _encode(out, mode, x, y, t, p):
    """Write times and pixels; the number of bytes, head included."""
    at, n = _write_times(out, t), len(t)
    if mode == 2:
        four = np.zeros(4, np.int64)
        for i in range(0, n, 4):
            for k in range(4):
                j = min(i + k, n - 1)  # the last group repeats the last event
                four[k] = np.int64(y[j]) << 12 | np.int64(x[j]) << 1 | p[j]
            at = _put(out, at, four[0] << 8 | (four[1] & 0xFF), 4)
            at = _put(out, at, four[1] >> 8 << 16 | (four[2] & 0xFFFF), 4)
            at = _put(out, at, four[2] >> 16 << 24 | four[3], 4)
        return at
    at = _write_runs(out, at, y, 5, 2)
    if mode == 1:
        four = np.zeros(4, np.int64)
        for i in range(0, n, 4):
            for k in range(4):
                j = min(i + k, n - 1)
                four[k] = np.int64(x[j]) << 1 | p[j]
            at = _put(out, at, four[0] << 4 | (four[1] & 0xF), 2)
            at = _put(out, at, four[1] >> 4 << 8 | (four[2] & 0xFF), 2)
            at = _put(out, at, four[2] >> 8 << 12 | four[3], 2)
        return at
    i = 0
    while i < n:
        first, word = np.int64(x[i]), np.int64(x[i]) << 5
        i += 1
        for k in range(5):
            if i < n and np.int64(x[i]) == first + k + 1:
                word |= 1 << (4 - k)
                i += 1
        at = _put(out, at, word, 2)
    return _write_runs(out, at, p, 7, 1)


@no_type_check
@njit(cache=True)
def _write_times(out, t):
    """Write the times after the head."""
    at, i = _HEAD, 0
    while i < len(t):
        count = 1
        while i + count < len(t) and t[i + count] == t[i]:
            count += 1
        step = np.uint64(t[i]) - np.uint64(t[max(i - 1, 0)])
        if step >= np.uint64(15):
            while step > np.uint64(0):
                at = _put(out, at, 0xF0 | np.int64(step & np.uint64(15)), 1)
                step >>= np.uint64(4)
        at = _put(out, at, np.int64(step) << 4 | min(count, 15), 1)
        if count >= 15:
            at = _put(out, at, count, 2)
        i += count
    return at


@no_type_check
@njit(cache=True)
def _write_runs(out, at, column, bits, size):
    """Write a column as runs of ``size`` bytes with counts of ``bits`` bits."""
    full, i = (1 << bits) - 1, 0
    while i < len(column):
        count = 1
        while i + count < len(column) and column[i + count] == column[i]:
            count += 1
        at = _put(out, at, np.int64(column[i]) << bits | min(count, full), size)
        if count >= full:
            at = _put(out, at, count, 2)
        i += count
    return at


@no_type_check
@njit(cache=True)
def _put(out, at, word, size):
    """Write the low bytes of a word, lowest first."""
    for k in range(size):
        out[at + k] = word >> 8 * k & 0xFF
    return at + size


@no_type_check
@njit(cache=True)
def _word16(raw, at):
    return np.int64(raw[at]) | np.int64(raw[at + 1]) << 8


@no_type_check
@njit(cache=True)
def _word32(raw, at):
    return _word16(raw, at) | _word16(raw, at + 2) << 16
