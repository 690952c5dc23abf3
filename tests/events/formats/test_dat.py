from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events
from spikeproof.events.formats import base, dat, evt3

from ..streams import streams
from .codec import columns, read, strict, written

HEADER = b"% Data file containing CD events\n% Version 2\n% Width 640\n% Height 480\n"
TURN = 2**32


def file(*words, kind=b"\x0c\x08"):
    return HEADER + kind + np.array(words, "<u4").tobytes()


def test_the_layout_is_that_of_the_specification():
    data = file(5, 1 << 28 | 3 << 14 | 639, 5, 479 << 14 | 7)
    events = Events([639, 7], [3, 479], [5, 5], [1, 0], 640, 480)
    assert read(dat.FORMAT, data) == events
    assert written(dat.FORMAT, events) == data
    assert read(dat.FORMAT, file(5, 1, kind=b"\x00\x08")) == Events([1], [0], [5], [0], 640, 480)


@given(events=streams(first=0, last=2**32 - 1, width=16384, height=16384))
def test_round_trip(events):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "PIECE", 3)
        assert read(dat.FORMAT, written(dat.FORMAT, events)) == events


@given(first=st.integers(0, TURN - 1), gaps=st.lists(st.integers(0, TURN // 2 - 1), max_size=9))
def test_round_trip_over_roll_overs(first, gaps):
    t = np.cumsum([first, *gaps])
    events = Events(np.zeros(len(t)), np.zeros(len(t)), t, np.zeros(len(t)), 4, 4)
    assert read(dat.FORMAT, written(dat.FORMAT, events)) == events


def test_an_event_from_before_the_roll_over():
    assert columns(dat.FORMAT, file(TURN - 5, 0, 3, 0, TURN - 1, 0, 4, 0))[2] == [
        TURN - 5,
        TURN + 3,
        TURN - 1,
        TURN + 4,
    ]


@pytest.mark.parametrize(
    ("times", "k"), [([-1], 0), ([TURN], 0), ([5, TURN + 5], 1), ([TURN - 1, 2 * TURN - 1], 1)]
)
def test_times_that_do_not_fit(times, k):
    n = len(times)
    with pytest.raises(InvalidRecording) as error:
        written(dat.FORMAT, Events([0] * n, [0] * n, times, [0] * n, 4, 4))
    assert str(error.value) == (
        f"event {k}: t={times[k]} µs does not fit DAT, whose clock starts at 0 and rolls over "
        "after 4294967296 µs, which only shows in gaps below half of that; write .npz"
    )


def test_sensors_that_do_not_fit():
    with pytest.raises(
        InvalidRecording, match=r"^the 4x16385 sensor does not fit DAT, which holds"
    ):
        written(dat.FORMAT, Events.empty(4, 16385))


def test_recognition():
    assert dat.FORMAT.recognises(file())
    assert dat.FORMAT.recognises(b"% Version 2\n\x00\x08")
    assert not dat.FORMAT.recognises(b"\x00\x08")
    assert not dat.FORMAT.recognises(written(evt3.FORMAT, Events.empty(4, 4)) + b"\x0c\x08")
    assert not evt3.FORMAT.recognises(file())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (file(kind=b"\x0e\x08"), r"has events of type and size \(14, 8\), and this program reads"),
        (HEADER, r"has events of type and size \(\), and this program reads type 0 or 12 of"),
        (file().replace(b"Version 2", b"Version 1"), "has DAT version 1 and this program reads 2"),
        (b"\x0c\x08", "has DAT version unknown and this program reads 2; convert the file with"),
    ],
)
def test_wrong_headers(data, message):
    with pytest.raises(InvalidRecording, match=f"^{message}"):
        dat.FORMAT.open(io.BytesIO(data), strict)


def test_a_cut_tail_is_named_and_dropped_in_repair():
    data = file(5, 1, 6, 2)
    with pytest.raises(InvalidRecording) as error:
        columns(dat.FORMAT, data[:-1])
    assert str(error.value) == (
        f"the file is cut short: its last word, at byte {len(data) - 8}, has 7 of 8 bytes; "
        "fetch the file again"
    )
    assert columns(dat.FORMAT, data[:-1], lambda problem: None) == [[1], [0], [5], [0]]


def test_a_polarity_beyond_1_is_left_to_the_caller():
    assert columns(dat.FORMAT, file(5, 15 << 28))[3] == [15]


def test_a_real_recording(shared_data):
    data = (shared_data / "formats/tonic/sample_ncars.dat").read_bytes()
    assert dat.FORMAT.recognises(data[:1000])
    opened = dat.FORMAT.open(io.BytesIO(data), strict)
    assert (opened.width, opened.height) == (None, None)
    x, y, t, p = columns(dat.FORMAT, data)
    assert len(t) == 2009
    assert (t[0], t[-1], min(p), max(p)) == (0, 99_952, 0, 1)
    assert max(x) < 120
    assert max(y) < 100
    assert t == sorted(t)
