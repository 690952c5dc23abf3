"""EVT 2.0: one event in a word of 32 bits (Prophesee).

Fields from the top bit down ("EVT 2.0 Format", https://docs.prophesee.ai):

==========  ====  ======================================
word        type  other fields
==========  ====  ======================================
CD_OFF      0     time, low 6 bits; x, 11; y, 11
CD_ON       1     the same
TIME_HIGH   8     time, high 28 bits
not read          10 triggers; 14 and 15 vendors' words
==========  ====  ======================================

Time is in µs and rolls over after 2^34 (4.8 h). The rest is in ``evt``.
"""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
from numba import njit
from numpy.typing import NDArray

from spikeproof.events.formats.evt import HIGH, LOST, UNKNOWN, Encoding, climb, later

LOW = 6
PERIOD = 2**28
BACK = PERIOD // 2  # a clock that is hours behind was set back
_TAG = 8 << 28


@no_type_check  # numba compiles the plain function, not one wrapped in run-time checks
@njit(cache=True)
def _decode(
    words: NDArray[np.uint32],
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
    while k < words.size and n < t.size:
        word = np.int64(words[k])
        k += 1
        kind = word >> 28
        if kind < 2:
            if high < 0:
                state[LOST] += 1
                continue
            x[n], y[n], p[n] = word >> 11 & 0x7FF, word & 0x7FF, kind
            t[n] = high << LOW | word >> 22 & 0x3F
            n += 1
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
    n = 0
    for k in range(t.size):
        high = t[k] >> LOW
        n = climb(words, n, last, high, PERIOD, _TAG)
        last = high
        words[n] = np.int64(p[k]) << 28 | (t[k] & 0x3F) << 22 | np.int64(x[k]) << 11 | y[k]
        n += 1
    return n


EVT2 = Encoding("EVT2", "2.0", np.dtype("<u4"), LOW, PERIOD, 1, 2, _decode, _encode)
FORMAT = EVT2.format
