"""AEDAT 4.0, the format of iniVation's DV and dv-processing: compressed packets of events.

After the line ``#!AER-DAT4.0`` comes a header (FlatBuffer ``IOHE``: compression, place of the data
table, an XML text that describes the streams), then packets: i32 stream, i32 size, and so many
bytes, one LZ4 or Zstandard frame each. Unpacked, a packet of an event stream is a FlatBuffer
``EVTS`` with an array of 16-byte events: i64 time, i16 x, i16 y, u8 polarity, 3 bytes unused. All
is little-endian; times are µs since 1970 and are kept. (0, 0) is the upper left pixel, polarity 1
is on. A table of all packets may end the file; it is only an index, so we neither read nor write
it. (iniVation, "AEDAT 4.0", https://docs.inivation.com/software/software-advanced-usage/
file-formats/aedat-4.0.html, and the schemas IOHeader, EventPacket of dv-processing.)

Frames, inertial data and triggers are passed over. Of several event streams the one with the
lowest number is read, and the others are reported as trouble, for they would be lost. In repair a
packet whose inside is damaged is left out; after a damaged packet header, reading stops, for
nothing marks where the next packet begins.

LZ4 and Zstandard need the packages of ``spikeproof[recordings]``. No packet is unpacked to more
than ``MAX_PACKET`` bytes.
"""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from io import SEEK_END
from typing import BinaryIO, NamedTuple

import numpy as np

from spikeproof.errors import InvalidRecording
from spikeproof.events.formats import flatbuffer
from spikeproof.events.formats.base import PIECE, Format, Opened, Piece, Trouble
from spikeproof.events.formats.compression import MAX_PACKET, Codec, Compression, packer, unpacker
from spikeproof.events.formats.flatbuffer import Malformed
from spikeproof.events.stream import Events

