"""What holds for all three encodings."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events
from spikeproof.events.formats import base, evt2, evt3, evt21
from spikeproof.events.formats.evt import MAX_TURNS, climb, later

from ..streams import streams
from .codec import columns, read, strict, written

FORMATS = (evt2.FORMAT, evt21.FORMAT, evt3.FORMAT)
TURN = {"evt2": 2**34, "evt21": 2**34, "evt3": 2**24}
BYTES = {"evt2": 4, "evt21": 8, "evt3": 2}
every = pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(base, "PIECE", 3)


def header(format):
    return written(format, Events.empty(640, 480))


@every
@given(events=streams(first=0))
def test_round_trip(format, events):
    assert read(format, written(format, events)) == events


@every
@given(events=streams(max_size=300, first=0, last=3, width=70, height=2))
def test_round_trip_of_crowded_rows(format, events):
    """Vectors form, break at the sensor's edge and at every change of order."""
    assert read(format, written(format, events)) == events


@every
@given(seed=st.integers(0, 2**32 - 1), width=st.integers(1, 2048), events=st.integers(1, 400))
def test_round_trip_of_rows_in_order(format, seed, width, events):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.integers(0, width, events))
    t = np.sort(rng.integers(0, 5, events))
    stream = Events(x, x % 2, t, x // 40 % 2, width, 2)
    assert read(format, written(format, stream)) == stream


@every
@given(events=streams(max_size=60, first=0, last=5, width=70, height=2))
def test_pieces_of_any_size_give_the_same(format, events):
    data = written(format, events)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "PIECE", 3)
        assert read(format, data) == events
        assert read(format, written(format, events)) == events


@every
def test_pieces_are_bounded(format, small_pieces):
    events = Events(np.arange(100), np.zeros(100), np.zeros(100), np.ones(100), 640, 480)
    pieces = list(format.open(io.BytesIO(written(format, events)), strict).pieces)
    assert max(len(piece.t) for piece in pieces) <= 3 + 32
    assert len(pieces) > 2


