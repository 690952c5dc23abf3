"""Whole lines of plain decimal numbers, to and from columns, in compiled loops.

A line is plain if it has digits, at most one decimal point a number, and nothing else between the
delimiters but spaces. ``formats.csv`` does the other lines one by one.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit
from numpy.typing import NDArray


@no_type_check
@njit(cache=True)
def parse(
    raw: NDArray[np.uint8],
    start: int,
    fields: NDArray[np.int8],
    delimiter: int,
    seconds: bool,
    out: NDArray[np.int64],
    used: int,
) -> tuple[int, int, bool]:
    """Parse plain decimals into ``out[:, used:]`` until it is full or a line is not plain.

    Gives the fill, the start of the next line, and whether that line is one it cannot do.
    """
    size, k = raw.size, start
    while k < size and used < out.shape[1]:
        begin = k
        while raw[k] == 32 or (raw[k] == 9 and delimiter != 9) or raw[k] == 13:
            k += 1
        if raw[k] == 10 or raw[k] == 35:  # an empty line, or a comment
            while raw[k] != 10:
                k += 1
            k += 1
            continue
        for field in range(fields.size):
            column = fields[field]
            while raw[k] == 32:
                k += 1
            negative = raw[k] == 45
            k += negative
            value, digits = np.int64(0), 0
            while 48 <= raw[k] <= 57:
                value = value * 10 + (raw[k] - 48)
                digits += 1
                k += 1
            if digits == 0 or digits > (12 if column == 2 and seconds else 18):
                return used, begin, True
            if raw[k] == 46:
                k += 1
                places, up = 0, False
                if column != 2 or not seconds:
                    while raw[k] == 48:  # a whole number all the same
                        k += 1
                else:
                    while 48 <= raw[k] <= 57:
                        if places < 6:
                            value = value * 10 + (raw[k] - 48)
                        elif places == 6:
                            up = raw[k] >= 53
                        places += 1
                        k += 1
                    if negative and places > 6:
                        return used, begin, True  # a half rounds up, that is towards zero
                    while places < 6:
                        value *= 10
                        places += 1
                    value += up
            elif column == 2 and seconds:
                value *= 1_000_000
            while raw[k] == 32 or (raw[k] == 9 and delimiter != 9) or raw[k] == 13:
                k += 1
            if column >= 0:
                out[column, used] = -value if negative else value
            if field < fields.size - 1:
                if delimiter == 32:
                    if raw[k - 1] != 32 and raw[k - 1] != 9:
                        return used, begin, True
                elif raw[k] == delimiter:
                    k += 1
                else:
                    return used, begin, True
        if raw[k] != 10:
            return used, begin, True
        k += 1
        used += 1
    return used, k, False


@no_type_check
@njit(cache=True)
def show(
    x: NDArray[np.uint16],
    y: NDArray[np.uint16],
    t: NDArray[np.int64],
    p: NDArray[np.uint8],
    text: NDArray[np.uint8],
) -> int:
    """Write one line an event into ``text`` and give its length."""
    used = 0
    for k in range(t.size):
        for column in range(4):
            if column == 0:
                value = np.uint64(t[k])
                if t[k] < 0:
                    text[used] = 45
                    used += 1
                    value = np.uint64(0) - value
            elif column == 1:
                value = np.uint64(x[k])
            elif column == 2:
                value = np.uint64(y[k])
            else:
                value = np.uint64(p[k])
            digits, power = 1, value
            while power >= np.uint64(10):
                power //= np.uint64(10)
                digits += 1
            for place in range(used + digits - 1, used - 1, -1):
                text[place] = 48 + value % np.uint64(10)
                value //= np.uint64(10)
            used += digits
            text[used] = 44 if column < 3 else 10
            used += 1
    return used
