"""Tables of events in text: CSV in columns of any order, and the Event Camera Dataset's ``.txt``.

We write a comment with the sensor's size, a line of names and one event a line::

    # spikeproof events, width=346, height=260
    t,x,y,p
    12,3,4,1

Read are also: columns in another order and among others (``columns.NAMES`` says under which
names), parted by comma, semicolon, tab or spaces; lines without names, which are taken to be
``t x y p`` (``events.txt`` of Mueggler et al., "The Event-Camera Dataset and Simulator",
International Journal of Robotics Research 36:142, 2017). Lines that begin with ``#`` and empty
lines are passed over.

Whole numbers are times in µs. Times with a decimal point are seconds (that data set's are) and
are rounded to the nearest µs in decimal, a half up; the first event's time decides for the file.
A first time such as ``1200.0`` or ``1.2e3`` could be either and is refused: seconds need six
decimals, or a fraction.
Numbers may have an exponent, as ``numpy.savetxt`` writes them; polarity may be -1/+1 or
True/False. Repair drops the lines that cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import ROUND_FLOOR, Decimal, DecimalException
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikeproof.errors import InvalidRecording
from spikeproof.events.formats import columns, decimals
from spikeproof.events.formats.base import HEAD, PIECE, Format, Opened, Piece, Trouble
from spikeproof.events.stream import Events

MARK = b"# spikeproof events"
BLOCK = 2**24  # bytes read at once
MIN_LINE, MAX_LINE = 8, 2**12  # bytes
_BOM = b"\xef\xbb\xbf"
_SIZE = re.compile(rb"\b(width|height)\W{1,3}(\d{1,9})\b")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_WORDS = {"true": 1, "false": 0}
_LINES = "save one event a line under the names t,x,y,p"


class TableLayout(NamedTuple):
    """How the lines are laid out: the column in each field, what parts them, the unit of time."""

    fields: NDArray[np.int8]  # 0..3 for x, y, t, p; -1 for what is passed over
    delimiter: int  # a byte; a space stands for any run of spaces and tabs
    seconds: bool


def _open(file: BinaryIO, trouble: Trouble) -> Opened:
    """Find the sensor's size, the names and the delimiter in the first lines."""
    head = file.read(HEAD)
    start = len(_BOM) if head.startswith(_BOM) else 0
    size: dict[bytes, int] = {}
    names = None
    for skipped, line in enumerate(head[start:].splitlines(keepends=True)):
        text = line.strip()
        if text.startswith(b"#"):
            size |= {key: int(value) for key, value in _SIZE.findall(text)}
        elif text and names is None and re.search(rb"[A-Za-z]{2}|[A-DF-Za-df-z]", text):
            names = text
        elif text:
            layout = _layout(text, names)
            file.seek(start)
            return Opened(
                size.get(b"width"),
                size.get(b"height"),
                _pieces(file, layout, trouble, skipped),
            )
        start += len(line)
    if len(head) == HEAD:
        raise InvalidRecording(f"has no event in its first {HEAD} bytes; {_LINES}")
    return Opened(size.get(b"width"), size.get(b"height"), iter(()))


def _layout(first: bytes, names: bytes | None) -> TableLayout:
    """Read the layout off the first event's line, and the line of names where there is one."""
    sample = first if names is None else names
    delimiter = next((mark for mark in b",;\t" if mark in sample), ord(" "))
    order = ["t", "x", "y", "p"] if names is None else _split(names, delimiter)
    chosen = {name: "xytp".index(column) for column, name in columns.find(order).items()}
    fields = np.array([chosen.get(name, -1) for name in order], np.int8)
    values = _split(first, delimiter)
    if len(values) != len(order):
        raise InvalidRecording(
            f"its first event has {len(values)} fields and not {len(order)}; {_LINES}"
        )
    time = values[int(np.flatnonzero(fields == 2)[0])]
    seconds = bool(re.search(r"[.eE]", time))
    if seconds and _NUMBER.fullmatch(time):
        short = len(time.partition(".")[2]) < 6 or "e" in time.lower()
        if short and Decimal(time) == int(float(time)):
            raise InvalidRecording(
                f"its first time, {time}, may be in seconds or in µs; write seconds with six "
                "decimals or µs as whole numbers"
            )
    return TableLayout(fields, delimiter, seconds)