@every
@given(data=st.data())
def test_long_gaps(format, data):
    """Times anywhere in the first roll-overs, steps of less than a period and of many."""
    turn = TURN[format.name]
    step = st.one_of(
        st.integers(0, 100),
        st.integers(0, turn),
        st.integers(0, 40 * turn),
        st.sampled_from([turn - 1, turn, turn + 1, turn // 2, 3 * turn]),
    )
    t = np.cumsum(data.draw(st.lists(step, min_size=1, max_size=12)))
    events = Events(np.arange(len(t)), np.zeros(len(t)), t, np.ones(len(t)), 640, 480)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "PIECE", 5)
        assert read(format, written(format, events)) == events


@every
def test_a_file_that_begins_late_grows_little(format):
    late = TURN[format.name] * MAX_TURNS + 5
    events = Events([1], [2], [late], [1], 640, 480)
    data = written(format, events)
    assert len(data) - len(header(format)) <= (5 * (MAX_TURNS + 1) + 4) * BYTES[format.name]
    assert read(format, data) == events


@every
@pytest.mark.parametrize("shift", [-1, 2**60])
def test_times_that_do_not_fit(format, shift):
    t = shift if shift < 0 else TURN[format.name] * (MAX_TURNS + 1)
    turn = TURN[format.name]
    with pytest.raises(InvalidRecording) as error:
        written(format, Events([1], [2], [t], [1], 640, 480))
    assert str(error.value) == (
        f"event 0: t={t} µs does not fit {format.name.upper()}, whose clock starts at 0 and rolls "
        f"over up to 65536 times after {turn} µs; shift all times, or write .npz"
    )


@every
def test_sensors_that_do_not_fit(format):
    assert read(format, written(format, Events([2047], [2047], [0], [1], 2048, 2048))).x == 2047
    with pytest.raises(InvalidRecording, match=r"^the 2049x4 sensor does not fit EVT\d+, which"):
        written(format, Events.empty(2049, 4))


@every
def test_no_events(format):
    opened = format.open(io.BytesIO(header(format)), strict)
    assert (opened.width, opened.height) == (640, 480)
    assert list(opened.pieces) == []


@every
def test_recognition(format):
    for other in FORMATS:
        assert format.recognises(header(other)) == (format is other)
    assert not format.recognises(b"")
    assert not format.recognises(b"% Version 2\n\x0c\x08")
    with pytest.raises(InvalidRecording, match=r"^the header names no encoding, not EVT"):
        format.open(io.BytesIO(b"\x00\x00\x00\x80"), strict)


@every
def test_a_byte_order_that_is_not_read(format):
    data = b"% format " + format.name.upper().encode() + b";endianness=big;height=4;width=4\n"
    with pytest.raises(InvalidRecording, match=r"^byte order 'big' is not read; convert the file"):
        format.open(io.BytesIO(data), strict)


@every
@pytest.mark.usefixtures("small_pieces")
def test_a_cut_tail_is_named_and_dropped_in_repair(format):
    events = Events(range(20), range(20), range(20), [1] * 20, 640, 480)
    data = written(format, events)
    size = BYTES[format.name]
    cut = data[: -(size // 2)]
    message = (
        f"the file is cut short: its last word, at byte {len(data) - size}, has {size // 2} of "
        f"{size} bytes; fetch the file again"
    )
    with pytest.raises(InvalidRecording) as error:
        columns(format, cut)
    assert str(error.value) == message
    told = []
    assert columns(format, cut, told.append)[2] == list(range(19))
    assert told == [message]


@every
def test_words_of_reserved_types_are_named_and_left_out_in_repair(format):
    events = Events([1, 2], [3, 4], [5, 6], [0, 1], 640, 480)
    data = written(format, events)
    size = BYTES[format.name]
    bad = bytes(size - 1) + b"\xb0"
    for at in range(len(header(format)), len(data) + 1, size):
        damaged = data[:at] + bad + data[at:]
        with pytest.raises(InvalidRecording) as error:
            columns(format, damaged)
        message = f"the word at byte {at} is of a reserved type; fetch the file again"
        assert str(error.value) == message
        told = []
        assert columns(format, damaged, told.append) == columns(format, data)
        assert told == [message]
        told = []
        assert columns(format, data[:at] + 3 * bad + data[at:], told.append)[0] == [1, 2]
        assert told == [message, "3 words in all are of reserved types; fetch the file again"]


@every
@given(noise=st.binary(max_size=400))
def test_any_bytes_are_read_in_repair(format, noise):
    x, y, _, p = columns(format, header(format) + noise, lambda problem: None)
    assert all(0 <= value < 2**15 + 32 for value in x + y)
    assert set(p) <= {0, 1}


@every
def test_events_without_a_time_are_left_out(format):
    events = Events([1, 2, 3], [3, 3, 4], [5, 6, 4096], [0, 1, 1], 640, 480)
    data = written(format, events)
    first = len(header(format))
    size = BYTES[format.name]
    # begins in the middle of the stream, as a recording may
    assert columns(format, data[:first] + data[first + size :])[2] == [4096]
    alone = data[:first] + data[first + size : -2 * size if format.name != "evt3" else -4 * size]
    with pytest.raises(InvalidRecording, match=r"^no event has a time: there is no TIME_HIGH word"):
        columns(format, alone)
    assert columns(format, alone, lambda problem: None) == [[]] * 4


@every
def test_faery_takes_its_t0_away_and_we_put_it_back(format):
    events = Events([1], [3], [5], [0], 640, 480)
    data = written(format, events).replace(b"% end\n", b"% t0 1000\n% end\n")
    assert columns(format, data)[2] == [1005]


@pytest.mark.parametrize(
    ("last", "shown", "now"),
    [
        (-1, 7, 7),
        (5, 5, 5),
        (5, 9, 9),
        (4095, 0, 4096),
        (4000, 3990, 3990),  # a jitter back is no roll-over
        (4096, 4095, 4095),  # nor is it across 0
        (3, 4090, 4090),  # the first period has nothing before it
        (3000, 1000, 4096 + 1000),  # a gap
        (5 * 4096 + 10, 4, 5 * 4096 + 4),
    ],
)
def test_the_clock(last, shown, now):
    assert later(last, shown, 4096, 256) == now


@given(st.integers(-1, 9000), st.integers(0, 9000))
def test_the_way_up_can_be_counted_by_any_reader(last, more):
    words = np.empty(64, np.uint16)
    n = climb(words, 0, last, last + more, 4096, 8 << 12)
    shown = (words[:n] & 0xFFF).astype(int)
    assert (words[:n] >> 12 == 8).all()
    steps = np.diff([last % 4096, *shown]) if last >= 0 else np.diff(shown)
    assert ((steps > 0) & (steps <= 1024) | (steps == -4095)).all()
    if more and last >= 0:
        assert last + (steps % 4096).sum() == last + more
