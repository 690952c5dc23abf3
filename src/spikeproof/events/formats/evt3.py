"""EVT 3.0: words of 16 bits that say only what changes (Prophesee).

Fields from the top bit down ("EVT 3.0 Format", https://docs.prophesee.ai):

===========  ====  ==========================================================================
word         type  other fields
===========  ====  ==========================================================================
ADDR_Y       0     camera, 1 bit; y, 11: the row from now on
ADDR_X       2     polarity, 1; x, 11: an event
VECT_BASE_X  3     polarity, 1; x, 11: where vectors start
VECT_12      4     valid pixels, 12: events at the start and beyond; the start moves by 12
VECT_8       5     4 unused; valid pixels, 8: likewise; the start moves by 8
TIME_LOW     6     time, low 12 bits
TIME_HIGH    8     time, high 12 bits
not read           7 and 15 vendors' data; 10 triggers; 14 vendors' words
===========  ====  ==========================================================================

Time is in µs and rolls over after 2^24 (16.8 s). A new TIME_HIGH sets the low bits to 0 until the
next TIME_LOW, and an event before the first ADDR_Y has no row and is left out. The writer sends
vectors as Prophesee's decoder wants them: VECT_12, VECT_12, VECT_8 and none past the sensor's edge
(OpenEB, evt3_decoder.h and evt3_validator.h). The rest is in ``evt``.
"""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
from numba import njit
from numpy.typing import NDArray

from spikeproof.events.formats.evt import HIGH, LOST, OWN, UNKNOWN, Encoding, climb, later

LOW = 12
PERIOD = 2**12
BACK = 2**8  # about 1 s; sparse files of other writers may jump ahead by nearly a period
PIXELS = 32
FAR = 2**15  # beyond any sensor, where vectors without a new start stop moving
LEAST = 5  # events that take more words singly than as a vector
_TAG = 8 << 12


@no_type_check  # numba compiles the plain function, not one wrapped in run-time checks
@njit(cache=True)
def _decode(
    words: NDArray[np.uint16],
    start: int,
    state: NDArray[np.int64],
    x: NDArray[np.uint16],
    y: NDArray[np.uint16],
    t: NDArray[np.int64],
    p: NDArray[np.uint8],
) -> tuple[int, int]:
    """Fill the columns from word ``start`` on; give the number of events and the next word."""
    n, k = 0, start
    high, low, pixel, polarity = state[HIGH], state[OWN], state[OWN + 1], state[OWN + 2]
    row = state[OWN + 3] - 1  # -1 before the first ADDR_Y
    while k < words.size and n + 12 <= t.size:
        word = np.int64(words[k])
        k += 1
        kind, rest = word >> 12, word & 0xFFF
        if kind == 2:
            if high < 0 or row < 0:
                state[LOST] += 1
                continue
            x[n], y[n], t[n], p[n] = rest & 0x7FF, row, high << LOW | low, rest >> 11
            n += 1
        elif kind == 0:
            row = rest & 0x7FF
        elif kind == 4 or kind == 5:
            valid = rest if kind == 4 else rest & 0xFF
            if high < 0 or row < 0:
                state[LOST] += 1
                continue
            time, at = high << LOW | low, pixel
            while valid:
                if valid & 1:
                    x[n], y[n], t[n], p[n] = at, row, time, polarity
                    n += 1
                at += 1
                valid >>= 1
            pixel = min(pixel + (12 if kind == 4 else 8), FAR)
        elif kind == 3:
            pixel, polarity = rest & 0x7FF, rest >> 11
        elif kind == 6:
            low = rest
        elif kind == 8:
            now = later(high, rest, PERIOD, BACK)
            if now != high:
                high, low = now, 0
        elif kind != 7 and kind != 10 and kind < 14:
            state[UNKNOWN] += 1
            if state[UNKNOWN] == 1:
                break
    state[HIGH], state[OWN], state[OWN + 1], state[OWN + 2] = high, low, pixel, polarity
    state[OWN + 3] = row + 1
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
    low, row = np.int64(-1), np.int64(-1)
    while k < t.size:
        high = t[k] >> LOW
        if high != last:
            n = climb(words, n, last, high, PERIOD, _TAG)
            last, low = high, -1
        if t[k] & 0xFFF != low:
            low = t[k] & 0xFFF
            words[n] = 6 << 12 | low
            n += 1
        if y[k] != row:
            row = np.int64(y[k])
            words[n] = row
            n += 1
        sign = np.int64(p[k]) << 11
        first, pixel, valid = k, min(np.int64(x[k]), width - PIXELS), np.int64(0)
        while (
            k < t.size
            and t[k] == t[first]
            and y[k] == row
            and p[k] == p[first]
            and x[k] < pixel + PIXELS
            and (k == first or x[k] > x[k - 1])
        ):
            valid |= 1 << (x[k] - pixel)
            k += 1
        if pixel >= 0 and k - first >= LEAST:
            words[n] = 3 << 12 | sign | pixel
            words[n + 1] = 4 << 12 | valid & 0xFFF
            words[n + 2] = 4 << 12 | valid >> 12 & 0xFFF
            words[n + 3] = 5 << 12 | valid >> 24
            n += 4
        else:
            k = first + 1
            words[n] = 2 << 12 | sign | np.int64(x[first])
            n += 1
    return n


EVT3 = Encoding("EVT3", "3.0", np.dtype("<u2"), LOW, PERIOD, 12, 4, _decode, _encode)
FORMAT = EVT3.format
