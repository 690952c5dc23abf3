from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeproof.events.formats import aedat4
from spikeproof.events.formats.compression import Compression
from spikeproof.events.formats.flatbuffer import Malformed, root


def built(number, text, items):
    """A table with an int32, an int64, a text and an array of int64, by the official library."""
    builder = pytest.importorskip("flatbuffers").Builder()
    place = builder.CreateString(text)
    builder.StartVector(8, len(items), 8)
    for item in reversed(items):
        builder.PrependInt64(item)
    array = builder.EndVector()
    builder.StartObject(4)
    builder.PrependInt32Slot(0, number, 7)
    builder.PrependInt64Slot(1, number, -1)
    builder.PrependUOffsetTRelativeSlot(2, place, 0)
    builder.PrependUOffsetTRelativeSlot(3, array, 0)
    builder.FinishSizePrefixed(builder.EndObject(), b"TEST")
    return bytes(builder.Output())


@settings(max_examples=20)
@given(
    st.integers(-(2**31), 2**31 - 1),
    st.text(st.characters(codec="utf-8"), max_size=9),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=9),
)
def test_what_the_official_library_writes(number, text, items):
    data = built(number, text, items)
    table = root(data, "TEST")
    assert table.number(0, "i", 7) == number
    assert table.number(1, "q", -1) == number
    assert table.text(2) == text
    first, count = table.array(3, 8)
    assert list(struct.unpack_from(f"<{count}q", data, first)) == items


def test_fields_left_out_have_their_defaults():
    builder = pytest.importorskip("flatbuffers").Builder()
    builder.StartObject(2)
    builder.FinishSizePrefixed(builder.EndObject(), b"TEST")
    table = root(bytes(builder.Output()), "TEST")
    for field in (0, 1, 5):
        assert table.number(field, "i", 42) == 42
        assert table.text(field) == ""
        assert table.array(field, 16) == (0, 0)


def test_another_schema_is_refused():
    with pytest.raises(Malformed, match="is of type b'IOHE', not EVTS"):
        root(aedat4._header(Compression.LZ4, b"text"), "EVTS")


@given(st.data())
def test_damage_never_leads_outside(data):
    whole = bytearray(aedat4._header(Compression.LZ4, b"text"))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with contextlib.suppress(Malformed):
        table = root(damaged, "IOHE")
        table.number(0, "i", 7)
        table.number(1, "q", -1)
        table.text(2)
        first, count = table.array(2, 8)
        assert 0 <= first <= first + 8 * count <= len(damaged)
