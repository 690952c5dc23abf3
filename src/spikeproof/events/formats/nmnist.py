"""The ``.bin`` layout of N-MNIST and N-Caltech101: 40 bits an event, no header.

Big-endian bits: x (8), y (8), polarity (1), time in µs (23), after Orchard et al., "Converting
static image datasets to spiking neuromorphic datasets using saccades", Frontiers in Neuroscience
9:437 (2015), section 2.4. The sensor's size is not in the file; N-MNIST's is taken.

A record with y = 240 is no event: it adds 2**13 µs to all times after it, as in the reader that
came with the data sets (eventvision.py of gorchard/event-Python) and in Tonic's. We never write
one, so times end at 2**23 - 1 µs and y = 240 cannot be written.

The layout has no rule for a counter that wraps. A time that falls by more than half the counter's
range looks like it; strict reading refuses, repair adds 2**23 µs to all times from there on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, no_type_check

import numpy as np
from numba import njit
from numpy.typing import NDArray

from spikeproof.errors import InvalidRecording
from spikeproof.events.formats.base import PIECE, Format, Opened, Piece, Trouble
from spikeproof.events.stream import Events

RECORD = 5  # bytes an event
SIDE = 34  # pixels; what N-MNIST cuts out of its sensor
MAX_SIDE = 2**8
MAX_TIME = 2**23 - 1  # µs
OVERFLOW = 240  # the y of a record that is no event


def _open(file: BinaryIO, trouble: Trouble) -> Opened:
    """Read from the first byte; only a last, partial record can be damaged."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    left_over = size % RECORD
    if left_over:
        trouble(
            f"{size} bytes are no whole number of {RECORD}-byte events ({left_over} left "
            "over); the file is cut short or has another format, fetch it again"
        )
    return Opened(SIDE, SIDE, _pieces(file, trouble))


def _pieces(file: BinaryIO, trouble: Trouble) -> Iterator[Piece]:
    """Decode ``PIECE`` records at a time."""
    given, clock = 0, np.zeros(2, np.int64)
    while len(data := file.read(PIECE * RECORD)) >= RECORD:
        raw = np.frombuffer(data, np.uint8)[: len(data) // RECORD * RECORD].reshape(-1, RECORD)
        x, y, p = (np.empty(len(raw), np.uint8) for _ in range(3))
        t = np.empty(len(raw), np.int64)
        n, wrapped = _decode(raw, x, y, t, p, clock)
        if wrapped >= 0:
            trouble(
                f"event {given + wrapped}: time falls back as if the 23-bit counter had wrapped; "
                "split the recording there"
            )
        given += n
        yield Piece(x[:n], y[:n], t[:n], p[:n])


@no_type_check
@njit(cache=True)
def _decode(
    raw: NDArray[np.uint8],
    x: NDArray[np.uint8],
    y: NDArray[np.uint8],
    t: NDArray[np.int64],
    p: NDArray[np.uint8],
    clock: NDArray[np.int64],
) -> tuple[int, int]:
    """Fill the columns; give the number of events and the first before which time wrapped, or -1.

    ``clock`` holds the last counter value and what is to be added to the next.
    """
    n, wrapped = 0, -1
    last, base = clock[0], clock[1]
    for k in range(raw.shape[0]):
        if raw[k, 1] == OVERFLOW:
            base += 2**13
            continue
        counter = (np.int64(raw[k, 2] & 0x7F) << 16) | (np.int64(raw[k, 3]) << 8) | raw[k, 4]
        if last - counter > 2**22:
            base += 2**23
            if wrapped < 0:
                wrapped = n
        last = counter
        x[n], y[n], t[n], p[n] = raw[k, 0], raw[k, 1], base + counter, raw[k, 2] >> 7
        n += 1
    clock[0], clock[1] = last, base
    return n, wrapped


def _write(file: BinaryIO, events: Events) -> None:
    """Write every event; raises ``InvalidRecording`` before the first byte if one does not fit."""
    for name, column, limit in (
        ("x", events.x, MAX_SIDE - 1),
        ("y", events.y, MAX_SIDE - 1),
        ("t", events.t, MAX_TIME),
    ):
        wrong = np.flatnonzero((column < 0) | (column > limit))
        if wrong.size:
            raise InvalidRecording(
                f"event {wrong[0]}: {name}={column[wrong[0]]} does not fit .bin, which holds "
                f"0 to {limit}; write .npz"
            )
    marks = np.flatnonzero(events.y == OVERFLOW)
    if marks.size:
        raise InvalidRecording(
            f"event {marks[0]}: y={OVERFLOW} does not fit .bin, where it marks an overflow of "
            "time; write .npz"
        )
    for start in range(0, len(events), PIECE):
        part = slice(start, start + PIECE)
        t = events.t[part]
        raw = np.empty((len(t), RECORD), np.uint8)
        raw[:, 0], raw[:, 1] = events.x[part], events.y[part]
        raw[:, 2] = events.p[part].astype(np.int64) << 7 | t >> 16
        raw[:, 3] = t >> 8 & 0xFF
        raw[:, 4] = t & 0xFF
        file.write(raw.tobytes())


FORMAT = Format("nmnist", "N-MNIST .bin", (".bin",), _open, write=_write, sized=False)
