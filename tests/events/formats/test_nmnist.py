from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events
from spikeproof.events.formats import nmnist

from ..streams import streams
from .samples import decode, encode, repaired

BIN = nmnist.FORMAT


def test_the_layout_is_that_of_the_paper():
    # x 1, y 2, on, t = 0x123456; then x 33, y 0, off, t = 0x7fffff
    data = bytes([1, 2, 0x92, 0x34, 0x56, 33, 0, 0x7F, 0xFF, 0xFF])
    events = Events([1, 33], [2, 0], [0x123456, 2**23 - 1], [1, 0], 34, 34)
    assert decode(BIN, data) == events
    assert encode(BIN, events) == data


@given(streams(first=0, last=2**23 - 1, width=256, height=240))
def test_round_trip(events):
    data = encode(BIN, events)
    assert len(data) == 5 * len(events)
    if len(events):
        assert decode(BIN, data, 256, 240) == events


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ((256, 0, 0), "x=256 does not fit .bin, which holds 0 to 255; write .npz"),
        ((0, 256, 0), "y=256 does not fit"),
        ((0, 240, 0), "y=240 does not fit .bin, where it marks an overflow of time; write .npz"),
        ((0, 0, 2**23), "t=8388608 does not fit .bin, which holds 0 to 8388607"),
        ((0, 0, -1), "t=-1 does not fit"),
    ],
)
def test_values_that_do_not_fit(event, message):
    x, y, t = event
    with pytest.raises(InvalidRecording, match=f"event 0: {message}"):
        encode(BIN, Events([x], [y], [t], [0], 300, 300))


@pytest.mark.parametrize("left_over", [1, 2, 3, 4])
def test_truncation_is_noticed(left_over):
    data = bytes(5 + left_over)
    with pytest.raises(InvalidRecording, match=rf"\({left_over} left over\)"):
        decode(BIN, data)
    events, told = repaired(BIN, data)
    assert events == Events([0], [0], [0], [0], 34, 34)
    assert told == [
        f"a: {5 + left_over} bytes are no whole number of 5-byte events ({left_over} left over); "
        "the file is cut short or has another format, fetch it again"
    ]


def test_disorder_is_noticed():
    with pytest.raises(InvalidRecording, match="event 1: time goes backwards, from 9 to 8"):
        decode(BIN, bytes([0, 0, 0, 0, 9, 0, 0, 0, 0, 8]))
    with pytest.raises(InvalidRecording, match="event 0: y=200 is outside the 34x34 sensor"):
        decode(BIN, bytes([0, 200, 0, 0, 9]))


MARK = bytes([0, 240, 0, 0, 0])


def test_records_at_row_240_add_to_the_times_after_them():
    data = bytes([1, 1, 0x80, 0x1F, 0xFF]) + MARK + bytes([2, 2, 0, 0, 7]) + MARK + MARK
    data += bytes([3, 3, 0, 0, 1])
    events = Events([1, 2, 3], [1, 2, 3], [2**13 - 1, 2**13 + 7, 3 * 2**13 + 1], [1, 0, 0], 34, 34)
    assert decode(BIN, data) == events


def test_overflow_marks_are_read_as_tonic_reads_them(tmp_path):
    tonic = pytest.importorskip("tonic.io")
    rng = np.random.default_rng(1)
    raw = np.zeros((500, 5), np.uint8)
    raw[:, :2] = rng.integers(0, 34, (500, 2))
    raw[:, 2] = rng.integers(0, 2, 500) << 7
    raw[:, 4] = np.arange(500) // 2
    raw[::50] = 0, 240, 0, 0, 0
    path = tmp_path / "a.bin"
    path.write_bytes(raw.tobytes())
    theirs = tonic.read_mnist_file(path, dtype=tonic.events_struct)
    ours = decode(BIN, raw.tobytes())
    assert len(ours) == 490
    for name in "xytp":
        np.testing.assert_array_equal(getattr(ours, name), theirs[name])


def test_a_counter_that_wraps_is_an_error_and_is_unrolled_in_repair():
    data = bytes([0, 0, 0x7F, 0xFF, 0xFF, 1, 0, 0, 0, 5, 2, 0, 0x7F, 0, 0, 3, 0, 0, 0, 0])
    with pytest.raises(InvalidRecording, match="event 1: time falls back as if the 23-bit counter"):
        decode(BIN, data)
    events, told = repaired(BIN, data)
    assert events.t.tolist() == [2**23 - 1, 2**23 + 5, 2**23 + (0x7F << 16), 2**24]
    assert len(told) == 1