MAGIC = b"#!AER-DAT4.0\r\n"
EVENT = np.dtype([("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "u1"), ("unused", "V3")])
MAX_HEADER = 2**22  # bytes
PACKET = 2**15  # events in a packet of ours
NUMBER = re.compile("[0-9]{1,9}")

# Attributes that other readers ask for: dv-processing wants a source, faery the output's name
INFO = """<dv version="2.0">
    <node name="outInfo" path="/mainloop/Recorder/outInfo/">
        <node name="0" path="/mainloop/Recorder/outInfo/0/">
            <attr key="compression" type="string">{compression}</attr>
            <attr key="originalModuleName" type="string">spikeproof</attr>
            <attr key="originalOutputName" type="string">events</attr>
            <attr key="typeDescription" type="string">Array of events (polarity ON/OFF).</attr>
            <attr key="typeIdentifier" type="string">EVTS</attr>
            <node name="info" path="/mainloop/Recorder/outInfo/0/info/">
                <attr key="sizeX" type="int">{width}</attr>
                <attr key="sizeY" type="int">{height}</attr>
                <attr key="source" type="string">spikeproof</attr>
            </node>
        </node>
    </node>
</dv>
"""


class Stream(NamedTuple):
    """What the header says of a stream."""

    kind: str
    width: str
    height: str


def open_aedat4(file: BinaryIO, trouble: Trouble) -> Opened:
    """Read the header and give the events; raises ``InvalidRecording`` if the header is damaged."""
    end = file.seek(0, SEEK_END)
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        raise InvalidRecording("does not begin with '#!AER-DAT4.0'; give an AEDAT 4.0 file")
    try:
        head = file.read(4)
        size = int.from_bytes(head, "little")
        if size > MAX_HEADER:
            raise Malformed(f"claims {size} bytes, more than {MAX_HEADER}")
        header = flatbuffer.root(head + file.read(size), "IOHE")
        compression = header.number(0, "i", 0)
        table = header.number(1, "q", -1)
        streams = _streams(header.text(2))
        if compression not in list(Compression):
            raise Malformed(f"names compression {compression}, which nobody defined")
    except Malformed as error:
        raise InvalidRecording(f"the AEDAT 4 header {error}; fetch the file again") from None
    wanted = [number for number, stream in streams.items() if stream.kind == "EVTS"]
    if not wanted:
        found = ", ".join(stream.kind for stream in streams.values()) or "none"
        raise InvalidRecording(f"has no event stream (found: {found}); record events")
    if len(wanted) > 1:
        trouble(
            f"has {len(wanted)} event streams ({', '.join(map(str, wanted))}) and only stream "
            f"{wanted[0]} can be read; export one of them"
        )
    stream, unpack = streams[wanted[0]], unpacker(Compression(compression))
    pieces = _pieces(file, trouble, end, table, wanted[0], set(streams), unpack)
    return Opened(_side(stream.width), _side(stream.height), pieces)


def _streams(info: str) -> dict[int, Stream]:
    """Give the streams by their numbers, in order."""
    if "<!DOCTYPE" in info:  # its entities could grow without bound, and no writer has any
        raise Malformed("declares an XML document type")
    try:
        nodes = ElementTree.fromstring(info).findall(".//node[@name='outInfo']/node")
    except ElementTree.ParseError as error:
        raise Malformed(f"has broken XML ({error})") from None
    named = {name: node for node in nodes if NUMBER.fullmatch(name := node.get("name", ""))}
    return {
        int(name): Stream(
            node.findtext("attr[@key='typeIdentifier']", ""),
            *(node.findtext(f"node/attr[@key='size{side}']", "") for side in "XY"),
        )
        for name, node in sorted(named.items(), key=lambda item: int(item[0]))
    }


def _side(text: str) -> int | None:
    """Give a number of pixels, None where there is none."""
    return int(text) or None if NUMBER.fullmatch(text) else None


def _pieces(
    file: BinaryIO,
    trouble: Trouble,
    end: int,
    table: int,
    wanted: int,
    known: set[int],
    unpack: Codec,
) -> Iterator[Piece]:
    """Walk over the packets up to the data table, or to the file's end where there is none."""
    at = file.tell()
    stop = table if at <= table <= end else end
    while at < stop:
        head = file.read(8)
        if len(head) < 8:
            trouble(_cut(at, "header"))
            return
        stream, size = struct.unpack("<ii", head)
        if stream not in known or size < 0:
            trouble(
                f"packet at byte {at} claims stream {stream} and {size} bytes, which cannot be; "
                "fetch the file again"
            )
            return
        if at + 8 + size > stop:
            trouble(_cut(at, f"{size} bytes"))
            return
        if stream == wanted:
            try:
                if size > MAX_PACKET:
                    raise Malformed(f"has more than {MAX_PACKET} bytes")
                yield from _events(unpack(file.read(size)))
            except Malformed as error:
                trouble(f"packet at byte {at} {error}; fetch the file again")
        at = file.seek(at + 8 + size)
    if table > end:
        trouble(f"ends at byte {end}, before its data table at byte {table}; fetch the file again")


def _cut(at: int, part: str) -> str:
    return f"packet at byte {at} is cut short in its {part}; fetch the file again"


def _events(packet: bytes) -> Iterator[Piece]:
    """Give the events of an unpacked packet."""
    first, count = flatbuffer.root(packet, "EVTS").array(0, EVENT.itemsize)
    events = np.frombuffer(packet, EVENT, count, first) if count else np.empty(0, EVENT)
    for start in range(0, count, PIECE):
        part = events[start : start + PIECE]
        yield Piece(part["x"], part["y"], part["t"], part["p"])


def write(file: BinaryIO, events: Events, compression: Compression = Compression.LZ4) -> None:
    """Write a file with one event stream; times are kept as they are."""
    pack = packer(compression)
    info = INFO.format(compression=compression.name, width=events.width, height=events.height)
    file.write(MAGIC + _header(compression, info.encode()))
    for start in range(0, len(events), PACKET):
        data = pack(_packet(events, slice(start, start + PACKET)))
        file.write(struct.pack("<ii", 0, len(data)) + data)


def _header(compression: Compression, info: bytes) -> bytes:
    """Give the header: vtable at byte 12, table at 24, text at 44; no data table (-1)."""
    size = 44 + len(info) + 1  # of what follows the size itself, with the text's closing NUL
    start = struct.pack("<II4s5H2x", size, 20, b"IOHE", 10, 20, 4, 8, 16)
    return start + struct.pack("<iiqII", 12, compression, -1, 4, len(info)) + info + b"\0"


def _packet(events: Events, part: slice) -> bytes:
    """Give an event packet: vtable at byte 12, table at 20, events from 32 on."""
    array = np.zeros(len(events.t[part]), EVENT)
    array["t"], array["p"] = events.t[part], events.p[part]
    array["x"], array["y"] = events.x[part], events.y[part]
    size = 28 + array.nbytes
    start = struct.pack("<II4s3H2x", size, 16, b"EVTS", 6, 8, 4)
    return start + struct.pack("<iII", 8, 4, len(array)) + array.tobytes()


FORMAT = Format(
    name="aedat4",
    title="AEDAT 4.0 (iniVation DV)",
    endings=(".aedat4",),
    open=open_aedat4,
    recognises=lambda head: head.startswith(MAGIC),
    write=write,
)
