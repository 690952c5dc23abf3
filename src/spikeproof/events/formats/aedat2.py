"""AEDAT 2.0, the format of jAER: text lines, then pairs of 32-bit address and time, big-endian.

Lines begin with ``#``, the first is ``#!AER-DAT2.0``. Times are signed, in µs, and wrap every
2**32 µs; we undo that by taking every step as the shorter way round. What an address means depends
on the camera, which the line ``# AEChip:`` names (bit 0 is the lowest):

=========  ============================================================================
DVS128     0 polarity, 0 = on; 1-7 x; 8-14 y; 15 or 31 set: an external signal, no event
DAVIS      10 external signal; 11 polarity, 1 = on; 12-21 x; 22-30 y; 31 frame or IMU data
=========  ============================================================================

jAER counts x from the right and y from the bottom for both, so both are turned here: (0, 0) is the
upper left pixel, as in all other formats. A file that names no camera is taken for one of a DVS128
if its addresses have no more than 16 bits.

Sources: iniVation, "AEDAT 2.0" (https://docs.inivation.com/software/software-advanced-usage/
file-formats/aedat-2.0.html); where it is silent or differs, what jAER itself does
(https://github.com/SensorsINI/jaer, DVS128.Extractor, DavisChip, DavisEventExtractor). For the
DVS128 the page points to that of AEDAT 1.0, which has 1 = on and x from the left; jAER, which wrote
the files, and the camera's ROS driver (rpg_dvs_ros) have 0 = on and x from the right. Recordings
bear them out: an event without neighbours in space and time is mostly due to the leak of its pixel
and so on (Nozaki and Delbruck, IEEE Transactions on Electron Devices 64, 2017); of such events in
four recordings, 71 to 90 % have bit 0 clear.

In repair, addresses that the camera cannot send and bytes after the last whole pair are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from spikeproof.errors import InvalidRecording
from spikeproof.events.formats.base import PIECE, Format, Opened, Piece, Trouble

MAGIC = b"#!AER-DAT2.0"
PAIR = np.dtype([("address", ">u4"), ("t", ">i4")])
SENSORS = {
    "DVS128": (128, 128),
    "DAVIS128": (128, 128),
    "DAVIS240": (240, 180),
    "DAVIS346": (346, 260),
    "DAVIS640": (640, 480),
}
"""Width and height of cameras by the beginning of their names."""

MAX_HEADER = 2**24  # bytes; jAER stores all its settings there
# text only, so that an event whose first byte happens to be '#' ends the lines
_LINE = re.compile(rb"#[\t\x20-\x7e\x80-\xff]*\r?\n?")
_CAMERA = re.compile(r"#\s*AEChip:\s*(\S+)")


def sensor(camera: str) -> str | None:
    """Find a camera, named as in jAER or libcaer, in ``SENSORS``."""
    name = camera.rpartition(".")[2].upper()
    if name.startswith("DAVIS640H"):  # a colour sensor of another size
        return None
    return next((known for known in SENSORS if name.startswith(known)), None)


def header(file: BinaryIO, end: str) -> list[str]:
    """Read the text lines from the start, up to line ``end`` or to what is no such line."""
    lines: list[str] = []
    at = file.seek(0)
    while at < MAX_HEADER and _LINE.fullmatch(line := file.readline(MAX_HEADER)):
        at += len(line)
        lines.append(line.decode("latin-1").rstrip())
        if lines[-1] == end:
            break
    file.seek(at)
    return lines


def open_aedat2(file: BinaryIO, trouble: Trouble) -> Opened:
    """Read the header and give the events; raises ``InvalidRecording`` for an unknown camera."""
    lines = header(file, "#End Of ASCII Header")
    if not lines or not lines[0].startswith(MAGIC.decode()):
        raise InvalidRecording("does not begin with '#!AER-DAT2.0'; give an AEDAT 2.0 file")
    named = next((found[1] for line in lines if (found := _CAMERA.match(line))), None)
    start = file.tell()
    if named is None and not (_pairs(file.read(8 * PIECE))["address"] >> 16).any():
        named = "DVS128"
    if named is None:
        raise InvalidRecording(
            "does not name its camera; add a line such as '# AEChip: DAVIS240C' after the first"
        )
    camera = sensor(named)
    if camera is None:
        raise InvalidRecording(
            f"is of camera {named}, whose addresses are not known here; convert it to .aedat4"
        )
    file.seek(start)
    width, height = SENSORS[camera]
    return Opened(width, height, _pieces(file, trouble, camera))


def _pairs(data: bytes) -> NDArray[Any]:
    """View the whole pairs of ``data``."""
    return np.frombuffer(data, PAIR, len(data) // PAIR.itemsize)


def _pieces(file: BinaryIO, trouble: Trouble, camera: str) -> Iterator[Piece]:
    """Read pairs to the end of the file and give those that are events."""
    at = file.tell()
    last: np.int32 | None = None
    time = 0  # the same without wraps
    while data := file.read(PIECE * PAIR.itemsize):
        pairs = _pairs(data)
        if len(pairs):
            short = pairs["t"].astype(np.int32)
            if last is None:
                last, time = short[0], int(short[0])
            # differences of 32 bits wrap as the camera's counter does
            t = time + np.cumsum(np.diff(short, prepend=last), dtype=np.int64)
            last, time = short[-1], int(t[-1])
            address = pairs["address"].astype(np.uint32)
            if camera == "DVS128":
                wrong = np.flatnonzero(address & 0x7FFF0000)
                if wrong.size:
                    trouble(
                        f"{wrong.size} addresses are no DVS128's, the first at byte "
                        f"{at + 8 * wrong[0]}; fetch the file again"
                    )
                yield _dvs128(address, t)
            else:
                yield _davis(address, t, *SENSORS[camera])
        at += len(data)
        if left := len(data) % PAIR.itemsize:
            trouble(f"ends at byte {at} in {left} bytes of an 8-byte event; fetch the file again")


def _dvs128(address: NDArray[np.uint32], t: NDArray[np.int64]) -> Piece:
    keep = (address & 0xFFFF8000) == 0
    address = address[keep]
    x, y = 127 - (address >> 1 & 0x7F), 127 - (address >> 8)
    return Piece(x, y, t[keep], 1 - (address & 1))


def _davis(address: NDArray[np.uint32], t: NDArray[np.int64], width: int, height: int) -> Piece:
    keep = (address & 0x80000400) == 0
    address = address[keep].astype(np.int32)  # a pixel beyond the sensor's side becomes negative
    x, y = width - 1 - (address >> 12 & 0x3FF), height - 1 - (address >> 22)
    return Piece(x, y, t[keep], address >> 11 & 1)


FORMAT = Format(
    name="aedat2",
    title="AEDAT 2.0 (jAER)",
    endings=(".aedat",),
    open=open_aedat2,
    recognises=lambda head: head.startswith(MAGIC),
)
