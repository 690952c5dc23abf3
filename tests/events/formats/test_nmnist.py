from __future__ import annotations

import pytest
from hypothesis import given

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events
from spikeproof.events.formats import nmnist

from ..streams import streams


def test_the_layout_is_that_of_the_paper():
    # x 1, y 2, on, t = 0x123456; then x 33, y 0, off, t = 0x7fffff
    data = bytes([1, 2, 0x92, 0x34, 0x56, 33, 0, 0x7F, 0xFF, 0xFF])
    events = Events([1, 33], [2, 0], [0x123456, 2**23 - 1], [1, 0], 34, 34)
    assert nmnist.decode(data) == events
    assert nmnist.encode(events) == data


@given(streams(first=0, last=2**23 - 1, width=256, height=256))
def test_round_trip(events):
    assert nmnist.decode(nmnist.encode(events), 256, 256) == events


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ((256, 0, 0), "x=256 does not fit .bin, which holds 0 to 255; write .npz"),
        ((0, 256, 0), "y=256 does not fit"),
        ((0, 0, 2**23), "t=8388608 does not fit .bin, which holds 0 to 8388607"),
        ((0, 0, -1), "t=-1 does not fit"),
    ],
)
def test_values_that_do_not_fit(event, message):
    x, y, t = event
    with pytest.raises(InvalidRecording, match=message):
        nmnist.encode(Events([x], [y], [t], [0], 300, 300))


@pytest.mark.parametrize("left_over", [1, 2, 3, 4])
def test_truncation_is_noticed(left_over):
    with pytest.raises(InvalidRecording, match=rf"\({left_over} left over\)"):
        nmnist.decode(bytes(5 + left_over))


def test_disorder_is_noticed():
    with pytest.raises(InvalidRecording, match="event 1: time goes backwards, from 9 to 8"):
        nmnist.decode(bytes([0, 0, 0, 0, 9, 0, 0, 0, 0, 8]))
    with pytest.raises(InvalidRecording, match="event 0: y=200 is outside the 34x34 sensor"):
        nmnist.decode(bytes([0, 200, 0, 0, 9]))
