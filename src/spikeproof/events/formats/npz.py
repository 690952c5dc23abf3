"""NumPy's ``.npz``: ours, which loses nothing, and archives of events made by others.

Ours is a zip archive with the members ``x``, ``y``, ``t``, ``p`` (one number an event), ``width``,
``height`` and ``format`` (scalars). Without ``format``, an archive of columns (SpikingJelly's
``events_np`` files are such) or of a single structured array is read too, and may lack the size.

It is read with suspicion and in pieces: every member's header is checked against the size that
the archive declares before its data are unpacked, archives that unpack to far more than they hold
are refused, and nothing is ever unpickled. An archive keeps its table of contents at its end, so
that one cut short cannot be read; where a member is damaged, repair ends the recording there.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, BinaryIO

import numpy as np
from numpy.typing import NDArray

from spikeproof.errors import InvalidRecording
from spikeproof.events.formats import columns, npy
from spikeproof.events.formats.base import PIECE, Format, Opened, Piece, Trouble
from spikeproof.events.stream import Events

VERSION = 1
COLUMNS = ("x", "y", "t", "p")
SCALARS = ("format", "width", "height")
MAX_RATIO = 200  # unpacked bytes for one in the file, above SMALL; recordings reach 20
SMALL = 2**26  # bytes
LEVEL = 1  # of compression; 6, the default, saves 5 % and takes five times as long
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


def _open(file: BinaryIO, trouble: Trouble) -> Opened:
    """Check every member's header before any data are unpacked."""
    try:
        archive = zipfile.ZipFile(file)
        sizes = _checked(archive, file.seek(0, 2))
        if "format" not in sizes and len(sizes) == 1:
            return _single(archive, next(iter(sizes)), trouble)
        scalars = {name: _scalar(archive, name, sizes) for name in SCALARS if name in sizes}
        names = _named(sizes, scalars)
        heads = {key: _header(archive, name, sizes[name]) for key, name in names.items()}
    except _DAMAGE as error:
        raise InvalidRecording(_damaged(error)) from None
    counts = {key: head.count for key, head in heads.items()}
    if len(set(counts.values())) > 1:
        lengths = ", ".join(f"{name} {count}" for name, count in counts.items())
        trouble(f"the columns differ in length ({lengths}); give one x, y, t and p for every event")
    pieces = _columns(archive, names, heads, min(counts.values()), trouble)
    return Opened(scalars.get("width"), scalars.get("height"), pieces)


def _damaged(error: Exception) -> str:
    """Say in one line what zipfile complained about."""
    reason = str(error).partition("\n")[0]
    return f"is no npz archive or is damaged ({reason}); {_AGAIN}"


