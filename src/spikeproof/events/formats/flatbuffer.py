"""Just enough FlatBuffers to read AEDAT 4: a root table, its numbers, texts and arrays.

A buffer is little-endian: u32 size of what follows, u32 offset of the root table, four letters
that name the schema. A table begins with an i32, the way back to its vtable; the vtable holds u16
its own size, u16 the table's size, and for each field a u16, the field's place in the table, 0
where the field has its default. A text or array is a u32, the way on to a u32 length and the
items. (FlatBuffers, "Internals", https://flatbuffers.dev/internals/.)

Files come from anywhere, so no offset is followed before it is known to lie inside the buffer.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass


class Malformed(ValueError):
    """Bytes that are not what their format says; the message says where."""


@dataclass(frozen=True)
class FlatbufferTable:
    """One table of a buffer: ``at`` is the byte where it begins."""

    data: bytes
    at: int

    def number(self, field: int, kind: str, default: int) -> int:
        """Give a field, or ``default`` where it is left out; ``kind`` is a letter of ``struct``."""
        place = self._place(field)
        return default if place is None else _number(self.data, kind, place)

    def array(self, field: int, item: int) -> tuple[int, int]:
        """Give the first byte and the length of an array of ``item``-byte items, all inside."""
        place = self._place(field)
        if place is None:
            return 0, 0
        place += _number(self.data, "I", place)
        count = _number(self.data, "I", place)
        if place + 4 + count * item > len(self.data):
            raise Malformed(f"{count} items do not fit its {len(self.data)} bytes")
        return place + 4, count

    def text(self, field: int) -> str:
        """Give a text, empty where it is left out."""
        first, length = self.array(field, 1)
        try:
            return self.data[first : first + length].decode()
        except UnicodeDecodeError:
            raise Malformed("holds a text that is not UTF-8") from None

    def _place(self, field: int) -> int | None:
        """Find a field in the buffer."""
        vtable = self.at - _number(self.data, "i", self.at)
        entry = 4 + 2 * field
        if entry + 2 > _number(self.data, "H", vtable):
            return None
        place = _number(self.data, "H", vtable + entry)
        return self.at + place if place else None


def root(data: bytes, name: str) -> FlatbufferTable:
    """Open a size-prefixed buffer of schema ``name``; raises ``Malformed`` if it is another."""
    size = _number(data, "I", 0)
    if size + 4 > len(data):
        raise Malformed(f"holds {len(data) - 4} of {size} bytes")
    if data[8:12] != name.encode():
        raise Malformed(f"is of type {data[8:12]!r}, not {name}")
    return FlatbufferTable(data, 4 + _number(data, "I", 4))


def _number(data: bytes, kind: str, at: int) -> int:
    """Read one number, if it lies inside."""
    if not 0 <= at <= len(data) - struct.calcsize(f"<{kind}"):
        raise Malformed(f"byte {at} is outside its {len(data)} bytes")
    value: int = struct.unpack_from(f"<{kind}", data, at)[0]
    return value
