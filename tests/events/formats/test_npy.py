from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events
from spikeproof.events.formats import npy
from spikeproof.events.stream import STRUCTURED

from ..streams import streams
from .samples import decode, encode, repaired

NPY = npy.FORMAT
EVENTS = Events([1, 2, 3], [0, 1, 2], [10, 20, 30], [0, 1, 1], 5, 4)


def saved(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@given(streams(first=-(2**62), last=2**62, width=2**15, height=300))
def test_round_trip(events):
    data = encode(NPY, events)
    array = np.load(io.BytesIO(data))
    assert array.dtype == STRUCTURED
    np.testing.assert_array_equal(array, events.structured())
    if len(events):
        assert decode(NPY, data, events.width, events.height) == events


@pytest.mark.parametrize(
    "dtype",
    [
        [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "u1")],  # expelliarmus, packed
        [("x", ">u2"), ("y", ">u4"), ("t", ">i8"), ("p", "i1")],
        [("timestamp", "<u8"), ("x", "<u2"), ("y", "<u2"), ("polarity", "?"), ("note", "U3")],
        [("ts", "<f8"), ("x", "<f4"), ("y", "<f2"), ("p", "<f4")],
        np.dtype([("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "u1")], align=True),
    ],
)
def test_fields_of_other_orders_names_and_dtypes(dtype):
    array = np.zeros(3, dtype)
    for name, column in zip("xytp", (EVENTS.x, EVENTS.y, EVENTS.t, EVENTS.p), strict=True):
        fitting = next(f for f in array.dtype.names if f.startswith(name))
        array[fitting] = column
    assert decode(NPY, saved(array), 5, 4) == EVENTS


def test_polarity_of_both_signs():
    array = EVENTS.structured().astype([("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "i1")])
    array["p"] = [-1, 1, 1]
    assert decode(NPY, saved(array), 5, 4) == EVENTS


def test_booleans_that_are_neither():
    data = bytearray(saved(EVENTS.structured()))
    data[-1] = 7
    with pytest.raises(InvalidRecording, match="event 2: p=7 is no polarity"):
        decode(NPY, bytes(data), 5, 4)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((9, 4), np.int64), r"shape \(9, 4\) and dtype <i8, which does not say which col"),
        (np.zeros(9, np.int64), "does not say which column is which; save a structured array"),
        (np.zeros((3, 1), STRUCTURED), "does not say which column is which"),
        (np.zeros((), STRUCTURED), "does not say which column is which"),
        (np.zeros(3, [("x", "i2"), ("y", "i2"), ("t", "i8")]), "field 'p' is missing"),
        (np.zeros(3, [("x", "i2", 2), ("y", "i2"), ("t", "i8"), ("p", "?")]), "one number a field"),
        (np.zeros(3, [("x", "O"), ("y", "i2"), ("t", "i8"), ("p", "?")]), "'x' has dtype |O"),
        (np.zeros(3, [("x", "U1"), ("y", "i2"), ("t", "i8"), ("p", "?")]), "'x' has dtype <U1"),
        (np.zeros(3, [("x", "i2"), ("y", "i2"), ("t", "M8[us]"), ("p", "?")]), "'t' has dtype <M8"),
        (np.array([{}]), r"does not say which column is which"),
    ],
)
def test_other_arrays_are_refused(array, message):
    with pytest.raises(InvalidRecording, match=message):
        decode(NPY, saved(array))


def test_claims_are_compared_with_what_is_there():
    data = saved(EVENTS.structured())
    with pytest.raises(InvalidRecording, match=r"claims 3 events \(39 bytes\) and holds 30 bytes"):
        decode(NPY, data[:-9], 5, 4)
    events, told = repaired(NPY, data[:-9], 5, 4)
    assert events.t.tolist() == [10, 20]
    assert len(told) == 1
    with pytest.raises(InvalidRecording, match="holds 40 bytes"):
        decode(NPY, data + b"x", 5, 4)
    assert repaired(NPY, data + b"x", 5, 4)[0] == EVENTS
    huge = data.replace(b"(3,), }" + b" " * 12, b"(3" + b"0" * 12 + b",), }")
    assert huge != data
    assert repaired(NPY, huge, 5, 4)[0] == EVENTS


@pytest.mark.parametrize("descr", ["'|O'", "[]", "[('x', '<i2')" * 2, "__import__('os')", "''"])
def test_headers_are_matched_and_not_evaluated(descr):
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (3,), }}\n".encode()
    data = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(99)
    with pytest.raises(InvalidRecording):
        decode(NPY, data)


def test_the_reference_decode_of_expelliarmus(shared_data):
    path = shared_data / "formats" / "expelliarmus" / "evt3_sample.npy"
    theirs = np.load(path)
    ours = decode(NPY, path.read_bytes(), 1280, 720)
    for name in "xytp":
        np.testing.assert_array_equal(getattr(ours, name), theirs[name])