def _checked(archive: zipfile.ZipFile, held: int) -> dict[str, int]:
    """Sizes of the arrays by their names, once these are sane; ``held`` is the file's size."""
    infos = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    if {info.compress_type for info in infos} - {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise InvalidRecording(f"is compressed in a way that NumPy does not use; {_AGAIN}")
    sizes = {info.filename.removesuffix(".npy"): info.file_size for info in infos}
    total = sum(sizes.values())
    if total > max(SMALL, MAX_RATIO * held):
        raise InvalidRecording(
            f"would unpack to {total} bytes from {held}, which no recording does; {_AGAIN}"
        )
    return sizes


def _named(sizes: dict[str, int], scalars: dict[str, int]) -> dict[str, str]:
    """Say what the columns are called; an archive of ours must be complete."""
    if "format" not in scalars:
        return columns.find([name for name in sizes if name not in SCALARS])
    missing = [name for name in COLUMNS + SCALARS if name not in sizes]
    if missing:
        raise InvalidRecording(
            f"field {missing[0]!r} is missing; write it with spikeproof, or save arrays "
            "x, y, t, p and numbers width, height, format=1"
        )
    if scalars["format"] != VERSION:
        raise InvalidRecording(
            f"has format version {scalars['format']} and this program reads {VERSION}; "
            "use a matching version of spikeproof"
        )
    return {name: name for name in COLUMNS}


def _header(archive: zipfile.ZipFile, name: str, size: int) -> npy.NpyHeader:
    """Read the header of a column that has one dimension and the size it claims."""
    with archive.open(f"{name}.npy") as member:
        head = npy.parse(member.read(npy.MAX_HEADER), f"field {name!r}")
    held = size - head.end
    if head.count * head.dtype(f"field {name!r}").itemsize != held or not head.shape:
        raise InvalidRecording(
            f"field {name!r} claims shape ({head.shape}) and holds {held} bytes; {_AGAIN}"
        )
    return head


def _scalar(archive: zipfile.ZipFile, name: str, sizes: dict[str, int]) -> int:
    """Give a one-number member as an int."""
    with archive.open(f"{name}.npy") as member:
        raw = member.read(npy.MAX_HEADER)
    head = npy.parse(raw, f"field {name!r}")
    whole = re.fullmatch(r"\|[iu]1|[<>][iu][248]", head.descr)
    if not whole or head.shape or sizes[name] != head.end + np.dtype(head.descr).itemsize:
        raise InvalidRecording(f"field {name!r} must be one whole number; save it as an int")
    return int(np.frombuffer(raw[head.end :], head.descr)[0])


def _single(archive: zipfile.ZipFile, name: str, trouble: Trouble) -> Opened:
    """Open an archive whose only member is a structured array."""
    what = f"field {name!r}"
    with archive.open(f"{name}.npy") as member:
        head = npy.parse(member.read(npy.MAX_HEADER), what)
    dtype, names = npy.structured(head, what)
    held = archive.getinfo(f"{name}.npy").file_size - head.end
    if head.count * dtype.itemsize != held:
        raise InvalidRecording(
            f"{what} claims shape ({head.shape}) and holds {held} bytes; {_AGAIN}"
        )

    def pieces() -> Iterator[Piece]:
        try:
            with archive.open(f"{name}.npy") as member:
                member.read(head.end)
                yield from npy.pieces(member, head.count, dtype, names, trouble)
        except _DAMAGE as error:
            trouble(_damaged(error))

    return Opened(None, None, pieces())


def _columns(
    archive: zipfile.ZipFile,
    names: dict[str, str],
    heads: dict[str, npy.NpyHeader],
    count: int,
    trouble: Trouble,
) -> Iterator[Piece]:
    """Unpack the four columns side by side."""
    with ExitStack() as stack:
        try:
            members = {
                key: stack.enter_context(archive.open(f"{name}.npy")) for key, name in names.items()
            }
            for key, member in members.items():
                member.read(heads[key].end)
            for first in range(0, count, PIECE):
                n = min(PIECE, count - first)
                raw = {key: _read(member, heads[key], n) for key, member in members.items()}
                yield columns.piece(raw, first, trouble)
        except _DAMAGE as error:
            trouble(_damaged(error))


def _read(member: IO[bytes], head: npy.NpyHeader, n: int) -> NDArray[np.generic]:
    """Unpack ``n`` numbers; the checksum is verified with the last of them."""
    dtype = head.dtype("the column")
    data = member.read(n * dtype.itemsize)
    if len(data) != n * dtype.itemsize:
        raise EOFError("a member is cut short")
    return np.frombuffer(data, dtype)


def _write(file: BinaryIO, events: Events) -> None:
    """Write the members one after the other."""
    members = {name: getattr(events, name) for name in COLUMNS}
    members |= {"format": VERSION, "width": events.width, "height": events.height}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for name, values in members.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:  # dated 1980
                array = np.asarray(values, "<i8" if name in SCALARS else None)
                np.lib.format.write_array(member, array, (1, 0), allow_pickle=False)


def _recognises(head: bytes) -> bool:
    """Say whether the first member of a zip archive is an array."""
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    return head.startswith(b"PK\x03\x04") and name.endswith(b".npy")


FORMAT = Format(
    "npz", "NumPy .npz", (".npz",), _open, recognises=_recognises, write=_write, sized=True
)
