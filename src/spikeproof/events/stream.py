"""A recording of an event camera: four parallel arrays and the size of the sensor.

An event ``(x, y, t, p)`` says that pixel ``(x, y)`` became brighter (``p = 1``, on) or darker
(``p = 0``, off) at time ``t``, in whole microseconds. Everything downstream relies on five facts
that are checked here, once: the arrays are one-dimensional and of one length, times never go
backwards, coordinates lie on the sensor, polarities are 0 or 1.

The structured layout is that of Tonic (Lenz et al., 2021, https://tonic.readthedocs.io).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikeproof.errors import InvalidRecording

STRUCTURED = np.dtype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])
"""Tonic's structured dtype, one record an event."""

MAX_SIDE = 2**15  # coordinates must fit Tonic's signed 16 bits
_INT64 = np.iinfo(np.int64)


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Events:
    """A valid, immutable event stream.

    ``x`` (column) and ``y`` (row) are ``uint16``; ``t`` is ``int64``, in µs, never decreasing;
    ``p`` is ``uint8``, 0 = off, 1 = on; ``width`` and ``height`` are in pixels. The arrays are
    read-only. Two streams are equal if they hold the same events in the same order on sensors of
    one size. Any array of whole numbers is accepted; raises ``InvalidRecording`` for the rest.
    """

    x: NDArray[np.uint16]
    y: NDArray[np.uint16]
    t: NDArray[np.int64]
    p: NDArray[np.uint8]
    width: int
    height: int

    def __init__(
        self, x: ArrayLike, y: ArrayLike, t: ArrayLike, p: ArrayLike, width: int, height: int
    ) -> None:
        for name, side in (("width", width), ("height", height)):
            if not 1 <= side <= MAX_SIDE:
                raise InvalidRecording(
                    f"sensor {name} {side} is impossible; give 1 to {MAX_SIDE} pixels"
                )
        columns = {name: _column(name, c) for name, c in zip("xytp", (x, y, t, p), strict=True)}
        if len({len(column) for column in columns.values()}) > 1:
            sizes = ", ".join(f"{name} {len(column)}" for name, column in columns.items())
            raise InvalidRecording(
                f"the columns differ in length ({sizes}); give one x, y, t and p for every event"
            )
        sensor = f"is outside the {width}x{height} sensor; give the right width and height"
        _check_range("x", columns["x"], 0, width - 1, f"{sensor} (--width, --height)")
        _check_range("y", columns["y"], 0, height - 1, f"{sensor} (--width, --height)")
        _check_range("t", columns["t"], _INT64.min, _INT64.max, "does not fit 64 bits; use µs")
        _check_range("p", columns["p"], 0, 1, "is no polarity; give 0 for off and 1 for on")
        times = _frozen(columns["t"], np.int64)
        back = times[1:] < times[:-1]
        if back.any():
            k = int(np.argmax(back)) + 1
            raise InvalidRecording(
                f"event {k}: time goes backwards, from {times[k - 1]} to {times[k]} µs; "
                "sort the events by time (Events.sorted_by_time)"
            )
        _set(self, "x", _frozen(columns["x"], np.uint16))
        _set(self, "y", _frozen(columns["y"], np.uint16))
        _set(self, "t", times)
        _set(self, "p", _frozen(columns["p"], np.uint8))
        _set(self, "width", int(width))
        _set(self, "height", int(height))

    @classmethod
    def sorted_by_time(
        cls, x: ArrayLike, y: ArrayLike, t: ArrayLike, p: ArrayLike, width: int, height: int
    ) -> Events:
        """Make a stream of unsorted events; those of one microsecond keep their order."""
        x, y, t, p = _column("x", x), _column("y", y), _column("t", t), _column("p", p)
        if len(x) == len(y) == len(t) == len(p):  # the constructor complains otherwise
            order = np.argsort(t, kind="stable")
            x, y, t, p = x[order], y[order], t[order], p[order]
        return cls(x, y, t, p, width, height)

    @classmethod
    def empty(cls, width: int, height: int) -> Events:
        """Make a stream without events."""
        return cls([], [], [], [], width, height)

    @classmethod
    def from_structured(cls, array: NDArray[Any], width: int, height: int) -> Events:
        """Read a structured array with fields ``x``, ``y``, ``t``, ``p`` in any order.

        ``p`` may be bool, 0/1 or -1/+1. Raises ``InvalidRecording`` if a field is missing.
        """
        names = array.dtype.names or ()
        missing = [name for name in "xytp" if name not in names]
        if missing:
            raise InvalidRecording(
                f"field {missing[0]!r} is missing (found: {', '.join(names) or 'none'}); "
                "give a structured array with fields x, y, t and p"
            )
        polarity = array["p"]
        if polarity.dtype.kind in "if" and polarity.size and polarity.min() < 0:
            # -1/+1 becomes 0/1; any other value is left for the constructor to name
            signed = np.isin(polarity, (-1, 1)).all()
            polarity = polarity > 0 if signed else polarity
        return cls(array["x"], array["y"], array["t"], polarity, width, height)

    def structured(self) -> NDArray[Any]:
        """Give Tonic's structured array (a writable copy)."""
        array = np.empty(len(self), STRUCTURED)
        array["x"], array["y"], array["t"], array["p"] = self.x, self.y, self.t, self.p
        return array

    @property
    def duration(self) -> int:
        """Time from the first event to the last, in µs; 0 without events."""
        return int(self.t[-1]) - int(self.t[0]) if len(self) else 0

    def __len__(self) -> int:
        """Count the events."""
        return len(self.t)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Events):
            return NotImplemented
        return (self.width, self.height) == (other.width, other.height) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in "xytp"
        )

    def __repr__(self) -> str:
        return f"Events({len(self)} events, {self.width}x{self.height} pixels, {self.duration} µs)"


_set = object.__setattr__  # a frozen dataclass fills its own fields


def _column(name: str, values: ArrayLike) -> NDArray[Any]:
    """View ``values`` as one dimension of whole numbers."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise InvalidRecording(f"{name} has {array.ndim} dimensions; give one number an event")
    if array.dtype.kind == "f":
        wrong = np.flatnonzero(~np.isfinite(array) | (array != np.floor(array)))
        if wrong.size:
            k = int(wrong[0])
            raise InvalidRecording(
                f"event {k}: {name}={array[k]} is no whole number; "
                "drop such events or round them first (times in µs)"
            )
    elif array.dtype.kind not in "biu":
        raise InvalidRecording(
            f"{name} has dtype {array.dtype}; give whole numbers (any integer dtype)"
        )
    return array


def _check_range(name: str, column: NDArray[Any], low: int, high: int, problem: str) -> None:
    """Refuse the first value outside ``[low, high]``."""
    if not column.size or column.dtype.kind == "b":
        return
    if column.dtype.kind in "iu":
        info = np.iinfo(column.dtype)
        if low <= info.min and info.max <= high:  # no value of this dtype can be wrong
            return
    # Python's integers compare exactly with every dtype, so uint64 and floats cannot wrap around
    if low <= int(column.min()) and int(column.max()) <= high:
        return
    k = next(k for k, value in enumerate(column.tolist()) if not low <= value <= high)
    raise InvalidRecording(f"event {k}: {name}={column[k]} {problem}")


def _frozen(column: NDArray[Any], dtype: type[np.generic]) -> NDArray[Any]:
    """Give a read-only array of ``dtype``; shared only if the caller's is read-only."""
    array = column.astype(dtype, copy=False)
    if array is column and array.flags.writeable:
        array = array.copy()
    array = array.view()
    array.flags.writeable = False
    return array
