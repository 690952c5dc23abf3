"""From the pieces that a format's reader hands over to checked, or repaired, events.

Readers are not trusted: coordinates, polarities, times and their order are checked here, alike for
all formats. ``Notes`` is what separates strict reading from repair: told of a problem it raises,
or keeps count. The rules of repair stand in ``spikeproof.events.files``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeproof.errors import InvalidRecording
from spikeproof.events.formats.base import PIECE, Opened, Piece
from spikeproof.events.stream import MAX_SIDE, Events

MAX_EVENTS = 2**27  # in one stream: 1.7 GB, and twice that while it is read
HOLD = PIECE  # events held back by a repair in pieces, so that late ones find their place
MAX_NOTES = 20  # different sentences
_INT64 = np.iinfo(np.int64)


@dataclass
class Notes:
    """Problems of one file: raised at once in strict reading, counted in repair."""

    repair: bool
    counts: dict[str, int] = field(default_factory=dict)
    repairs: dict[str, int] = field(default_factory=dict)

    def __call__(self, problem: str, /) -> None:
        """Raise, or take note of a sentence that ends in the cure."""
        if not self.repair:
            raise InvalidRecording(f"{problem}, or read it with repair (--repair)")
        if problem not in self.counts and len(self.counts) >= MAX_NOTES:
            problem = "more problems of this kind"
        self.counts[problem] = self.counts.get(problem, 0) + 1

    def mended(self, how: str, count: int) -> None:
        """Count events that a repair changed."""
        self.repairs[how] = self.repairs.get(how, 0) + count

    def nothing(self) -> InvalidRecording:
        """Give the error for a file without events: it was empty, or damage has left none."""
        if self.counts or self.repairs:
            return InvalidRecording("has no sound event left after the repair; fetch it again")
        return InvalidRecording("is empty: it has no events; leave it out or record it again")

    def forget(self) -> None:
        """Start over, for a file that is read a second time."""
        self.counts.clear()
        self.repairs.clear()

    def tell(self, told: Callable[[str], None], path: object) -> None:
        """Report every sentence once."""
        for sentence, count in self.counts.items():
            told(f"{path}: {sentence}" + (f" ({count} times)" if count > 1 else ""))
        for how, count in self.repairs.items():
            told(f"{path}: {how}: {count}")


def sensor(opened: Opened, width: int | None, height: int | None) -> tuple[int | None, int | None]:
    """Give the sensor's size, the caller's word before the file's; raises if it is impossible."""
    width = opened.width if width is None else width
    height = opened.height if height is None else height
    Events.empty(1 if width is None else width, 1 if height is None else height)
    return width, height


def checked(opened: Opened, width: int | None, height: int | None, notes: Notes) -> Iterator[Piece]:
    """Give pieces of valid events as ``Events`` keeps them (dtypes, read-only), none empty.

    In strict reading they are also in the order of time; repair leaves that to its caller.
    """
    first, last = 0, None
    for piece in opened.pieces:
        count = len(piece.t)
        piece = _valid(piece, first, width, height, notes)
        piece = Piece(
            *(
                _frozen(column, dtype)
                for column, dtype in zip(
                    piece, (np.uint16, np.uint16, np.int64, np.uint8), strict=True
                )
            )
        )
        if len(piece.t):
            if not notes.repair:
                _check_order(piece.t, first, last)
                last = int(piece.t[-1])
            yield piece
        first += count


