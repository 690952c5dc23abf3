"""Our own ``.npz`` layout: any sensor size, any time, no loss.

A NumPy zip archive with the members ``x``, ``y``, ``t``, ``p`` (one number an event), ``width``,
``height`` and ``format`` (scalars). It is read with suspicion: every member's header is checked
before its data are unpacked, so that a small file cannot claim a huge array, and nothing is ever
unpickled.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib

import numpy as np
from numpy.typing import NDArray

from spikeproof.errors import InvalidRecording
from spikeproof.events.stream import Events

FORMAT = 1
COLUMNS = ("x", "y", "t", "p")
SCALARS = ("format", "width", "height")
MAX_BYTES = 2**30  # unpacked, all members together: 82 million events
# what zipfile raises for bytes that it cannot make sense of
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    KeyError,
)
_AGAIN = "write it again with spikeproof"

# NumPy's own header parser guesses at what Python 2 wrote; we read only what NumPy writes today
# (numpy.lib.format, version 1.0)
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '(?P<descr>[\x20-\x26\x28-\x7e]{1,20})', "
    rb"'fortran_order': (?:True|False), 'shape': \((?P<shape>[0-9, ]{0,60})\), \} {0,200}\n",
    re.DOTALL,
)
_NUMBER = re.compile(r"\|b1|\|[iu]1|[<>][iu][248]|[<>]f[248]")


def decode(data: bytes, width: int | None = None, height: int | None = None) -> Events:
    """Read the bytes of an ``.npz`` file; ``width`` and ``height`` override what it says.

    Raises ``InvalidRecording`` if it is damaged, too large or not of this layout.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: _read(archive, name) for name in _checked(archive)}
    except _DAMAGE as error:
        reason = str(error).partition("\n")[0]
        raise InvalidRecording(f"is no npz archive or is damaged ({reason}); {_AGAIN}") from None
    scalars = {name: _scalar(name, members[name]) for name in SCALARS}
    if scalars["format"] != FORMAT:
        raise InvalidRecording(
            f"has format version {scalars['format']} and this program reads {FORMAT}; "
            "use a matching version of spikeproof"
        )
    x, y, t, p = (members[name] for name in COLUMNS)
    width = scalars["width"] if width is None else width
    height = scalars["height"] if height is None else height
    return Events(x, y, t, p, width, height)


def encode(events: Events) -> bytes:
    """Give the bytes of an ``.npz`` file; raises ``InvalidRecording`` above 82 million events."""
    if 13 * len(events) > MAX_BYTES - len(SCALARS + COLUMNS) * 256:
        raise InvalidRecording(
            f"{len(events)} events are more than one .npz may hold; split the recording"
        )
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        x=events.x,
        y=events.y,
        t=events.t,
        p=events.p,
        format=np.int64(FORMAT),
        width=np.int64(events.width),
        height=np.int64(events.height),
    )
    return buffer.getvalue()


def _checked(archive: zipfile.ZipFile) -> tuple[str, ...]:
    """Names of the members to read, once all are there and their sizes are sane."""
    sizes = {info.filename: info.file_size for info in archive.infolist()}
    methods = {info.compress_type for info in archive.infolist()}
    if methods - {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise InvalidRecording(f"is compressed in a way that NumPy does not use; {_AGAIN}")
    missing = [name for name in COLUMNS + SCALARS if f"{name}.npy" not in sizes]
    if missing:
        raise InvalidRecording(
            f"field {missing[0]!r} is missing; write it with spikeproof, or save arrays "
            "x, y, t, p and numbers width, height, format=1"
        )
    total = sum(sizes[f"{name}.npy"] for name in COLUMNS + SCALARS)
    if total > MAX_BYTES:
        raise InvalidRecording(
            f"would unpack to {total} bytes, more than {MAX_BYTES}; split the recording"
        )
    return COLUMNS + SCALARS


def _read(archive: zipfile.ZipFile, name: str) -> NDArray[np.generic]:
    """Read one member whose header and size agree."""
    with archive.open(f"{name}.npy") as file:
        raw = file.read()  # at most what _checked allowed
    head = _HEADER.match(raw)
    if head is None:
        raise InvalidRecording(f"field {name!r} is no NumPy array; {_AGAIN}")
    descr, shape = head["descr"].decode(), head["shape"].decode()
    if not _NUMBER.fullmatch(descr):
        raise InvalidRecording(f"field {name!r} has dtype {descr}; save whole numbers")
    dtype, data = np.dtype(descr), raw[head.end() :]
    count = 1 if shape == "" else int(shape.rstrip(",")) if shape.rstrip(",").isdecimal() else -1
    if len(data) != count * dtype.itemsize:
        raise InvalidRecording(
            f"field {name!r} claims shape ({shape}) and holds {len(data)} bytes; {_AGAIN}"
        )
    return np.frombuffer(data, dtype).reshape(() if shape == "" else (count,))


def _scalar(name: str, array: NDArray[np.generic]) -> int:
    """Give a one-number member as an int."""
    if array.shape != () or array.dtype.kind not in "iu":
        raise InvalidRecording(f"field {name!r} must be one whole number; save it as an int")
    return int(array)
