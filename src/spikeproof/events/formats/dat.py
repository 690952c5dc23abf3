"""Prophesee's ``.dat``: decoded events, 8 bytes each.

After the header come two bytes, the type of events and their size, and then little-endian events:
time in µs (32 bits), and from the top bit of the second word polarity (4), y (14) and x (14)
("DAT File Format", https://docs.prophesee.ai). Type 0 is a 2D event, 12 a contrast event; other
types are no pixel's events. N-CARS and the automotive sets of Prophesee are such files (Sironi et
al., "HATS", CVPR 2018). Version 1 packed coordinates otherwise and is not read.

Time rolls over after 2^32 µs (71.6 min). The reader takes the time nearest to the one before; the
writer refuses gaps of half a period and more once the clock has rolled over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, no_type_check

import numpy as np
from numba import njit
from numpy.typing import NDArray

from spikeproof.errors import InvalidRecording
from spikeproof.events.formats import base
from spikeproof.events.formats.base import Format, Opened, Piece, Trouble
from spikeproof.events.formats.prophesee import chunks, parse, read_header, sensor
from spikeproof.events.stream import Events

TYPES = (0, 12)
SIZE = 8  # bytes an event
SIDE = 2**14  # pixels
TURN = 2**32  # µs


def recognises(head: bytes) -> bool:
    """Say whether a DAT header with its two bytes stands here."""
    header = parse(head)
    kind = head[header.size : header.size + 2]
    return header.size > 0 and header.encoding is None and kind in (bytes((k, SIZE)) for k in TYPES)


def open_dat(file: BinaryIO, trouble: Trouble) -> Opened:
    """Read a file; raises ``InvalidRecording`` for another version or type of events."""
    header = read_header(file)
    version = header.fields.get("version")
    if version != "2":
        raise InvalidRecording(
            f"has DAT version {version or 'unknown'} and this program reads 2; convert the file "
            "with Prophesee's own tools"
        )
    kind = file.read(2)
    if kind not in (bytes((k, SIZE)) for k in TYPES):
        raise InvalidRecording(
            f"has events of type and size {tuple(kind)}, and this program reads type {TYPES[0]} or "
            f"{TYPES[1]} of size {SIZE}; export the contrast events"
        )
    return Opened(*sensor(header, trouble), _pieces(file, header.t0, trouble))


def write(file: BinaryIO, events: Events) -> None:
    """Write a file; raises ``InvalidRecording`` for a sensor or times that do not fit."""
    if max(events.width, events.height) > SIDE:
        raise InvalidRecording(
            f"the {events.width}x{events.height} sensor does not fit DAT, which holds up to "
            f"{SIDE}x{SIDE} pixels; write .npz"
        )
    gaps = np.diff(events.t, prepend=0)
    wrong = np.flatnonzero((events.t < 0) | ((events.t >= TURN) & (gaps >= TURN // 2)))
    if wrong.size:
        k = int(wrong[0])
        raise InvalidRecording(
            f"event {k}: t={events.t[k]} µs does not fit DAT, whose clock starts at 0 and rolls "
            f"over after {TURN} µs, which only shows in gaps below half of that; write .npz"
        )
    file.write(
        "% Data file containing CD events\n"
        "% Version 2\n"
        f"% Width {events.width}\n"
        f"% Height {events.height}\n".encode()
        + bytes((TYPES[1], SIZE))
    )
    columns = (events.x, events.y, events.t % TURN, events.p)
    for k in range(0, len(events), base.PIECE):
        x, y, t, p = (column[k : k + base.PIECE].astype("<u4") for column in columns)
        file.write(np.stack([t, p << 28 | y << 14 | x], axis=1).tobytes())


def _pieces(file: BinaryIO, t0: int, trouble: Trouble) -> Iterator[Piece]:
    """Decode from where ``file`` stands."""
    last = 0
    for data in chunks(file, SIZE, trouble):
        words = np.frombuffer(data, "<u4").reshape(-1, 2)
        x, y, t, p = (np.empty(len(words), dtype) for dtype in ("u2", "u2", "i8", "u1"))
        last = _decode(words, last, x, y, t, p)
        yield Piece(x, y, t + t0 if t0 else t, p)


@no_type_check  # numba compiles the plain function, not one wrapped in run-time checks
@njit(cache=True)
def _decode(
    words: NDArray[np.uint32],
    last: int,
    x: NDArray[np.uint16],
    y: NDArray[np.uint16],
    t: NDArray[np.int64],
    p: NDArray[np.uint8],
) -> int:
    """Fill the columns; ``last`` is the time before, roll-overs included, and is given back."""
    for k in range(t.size):
        word = np.int64(words[k, 1])
        x[k], y[k], p[k] = word & 0x3FFF, word >> 14 & 0x3FFF, word >> 28
        time = (last & -TURN) | np.int64(words[k, 0])
        if time < last - TURN // 2:
            time += TURN
        elif time > last + TURN // 2 and time >= TURN:
            time -= TURN  # a straggler from before the roll-over
        t[k] = last = time
    return last


FORMAT = Format(
    name="dat",
    title="Prophesee DAT",
    endings=(".dat",),
    open=open_dat,
    recognises=recognises,
    write=write,
)