def _split(line: bytes, delimiter: int) -> list[str]:
    """Split a line into its fields, without spaces and quotes about them."""
    text = line.decode("utf-8", "replace")
    parts = text.split() if delimiter == ord(" ") else text.split(chr(delimiter))
    return [part.strip(" \t\r\n\"'") for part in parts]


def _pieces(file: BinaryIO, layout: TableLayout, trouble: Trouble, line: int) -> Iterator[Piece]:
    """Parse whole lines of a block at a time; ``line`` lines came before."""
    rest, given = b"", 0
    while block := file.read(BLOCK):
        block = rest + block
        end = block.rfind(b"\n") + 1
        if end == 0 and len(block) > MAX_LINE:
            break
        rest = block[end:]
        for piece in _lines(block[:end], layout, trouble, line):
            given += len(piece.t)
            yield columns.piece(piece._asdict(), given - len(piece.t), trouble)
        line += block.count(b"\n", 0, end)
    if len(rest) > MAX_LINE or block:
        raise InvalidRecording(f"line {line + 1} has more than {MAX_LINE} bytes; {_LINES}")
    if rest:
        for piece in _lines(rest + b"\n", layout, trouble, line):
            yield columns.piece(piece._asdict(), given, trouble)


def _lines(text: bytes, layout: TableLayout, trouble: Trouble, line: int) -> Iterator[Piece]:
    """Parse whole lines, those that the kernel does not know one by one."""
    raw = np.frombuffer(text, np.uint8)
    start = counted = 0
    size = min(PIECE, len(text) // MIN_LINE + 1)
    out = np.empty((4, size), np.int64)
    used = 0
    while start < len(raw):
        used, start, stuck = decimals.parse(raw, start, *layout, out, used)
        if stuck:
            end = text.index(b"\n", start) + 1
            row = _row(text[start : end - 1], layout)
            if row is None:
                line += text.count(b"\n", counted, start)
                counted = start
                shown = text[start : min(end - 1, start + 40)].decode("ascii", "replace")
                trouble(f"line {line + 1} is no event ({shown!r}); {_LINES}")
            else:
                out[:, used] = row
                used += 1
            start = end
        if used == size or start == len(raw):
            yield Piece(*(column.copy() for column in out[:, :used]))
            used = 0


def _row(line: bytes, layout: TableLayout) -> list[int] | None:
    """Parse one line exactly; None if it is no event."""
    fields = _split(line, layout.delimiter)
    if len(fields) != len(layout.fields) or len(line) > MAX_LINE:
        return None
    row = [0, 0, 0, 0]
    for text, column in zip(fields, layout.fields.tolist(), strict=True):
        if column < 0:
            continue
        if column == 3 and text.lower() in _WORDS:
            row[3] = _WORDS[text.lower()]
            continue
        if not _NUMBER.fullmatch(text):
            return None
        try:
            value = Decimal(text)
            if column == 2 and layout.seconds:
                value = (value * 10**6 + Decimal("0.5")).to_integral_value(ROUND_FLOOR)
            if value % 1 or not -(2**63) <= value < 2**63:
                return None
            row[column] = int(value)
        except DecimalException:
            return None
    return row


def _write(file: BinaryIO, events: Events) -> None:
    """Write the size, the names and the events."""
    file.write(MARK + f", width={events.width}, height={events.height}\nt,x,y,p\n".encode())
    for start in range(0, len(events), PIECE):
        part = slice(start, start + PIECE)
        t = events.t[part]
        text = np.empty(len(t) * 36, np.uint8)  # 20 for the time, 5 a coordinate, the rest
        used = decimals.show(events.x[part], events.y[part], t, events.p[part], text)
        file.write(text[:used].tobytes())


FORMAT = Format(
    "csv",
    "CSV",
    (".csv",),
    _open,
    recognises=lambda head: head.removeprefix(_BOM).startswith(MARK),
    write=_write,
)
TXT = Format("txt", "Event Camera Dataset .txt", (".txt",), _open, sized=False)
