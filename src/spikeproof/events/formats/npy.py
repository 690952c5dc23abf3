"""NumPy's ``.npy`` with one structured array: fields x, y, t and p in any order.

Any integer, boolean or floating-point dtype of either byte order will do, so the files of Tonic
and expelliarmus are read as they are; other fields are passed over. We write Tonic's dtype
(``stream.STRUCTURED``). The sensor's size is not in the file. A plain table of numbers is refused,
for it does not say which column is which.

The header (numpy.lib.format, versions 1.0 to 3.0) is Python source. NumPy's own parser evaluates
it and guesses at what Python 2 wrote; here a pattern must match what NumPy writes today, nothing
else. Nothing is ever unpickled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

import numpy as np

from spikeproof.errors import InvalidRecording
from spikeproof.events.formats import columns
from spikeproof.events.formats.base import PIECE, Format, Opened, Piece, Trouble
from spikeproof.events.stream import STRUCTURED, Events

MAGIC = b"\x93NUMPY"
MAX_HEADER = 2**13  # bytes; 200 fields and more
_TEXT = re.compile(
    rb"\{'descr': (?P<descr>'[\x20-\x26\x28-\x7e]{1,20}'|\[[\x20-\x7e]+\]), "
    rb"'fortran_order': (?:True|False), 'shape': \((?P<shape>[0-9, ]{0,60})\), ?\} *\n?"
)
_FIELD = r"\('([^'\\]{0,60})', '([|<>]?[A-Za-z?][0-9]{0,3}(?:\[\w+\])?)'\)"
_FIELDS = re.compile(rf"\[(?:{_FIELD}(?:, )?)+\]")
_NUMBER = re.compile(r"\|b1|\|[iu]1|[<>][iu][248]|[<>]f[248]")
_PASSED_OVER = re.compile(r"\|[SV][0-9]{1,3}|[<>]U[0-9]{1,3}")  # of known size


@dataclass(frozen=True)
class NpyHeader:
    """What a header says: one dtype or the fields' own, the shape as text, where data begin."""

    descr: str
    fields: dict[str, str]
    shape: str
    end: int

    @property
    def count(self) -> int:
        """Numbers in a scalar (1) or in one dimension; -1 for any other shape."""
        text = self.shape.removesuffix(",")
        return 1 if not self.shape else int(text) if text.isdecimal() and len(text) < 19 else -1

    def dtype(self, what: str) -> np.dtype[Any]:
        """Give the dtype; raises ``InvalidRecording`` unless it is of numbers, field by field."""
        if not self.fields:
            _check_number(what, self.descr)
            return np.dtype(_honest(self.descr))
        for name, kind in self.fields.items():
            if not _PASSED_OVER.fullmatch(kind):
                _check_number(f"field {name!r}", kind)
        return np.dtype([(name, _honest(kind)) for name, kind in self.fields.items()])


def parse(raw: bytes, what: str) -> NpyHeader:
    """Read a header from the first ``MAX_HEADER`` bytes; raises ``InvalidRecording``."""
    wide = raw[6:7] != b"\x01"
    start = 12 if wide else 10
    end = start + int.from_bytes(raw[8:start], "little")
    match = _TEXT.fullmatch(raw[start:end])
    known = raw[:6] == MAGIC and raw[6:8] in (b"\x01\x00", b"\x02\x00", b"\x03\x00")
    if not known or match is None or not end <= min(len(raw), MAX_HEADER):
        raise InvalidRecording(f"{what} is no NumPy array; write it again with spikeproof")
    descr, fields = match["descr"].decode(), {}
    if descr.startswith("["):
        if not _FIELDS.fullmatch(descr):
            raise InvalidRecording(f"{what} has dtype {descr:.60}; save one number a field")
        for k, (name, kind) in enumerate(re.findall(_FIELD, descr)):
            name = name or f" padding {k}"
            if name in fields:
                raise InvalidRecording(f"{what} has two fields {name!r}; leave one out")
            fields[name] = kind
    return NpyHeader(descr.strip("'"), fields, match["shape"].decode(), end)


def _check_number(what: str, descr: str) -> None:
    """Refuse what is no number."""
    if not _NUMBER.fullmatch(descr):
        raise InvalidRecording(f"{what} has dtype {descr}; save whole numbers")


def _honest(descr: str) -> str:
    """Read booleans as bytes: those of a damaged file may be other than 0 and 1."""
    return descr.replace("|b1", "|u1")


def structured(header: NpyHeader, what: str) -> tuple[np.dtype[Any], dict[str, str]]:
    """Give the dtype of an array of events and what its columns are called."""
    if not header.fields or header.count < 0 or not header.shape:
        raise InvalidRecording(
            f"{what} has shape ({header.shape}) and dtype {header.descr:.60}, which does not say "
            "which column is which; save a structured array with fields x, y, t and p"
        )
    names = columns.find([name for name in header.fields if not name.startswith(" ")])
    for column, name in names.items():
        _check_number(f"field {column!r}", header.fields[name])
    return header.dtype(what), names


def pieces(
    file: IO[bytes], count: int, dtype: np.dtype[Any], names: dict[str, str], trouble: Trouble
) -> Iterator[Piece]:
    """Read ``count`` records from where the file stands."""
    for first in range(0, count, PIECE):
        n = min(PIECE, count - first)
        data = file.read(n * dtype.itemsize)
        got = len(data) // dtype.itemsize
        records = np.frombuffer(data[: got * dtype.itemsize], dtype)
        yield columns.piece({key: records[name] for key, name in names.items()}, first, trouble)
        if got < n:
            return


def _open(file: BinaryIO, trouble: Trouble) -> Opened:
    """Read the header, compare its claim with the file's length, and begin."""
    header = parse(file.read(MAX_HEADER), "the file")
    dtype, names = structured(header, "the array")
    held = file.seek(0, 2) - header.end
    claimed = header.count * dtype.itemsize
    if held != claimed:
        trouble(
            f"claims {header.count} events ({claimed} bytes) and holds {held} bytes; "
            "fetch or save it again"
        )
    file.seek(header.end)
    count = min(header.count, held // dtype.itemsize)
    return Opened(None, None, pieces(file, count, dtype, names, trouble))


def _write(file: BinaryIO, events: Events) -> None:
    """Write Tonic's structured array."""
    descr = np.lib.format.dtype_to_descr(STRUCTURED)
    header = {"descr": descr, "fortran_order": False, "shape": (len(events),)}
    np.lib.format.write_array_header_1_0(file, header)
    for start in range(0, len(events), PIECE):
        part = slice(start, start + PIECE)
        records = np.empty(len(events.t[part]), STRUCTURED)
        for name in "xytp":
            records[name] = getattr(events, name)[part]
        file.write(records.tobytes())


FORMAT = Format(
    "npy",
    "NumPy .npy",
    (".npy",),
    _open,
    recognises=lambda head: head.startswith(MAGIC),
    write=_write,
    sized=False,
)
