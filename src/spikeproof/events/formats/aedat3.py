"""AEDAT 3.1, the format of cAER and libcaer: text lines, then packets of events, little-endian.

Lines begin with ``#``; the first is ``#!AER-DAT3.1``, ``#Format: RAW`` and ``#Source 1: DVS128``
follow, and ``#!END-HEADER`` is the last. A packet is 28 bytes of header (i16 type, i16 source, then
i32: bytes an event, place of the time in it, overflows of the time, capacity, events, valid events;
in a file the capacity is the number of events) and its events. Type 1 is polarity events of 8
bytes: u32 with bit 0 valid, bit 1 polarity (1 = on), bits 2-16 y, bits 17-31 x, and i32 time in µs,
to which each overflow adds 2**31. (0, 0) is the upper left pixel. (iniVation, "AEDAT 3.1",
https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-3.1.html; libcaer,
events/common.h and polarity.h.)

Packets of other types and events that are not marked valid are passed over: the format means them
to be. Only the first source is read; polarity events of another are reported as trouble. In repair
reading stops at a damaged packet header, for nothing marks where the next packet begins; whole
events of a packet that is cut short are kept.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from io import SEEK_END
from typing import BinaryIO

import numpy as np

from spikeproof.errors import InvalidRecording
from spikeproof.events.formats.aedat2 import SENSORS, header, sensor
from spikeproof.events.formats.base import PIECE, Format, Opened, Piece, Trouble

MAGIC = b"#!AER-DAT3.1"
END = "#!END-HEADER"
EVENT = np.dtype([("data", "<u4"), ("t", "<i4")])
POLARITY = 1
_SOURCE = re.compile(r"#Source ([0-9]{1,5}): *(.*)")


def open_aedat3(file: BinaryIO, trouble: Trouble) -> Opened:
    """Read the header and give the events; raises ``InvalidRecording`` if it is no AEDAT 3.1."""
    size = file.seek(0, SEEK_END)
    lines = header(file, END)
    if not lines or not lines[0].startswith(MAGIC.decode()):
        raise InvalidRecording("does not begin with '#!AER-DAT3.1'; give an AEDAT 3.1 file")
    if lines[-1] != END:
        raise InvalidRecording(f"the header has no line '{END}'; fetch the file again")
    packing = next((line for line in lines if line.startswith("#Format:")), "#Format: RAW")
    if packing.split() != ["#Format:", "RAW"]:
        raise InvalidRecording(f"has the line {packing!r}, not '#Format: RAW'; record it as RAW")
    sources = [found for line in lines if (found := _SOURCE.match(line))]
    source = int(sources[0][1]) if sources else None
    camera = sensor(sources[0][2]) if sources else None
    width, height = SENSORS[camera] if camera else (None, None)
    return Opened(width, height, _pieces(file, trouble, size, source))


def _pieces(file: BinaryIO, trouble: Trouble, end: int, wanted: int | None) -> Iterator[Piece]:
    """Walk over the packets and give the events of the wanted source, or of the first."""
    at = file.tell()
    others: set[int] = set()  # reported already
    while at < end:
        head = file.read(28)
        if len(head) < 28:
            trouble(_cut(at))
            return
        kind, source, size, place, overflow, capacity, count, valid = struct.unpack("<hh6i", head)
        polarity = kind == POLARITY
        sane = min(kind, overflow, valid) >= 0 < size and valid <= count == capacity
        if not sane or (polarity and (size, place) != (EVENT.itemsize, 4)):
            trouble(f"packet at byte {at} has an impossible header; fetch the file again")
            return
        if polarity and wanted is None:
            wanted = source
        if polarity and source == wanted:
            yield from _events(file, count, overflow)
        elif polarity and source not in others:
            others.add(source)
            trouble(
                f"has events of source {source} beside source {wanted}, and only the latter can "
                "be read; export one of them"
            )
        if at + 28 + count * size > end:
            trouble(_cut(at))
        at = file.seek(at + 28 + count * size)


def _cut(at: int) -> str:
    return f"packet at byte {at} is cut short; fetch the file again"


def _events(file: BinaryIO, count: int, overflow: int) -> Iterator[Piece]:
    """Give the valid events of a packet, as many of ``count`` as the file has."""
    for left in range(count, 0, -PIECE):
        data = file.read(min(left, PIECE) * EVENT.itemsize)
        events = np.frombuffer(data, EVENT, len(data) // EVENT.itemsize)
        if not len(events):
            return
        events = events[events["data"] & 1 == 1]
        data_bits = events["data"]
        t = events["t"].astype(np.int64) + (overflow << 31)
        yield Piece(data_bits >> 17, data_bits >> 2 & 0x7FFF, t, data_bits >> 1 & 1)


FORMAT = Format(
    name="aedat3",
    title="AEDAT 3.1 (cAER)",
    endings=(".aedat",),
    open=open_aedat3,
    recognises=lambda head: head.startswith(MAGIC),
)
