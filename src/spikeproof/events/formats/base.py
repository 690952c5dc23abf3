"""What a file format is: how its files are recognised, read in pieces and written.

A reader opens a seekable binary file and hands its events over in pieces of bounded size, so that
a recording of any length passes through bounded memory. It reports damage to ``trouble``. In
strict reading that raises; in repair it takes note and the reader goes on as the format's module
says (dropping what cannot be read, say). What a reader hands over is not trusted further: order,
sensor and polarity are checked, or repaired, by the caller, alike for all formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple, Protocol

from numpy.typing import NDArray

from spikeproof.events.stream import Events

HEAD = 2**16  # bytes from the start of a file that recognition may look at
PIECE = 2**20  # events that a reader hands over at once, about


class Piece(NamedTuple):
    """Consecutive events as the file has them: parallel columns, any integer dtype.

    ``t`` is in µs with overflows of short counters already undone, ``p`` is 0/1 or bool. Columns
    may be of any value otherwise, but of one length and one dimension.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    t: NDArray[Any]
    p: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Opened:
    """A file that is being read: the sensor's size if it says so, and its events in pieces."""

    width: int | None
    height: int | None
    pieces: Iterator[Piece]


class Trouble(Protocol):
    """Told of damage in one sentence, without the path, that ends in the cure.

    Strict: raises ``InvalidRecording``. In repair: returns, and the sentence is reported.
    """

    def __call__(self, problem: str, /) -> None:
        """Raise, or take note."""
        ...


@dataclass(frozen=True)
class Format:
    """One file format.

    ``endings`` are in lower case with their dot; ``recognises`` says whether the first bytes
    (up to ``HEAD``) are of this format, None where a file has no mark of its own and only the
    ending can tell. ``open`` reads; it raises ``InvalidRecording`` for what no repair can mend (a
    wrong header). ``write`` writes the whole file, None where a format is only read; it raises
    ``InvalidRecording`` for events that the format cannot hold. ``sized`` says whether its files
    hold the sensor's size.
    """

    name: str
    title: str
    endings: tuple[str, ...]
    open: Callable[[BinaryIO, Trouble], Opened]
    recognises: Callable[[bytes], bool] | None = None
    write: Callable[[BinaryIO, Events], None] | None = None
    sized: bool = True
