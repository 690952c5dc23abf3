"""Columns that people name and number: which one is which, and what their values mean.

Shared by the formats whose files are plain arrays or tables (``.npz``, ``.npy``, CSV, HDF5). A
polarity of -1 is read as off, like 0. Floating-point columns must hold whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spikeproof.errors import InvalidRecording
from spikeproof.events.formats.base import Piece, Trouble

NAMES = {
    "x": ("x", "xs"),
    "y": ("y", "ys"),
    "t": ("t", "ts", "time", "timestamp", "timestamps"),
    "p": ("p", "ps", "pol", "polarity", "polarities"),
}
"""Under which names a column is found, whatever the case of their letters."""


def find(found: Sequence[str]) -> dict[str, str]:
    """Say what ``x``, ``y``, ``t`` and ``p`` are called; raises ``InvalidRecording`` if missing."""
    chosen: dict[str, str] = {}
    for column, names in NAMES.items():
        fitting = [name for name in found if name.lower() in names]
        if not fitting:
            raise InvalidRecording(
                f"field {column!r} is missing (found: {', '.join(found) or 'none'}); "
                "give one each of x, y, t and p"
            )
        if len(fitting) > 1:
            raise InvalidRecording(
                f"fields {fitting[0]!r} and {fitting[1]!r} may both be {column!r}; leave one out"
            )
        chosen[column] = fitting[0]
    return chosen


def piece(columns: dict[str, NDArray[np.generic]], first: int, trouble: Trouble) -> Piece:
    """Make a piece of raw columns; event ``first`` is the number of its first event."""
    kept = np.ones(len(columns["t"]), np.bool_)
    for name, column in columns.items():
        if column.dtype.kind == "f":
            with np.errstate(invalid="ignore"):  # not a number compares as it should
                wide = column.astype(np.float64)  # half precision ends at 65504
                whole = (np.abs(wide) < 2.0**63) & (np.floor(wide) == wide)
            if not whole.all():
                k = int(np.argmin(whole))
                trouble(
                    f"event {first + k}: {name}={column[k]} is no whole number; "
                    "drop such events or round them first (times in µs)"
                )
                kept &= whole
    if not kept.all():
        columns = {name: column[kept] for name, column in columns.items()}
    whole_columns = {
        name: column.astype(np.int64) if column.dtype.kind == "f" else column
        for name, column in columns.items()
    }
    polarity = whole_columns["p"]
    if polarity.dtype.kind == "i" and polarity.size and polarity.min() == -1:
        whole_columns["p"] = np.where(polarity == -1, 0, polarity)
    return Piece(**whole_columns)
