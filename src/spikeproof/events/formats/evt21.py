"""EVT 2.1: up to 32 events of one row, time and polarity in a word of 64 bits (Prophesee).

Fields from the top bit down ("EVT 2.1 Format", https://docs.prophesee.ai):

==========  ====  =======================================================================
word        type  other fields
==========  ====  =======================================================================
EVT_NEG     0     time, low 6 bits; x of the first pixel, 11; y, 11; valid pixels, 32
EVT_POS     1     the same; bit k of the valid pixels stands for x + k
TIME_HIGH   8     time, high 28 bits; 32 unused
not read          10 triggers; 14 and 15 vendors' words
==========  ====  =======================================================================

Time is in µs and rolls over after 2^34 (4.8 h). Older cameras send the two halves of a word in the
opposite order (``endianness=legacy``); we write ``endianness=little``. The rest is in ``evt``.
"""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
from numba import njit
from numpy.typing import NDArray

from spikeproof.events.formats.evt import HIGH, LOST, UNKNOWN, Encoding, climb, later
from spikeproof.events.formats.evt2 import BACK, LOW, PERIOD

PIXELS = 32
_TAG = 8 << 28


@no_type_check  # numba compiles the plain function, not one wrapped in run-time checks
@njit(cache=True)
def _decode(
    words: NDArray[np.uint64],
    start: int,
    state: NDArray[np.int64],
    x: NDArray[np.uint16],
    y: NDArray[np.uint16],
    t: NDArray[np.int64],
    p: NDArray[np.uint8],
) -> tuple[int, int]:
    """Fill the columns from word ``start`` on; give the number of events and the next word."""
    n, k = 0, start
    high = state[HIGH]
    while k < words.size and n + PIXELS <= t.size:
        word = np.int64(words[k] >> np.uint64(32))
        valid = np.int64(words[k] & np.uint64(0xFFFFFFFF))
        k += 1
        kind = word >> 28
        if kind < 2:
            if high < 0:
                state[LOST] += 1
                continue
            pixel, row = word >> 11 & 0x7FF, word & 0x7FF
            time = high << LOW | word >> 22 & 0x3F
            while valid:
                if not valid & 0xFF:  # eight pixels at once: lone events are common
                    pixel, valid = pixel + 8, valid >> 8
                    continue
                if valid & 1:
                    x[n], y[n], t[n], p[n] = pixel, row, time, kind
                    n += 1
                pixel += 1
                valid >>= 1
        elif kind == 8:
            high = later(high, word & (PERIOD - 1), PERIOD, BACK)
        elif kind != 10 and kind < 14:
            state[UNKNOWN] += 1
            if state[UNKNOWN] == 1:
                break
    state[HIGH] = high
    return n, k


@no_type_check
@njit(cache=True)
def _encode(
    x: NDArray[np.uint16],
    y: NDArray[np.uint16],
    t: NDArray[np.int64],
    p: NDArray[np.uint8],
    width: int,
    last: int,
    words: NDArray[Any],
) -> int:
    """Fill ``words``; give their number."""
    n, k = 0, 0
    while k < t.size:
        high = t[k] >> LOW
        filled = climb(words, n, last, high, PERIOD, _TAG)
        for step in range(n, filled):
            words[step] <<= np.uint64(32)
        n, last = filled, high
        pixel, valid = np.int64(x[k]) & -PIXELS, np.int64(0)
        first = k
        while (
            k < t.size
            and t[k] == t[first]
            and y[k] == y[first]
            and p[k] == p[first]
            and x[k] & -PIXELS == pixel
            and (k == first or x[k] > x[k - 1])
        ):
            valid |= 1 << (x[k] - pixel)
            k += 1
        word = np.int64(p[first]) << 28 | (t[first] & 0x3F) << 22 | pixel << 11 | y[first]
        words[n] = np.uint64(word) << np.uint64(32) | np.uint64(valid)
        n += 1
    return n


EVT21 = Encoding(
    "EVT21",
    "2.1",
    np.dtype("<u8"),
    LOW,
    PERIOD,
    PIXELS,
    2,
    _decode,
    _encode,
    options="endianness=little;",
)
FORMAT = EVT21.format