def _frozen(column: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Give a contiguous read-only column, without a copy where it is one."""
    array = np.ascontiguousarray(column, dtype)
    array.flags.writeable = False
    return array


def _valid(piece: Piece, first: int, width: int | None, height: int | None, notes: Notes) -> Piece:
    """Check the values of a piece; drop the wrong ones in repair."""
    known = width is not None and height is not None
    place = f"the {width}x{height} sensor" if known else "any sensor"
    cure = f"is outside {place}; give the right width and height (--width, --height)"
    outside = f"dropped events outside {place}"
    sides = {"x": MAX_SIDE if width is None else width, "y": MAX_SIDE if height is None else height}
    rules = (
        ("x", 0, sides["x"] - 1, cure, outside),
        ("y", 0, sides["y"] - 1, cure, outside),
        (
            "p",
            0,
            1,
            "is no polarity; give 0 for off and 1 for on",
            "dropped events whose polarity is neither 0 nor 1",
        ),
        (
            "t",
            int(_INT64.min),
            int(_INT64.max),
            "does not fit 64 bits; use µs",
            "dropped events whose time does not fit 64 bits",
        ),
    )
    kept = np.ones(0, np.bool_)
    for name, low, high, problem, drop in rules:
        column = getattr(piece, name)
        if _within(column, low, high):
            continue
        right = (column >= low) & (column <= high)
        if not notes.repair:
            k = int(np.argmin(right))
            notes(f"event {first + k}: {name}={column[k]} {problem}")
        kept = kept if kept.size else np.ones(len(column), np.bool_)
        notes.mended(drop, int((kept & ~right).sum()))
        kept &= right
    return Piece(*(column[kept] for column in piece)) if kept.size else piece


def _within(column: NDArray[Any], low: int, high: int) -> bool:
    """Say whether all values are in ``[low, high]``."""
    if not column.size or column.dtype.kind == "b":
        return True
    info = np.iinfo(column.dtype)
    if low <= info.min and info.max <= high:
        return True
    return low <= int(column.min()) and int(column.max()) <= high


def _check_order(t: NDArray[np.int64], first: int, last: int | None) -> None:
    """Refuse times that go backwards, within a piece or from the one before it."""
    if last is not None and t[0] < last:
        _backwards(first, last, int(t[0]))
    back = t[1:] < t[:-1]
    if back.any():
        k = int(np.argmax(back))
        _backwards(first + k + 1, int(t[k]), int(t[k + 1]))


def _backwards(k: int, before: int, now: int) -> None:
    """Complain about event ``k``."""
    raise InvalidRecording(
        f"event {k}: time goes backwards, from {before} to {now} µs; sort the events by time, "
        "or read it with repair (--repair)"
    )


def reach(pieces: Iterator[Piece]) -> tuple[int, int]:
    """Give the largest x and y; -1 without events."""
    x = y = -1
    for piece in pieces:
        x, y = max(x, int(piece.x.max())), max(y, int(piece.y.max()))
    return x, y


def sized(
    width: int | None, height: int | None, largest: tuple[int, int], notes: Notes
) -> tuple[int, int]:
    """Fill in a size that the file does not say from its events; strict reading refuses."""
    if width is not None and height is not None:
        return width, height
    x, y = largest
    if not notes.repair:
        raise InvalidRecording(
            f"the file does not say the sensor's size (its events reach x={x}, y={y}); "
            "give --width and --height"
        )
    width, height = width or x + 1, height or y + 1
    notes(
        f"the file does not say the sensor's size; took {width}x{height}, the smallest that "
        "holds its events; give --width and --height if that is wrong"
    )
    return width, height


def in_order(pieces: Iterator[Piece], notes: Notes) -> Iterator[Piece]:
    """Put events in the order of time while they stream by, as far as ``HOLD`` events allow.

    The latest ``HOLD`` events are held back while the next piece is read. An event earlier than
    one that was already handed over comes too late for that and is dropped.
    """
    held: Piece | None = None
    last = int(_INT64.min)
    for piece in pieces:
        late = piece.t < last
        if late.any():
            notes.mended("dropped events that came too late to be put in order", int(late.sum()))
            piece = Piece(*(column[~late] for column in piece))
        if held is not None:
            piece = Piece(*(np.concatenate(pair) for pair in zip(held, piece, strict=True)))
        piece = by_time(piece, notes)
        ready = max(0, len(piece.t) - HOLD)
        if ready:
            last = int(piece.t[ready - 1])
            yield Piece(*(column[:ready] for column in piece))
        held = Piece(*(column[ready:] for column in piece))
    if held is not None and len(held.t):
        yield held


def by_time(piece: Piece, notes: Notes) -> Piece:
    """Sort by time; events of one microsecond keep their order."""
    back = int(np.count_nonzero(piece.t[1:] < piece.t[:-1]))
    if not back:
        return piece
    notes.mended("put the events in order of time, which went backwards", back)
    order = np.argsort(piece.t, kind="stable")
    return Piece(*(column[order] for column in piece))


def whole(opened: Opened, width: int | None, height: int | None, notes: Notes) -> Events:
    """Read all events of a file into one stream."""
    width, height = sensor(opened, width, height)
    parts: list[Piece] = []
    total = 0
    for piece in checked(opened, width, height, notes):
        parts.append(piece)
        total += len(piece.t)
        if total > MAX_EVENTS:
            raise InvalidRecording(
                f"has more than {MAX_EVENTS} events; read it in parts with spikeproof.events.slices"
            )
    if not parts:
        raise notes.nothing()
    piece = parts[0] if len(parts) == 1 else _joined(parts)
    if notes.repair:
        piece = by_time(piece, notes)
    width, height = sized(width, height, reach(iter([piece])), notes)
    return stream(piece, width, height)


def stream(piece: Piece, width: int, height: int) -> Events:
    """Make a stream of columns that nobody else will write to, without copying them."""
    for column in piece:
        column.flags.writeable = False  # Events share what is read-only
    return Events(*piece, width, height)


def _joined(parts: list[Piece]) -> Piece:
    """Put pieces together, column by column, letting go of each as soon as it is done."""
    lists = [list(column) for column in zip(*parts, strict=True)]
    parts.clear()
    columns = []
    while lists:
        columns.append(np.concatenate(lists.pop(0)))
    return Piece(*columns)
