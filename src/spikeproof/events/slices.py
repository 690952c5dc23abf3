"""Read a recording of any length in parts, in bounded memory.

Slices hold a number of events, or a stretch of time: slice ``k`` of ``duration`` µs has the events
with ``k * duration <= t - t0 < (k + 1) * duration``, where ``t0`` is the first event's time. Only
a reader's piece (about ``formats.base.PIECE`` events) and the slice at hand are in memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from spikeproof.errors import InvalidRecording
from spikeproof.events import reading
from spikeproof.events.files import opened
from spikeproof.events.formats.base import Piece
from spikeproof.events.stream import Events

MAX_EMPTY = 100_000  # slices on end


def slices(
    path: str | Path,
    *,
    count: int | None = None,
    duration: int | None = None,
    width: int | None = None,
    height: int | None = None,
    repair: bool = False,
    told: Callable[[str], None] = warnings.warn,
) -> Iterator[Events]:
    """Give consecutive slices of ``count`` events, or of ``duration`` µs (some may be empty).

    The last one may be shorter. The other settings are those of ``read``; a sensor's size that
    nobody says is looked for in a first pass. Problems show when the slice at hand is reached:
    raises ``InvalidRecording`` as ``read`` does, for a slice of more than ``reading.MAX_EVENTS``
    events, and for more than ``MAX_EMPTY`` empty slices on end.
    """
    length = duration if count is None else count
    if length is None or (count is not None and duration is not None) or length < 1:
        raise InvalidRecording(
            f"{path}: cannot be cut into slices of {count} events or {duration} µs; "
            "give one of the two, 1 or more"
        )
    return _slices(Path(path), count, duration, width, height, reading.Notes(repair), told)


def _slices(
    path: Path,
    count: int | None,
    duration: int | None,
    width: int | None,
    height: int | None,
    notes: reading.Notes,
    told: Callable[[str], None],
) -> Iterator[Events]:
    """Open the file, find the sensor's size, and cut."""
    try:
        with opened(path) as (file, format):
            begun = format.open(file, notes)
            width, height = reading.sensor(begun, width, height)
            if width is None or height is None:
                largest = reading.reach(reading.checked(begun, width, height, notes))
                if largest == (-1, -1):
                    raise notes.nothing()
                notes.forget()  # the second pass meets the same problems again
                width, height = reading.sized(width, height, largest, notes)
                file.seek(0)
                begun = format.open(file, notes)
            pieces = reading.checked(begun, width, height, notes)
            if notes.repair:
                pieces = reading.in_order(pieces, notes)
            parts = _by_count(pieces, count) if count else _by_time(pieces, duration or 1)
            some = False
            for part in parts:
                some = True
                yield _events(part, width, height)
            if not some:
                raise notes.nothing()
    finally:
        notes.tell(told, path)


def _events(parts: list[Piece], width: int, height: int) -> Events:
    """Join the parts of one slice."""
    if not parts:
        return Events.empty(width, height)
    piece = parts[0]
    if len(parts) > 1:
        piece = Piece(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return reading.stream(piece, width, height)


def _cut(piece: Piece, start: int, end: int) -> Piece:
    """Take some events of a piece."""
    return Piece(*(column[start:end] for column in piece))


def _by_count(pieces: Iterator[Piece], count: int) -> Iterator[list[Piece]]:
    """Collect ``count`` events at a time."""
    parts: list[Piece] = []
    missing = count
    for piece in pieces:
        start = 0
        while start < len(piece.t):
            end = min(len(piece.t), start + missing)
            parts.append(_cut(piece, start, end))
            missing -= end - start
            start = end
            if count - missing > reading.MAX_EVENTS:
                raise InvalidRecording(_too_many("count"))
            if not missing:
                yield parts
                parts, missing = [], count
    if parts:
        yield parts


def _by_time(pieces: Iterator[Piece], duration: int) -> Iterator[list[Piece]]:
    """Collect the events of one window after the other."""
    parts: list[Piece] = []
    edge: int | None = None
    held = 0
    for piece in pieces:
        t = piece.t
        edge = int(t[0]) + duration if edge is None else edge
        start = 0
        while start < len(t):
            if t[start] >= edge:
                yield parts
                parts, held = [], 0
                edge += duration
                gap = (int(t[start]) - edge) // duration + 1
                if gap > MAX_EMPTY:
                    raise InvalidRecording(
                        f"nothing happens for {int(t[start]) - edge} µs before t={t[start]} µs, "
                        f"more than {MAX_EMPTY} slices; take a longer duration, or a count"
                    )
                for _ in range(gap):
                    yield []
                edge += gap * duration
            # the edge may lie beyond what 64 bits hold
            beyond = edge > int(t[-1])
            end = len(t) if beyond else start + int(np.searchsorted(t[start:], edge))
            parts.append(_cut(piece, start, end))
            held += end - start
            if held > reading.MAX_EVENTS:
                raise InvalidRecording(_too_many("duration"))
            start = end
    if parts:
        yield parts


def _too_many(setting: str) -> str:
    """Say that a slice does not fit memory."""
    return f"has a slice of more than {reading.MAX_EVENTS} events; take a smaller {setting}"
