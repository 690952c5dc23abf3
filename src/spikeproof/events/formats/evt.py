"""What the three encodings of Prophesee's ``.raw`` files share: the clock, reading and writing.

Words carry the low bits of the time (µs); the high bits come in words of their own, TIME_HIGH,
and roll over. The reader counts the roll-overs. What it leaves out is what lies before the first
TIME_HIGH: a recording may begin anywhere in a camera's stream, and events whose time was cut off
are left out by Prophesee's decoders too (OpenEB, hal/decoders). External triggers and vendors'
words are passed over, for they are no pixel's events. Words of reserved types and a last word that
is cut short are damage; in repair they are left out.

The writer keeps the order of events. It sends a TIME_HIGH at every quarter and at the end of each
period that passes, even without events, so that every reader can count: some take only the step
from the very last count to 0 for a roll-over. A file may so begin late, but not absurdly late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, no_type_check

import numpy as np
from numba import njit
from numpy.typing import NDArray

from spikeproof.errors import InvalidRecording
from spikeproof.events.formats import base
from spikeproof.events.formats.base import Format, Opened, Piece, Trouble
from spikeproof.events.formats.prophesee import (
    PropheseeHeader,
    chunks,
    parse,
    read_header,
    sensor,
)
from spikeproof.events.stream import Events

SIDE = 2**11  # pixels; a coordinate has 11 bits
MAX_TURNS = 2**16  # roll-overs that a file may count up
SWAPPED_BEFORE = 0x37  # number of the first camera that sends 64-bit words in one

# places in a decoder's state: TIME_HIGH with its roll-overs, events before the first TIME_HIGH,
# words of reserved types; the rest is the decoder's own
HIGH, LOST, UNKNOWN, OWN, STATE = 0, 1, 2, 3, 7


@dataclass(frozen=True)
class Encoding:
    """One encoding: its words and the compiled loops that read and write them.

    ``low`` bits of the time (µs) are not in TIME_HIGH, which has ``period`` counts. A word of
    ``dtype`` holds up to ``events``; an event needs up to ``words``, those of the clock's way
    apart. ``decode`` takes words, the first to read, the state and columns to fill, and gives the
    number of events and the next word; it stops after the first word of a reserved type.
    ``encode`` takes the columns, the sensor's width, the TIME_HIGH before and words to fill, and
    gives their number. ``options`` stand in the header's format.
    """

    name: str
    version: str
    dtype: np.dtype[Any]
    low: int
    period: int
    events: int
    words: int
    decode: Callable[..., tuple[int, int]]
    encode: Callable[..., int]
    options: str = ""

    @property
    def format(self) -> Format:
        """The file format; of all that end in ``.raw``, the first in the registry is written."""
        name = self.name.lower()
        return Format(
            name=name,
            title=f"Prophesee EVT {self.version}",
            endings=(".raw", f".{name}.raw"),
            open=self.open,
            recognises=lambda head: parse(head).encoding == self.name,
            write=self.write,
        )

    def open(self, file: BinaryIO, trouble: Trouble) -> Opened:
        """Read a file; raises ``InvalidRecording`` if the header names another encoding."""
        header = read_header(file)
        if header.encoding != self.name:
            raise InvalidRecording(
                f"the header names {header.encoding or 'no encoding'}, not {self.name}; it needs "
                f"a line '% evt {self.version}' or '% format {self.name}'"
            )
        order = _byte_order(header)
        if order not in ("little", "legacy"):
            raise InvalidRecording(
                f"byte order {order!r} is not read; convert the file with Prophesee's own tools"
            )
        swapped = order == "legacy" and self.dtype.itemsize == 8
        return Opened(*sensor(header, trouble), self._pieces(file, header.t0, swapped, trouble))

    def _pieces(self, file: BinaryIO, t0: int, swapped: bool, trouble: Trouble) -> Iterator[Piece]:
        """Decode from where ``file`` stands."""
        state = np.zeros(STATE, np.int64)
        state[HIGH] = -1
        at, size = file.tell(), self.dtype.itemsize
        for data in chunks(file, size, trouble):
            words = np.frombuffer(data, self.dtype)
            if swapped:
                words = words << 32 | words >> 32
            done = 0
            while done < len(words):
                room = min(base.PIECE, self.events * (len(words) - done)) + self.events
                columns = [np.empty(room, dtype) for dtype in ("u2", "u2", "i8", "u1")]
                sound = state[UNKNOWN] == 0
                n, done = self.decode(words, done, state, *columns)
                if sound and state[UNKNOWN]:
                    wrong = at + (done - 1) * size
                    trouble(f"the word at byte {wrong} is of a reserved type; fetch the file again")
                if n:
                    x, y, t, p = (column[:n] for column in columns)
                    yield Piece(x, y, t + t0 if t0 else t, p)
            at += len(data)
        if state[UNKNOWN] > 1:
            trouble(f"{state[UNKNOWN]} words in all are of reserved types; fetch the file again")
        if state[LOST] and state[HIGH] < 0:
            trouble("no event has a time: there is no TIME_HIGH word; record it again")

    def write(self, file: BinaryIO, events: Events) -> None:
        """Write a file; raises ``InvalidRecording`` for a sensor or times that do not fit."""
        self._check(events)
        size = f"height={events.height};width={events.width}"
        file.write(
            f"% evt {self.version}\n"
            f"% format {self.name};{self.options}{size}\n"
            f"% geometry {events.width}x{events.height}\n"
            "% end\n".encode()
        )
        last = -1
        if len(events):
            # a reader starts at the first TIME_HIGH it finds; roll-overs before it must be shown
            first = int(events.t[0]) >> self.low
            last = first - 1 if first < self.period else -1
        for k in range(0, len(events), base.PIECE):
            piece = slice(k, k + base.PIECE)
            t = events.t[piece]
            high = int(t[-1]) >> self.low
            steps = 5 * ((high - last) // self.period + 2)
            words = np.empty(self.words * len(t) + steps, self.dtype)
            n = self.encode(
                events.x[piece], events.y[piece], t, events.p[piece], events.width, last, words
            )
            file.write(words[:n].tobytes())
            last = high

    def _check(self, events: Events) -> None:
        """Refuse what a file cannot hold."""
        width, height, t = events.width, events.height, events.t
        if max(width, height) > SIDE:
            raise InvalidRecording(
                f"the {width}x{height} sensor does not fit {self.name}, which holds up to "
                f"{SIDE}x{SIDE} pixels; write .npz"
            )
        turn = self.period << self.low
        for k in (0, len(t) - 1) if len(t) else ():
            if not 0 <= t[k] < turn * (MAX_TURNS + 1):
                raise InvalidRecording(
                    f"event {k}: t={t[k]} µs does not fit {self.name}, whose clock starts at 0 "
                    f"and rolls over up to {MAX_TURNS} times after {turn} µs; shift all "
                    "times, or write .npz"
                )


def _byte_order(header: PropheseeHeader) -> str:
    """``little``, ``legacy`` (the 32-bit halves of words swapped), or what else the header says.

    Without a word in the header, cameras tell: those before the first one that sends 64 bits in
    one have legacy order ("EVT 2.1 Format", docs.prophesee.ai; OpenEB, psee_raw_file_header.cpp).
    """
    order = header.options.get("endianness", header.fields.get("endianness"))
    camera = header.fields.get("system_id", "")
    old = camera.isdecimal() and 0 < int(camera) < SWAPPED_BEFORE
    return order or ("legacy" if old else "little")


@no_type_check  # numba compiles the plain function, not one wrapped in run-time checks
@njit(cache=True)
def later(last: int, shown: int, period: int, back: int) -> int:
    """Give the count, roll-overs included, of a clock that shows ``shown`` after count ``last``.

    A clock less than ``back`` counts behind has jittered; any other has gone ahead.
    """
    if last < 0:
        return shown
    step = (shown - last) & (period - 1)
    if step > period - back and last + step >= period:
        step -= period
    return last + step


@no_type_check
@njit(cache=True)
def climb(words: NDArray[Any], n: int, last: int, high: int, period: int, tag: int) -> int:
    """Write the TIME_HIGH words that lead from count ``last`` to ``high``; give the new fill."""
    quarter = period // 4
    while last != high:
        step = (last // quarter + 1) * quarter
        if step % period == 0 and last != step - 1:
            step -= 1  # the very last count
        last = min(step, high)
        words[n] = tag | (last & (period - 1))
        n += 1
    return n
