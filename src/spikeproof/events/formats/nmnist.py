"""The ``.bin`` layout of N-MNIST and N-Caltech101: 40 bits an event, no header.

Big-endian bits: x (8), y (8), polarity (1), time in µs (23), after Orchard et al., "Converting
static image datasets to spiking neuromorphic datasets using saccades", Frontiers in Neuroscience
9:437 (2015), section 2.4. The sensor's size is not in the file.
"""

from __future__ import annotations

import numpy as np

from spikeproof.errors import InvalidRecording
from spikeproof.events.stream import Events

RECORD = 5  # bytes an event
SIDE = 34  # pixels; what N-MNIST cuts out of its sensor
MAX_SIDE = 2**8
MAX_TIME = 2**23 - 1  # µs


def decode(data: bytes, width: int | None = None, height: int | None = None) -> Events:
    """Read the bytes of a ``.bin`` file; raises ``InvalidRecording`` if they are damaged."""
    left_over = len(data) % RECORD
    if left_over:
        raise InvalidRecording(
            f"{len(data)} bytes are no whole number of {RECORD}-byte events ({left_over} left "
            "over); the file is cut short or has another format, fetch it again"
        )
    raw = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    high = raw[:, 2].astype(np.int64)
    t = (high & 0x7F) << 16 | raw[:, 3].astype(np.int64) << 8 | raw[:, 4]
    width = SIDE if width is None else width
    height = SIDE if height is None else height
    return Events(raw[:, 0], raw[:, 1], t, high >> 7, width, height)


def encode(events: Events) -> bytes:
    """Give the bytes of a ``.bin`` file; raises ``InvalidRecording`` if a value does not fit."""
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
    raw = np.empty((len(events), RECORD), np.uint8)
    raw[:, 0], raw[:, 1] = events.x, events.y
    raw[:, 2] = events.p.astype(np.int64) << 7 | events.t >> 16
    raw[:, 3] = events.t >> 8 & 0xFF
    raw[:, 4] = events.t & 0xFF
    return raw.tobytes()
