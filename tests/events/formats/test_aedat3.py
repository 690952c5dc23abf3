from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events
from spikeproof.events.formats import aedat3

from ..streams import streams


def strict(problem):
    raise InvalidRecording(problem)


def read(data, trouble=strict):
    """All events, and the sizes of the pieces."""
    opened = aedat3.FORMAT.open(io.BytesIO(data), trouble)
    pieces = list(opened.pieces)
    columns = [np.concatenate([[], *(getattr(p, n) for p in pieces)]).astype(int) for n in "xytp"]
    events = Events(*columns, opened.width or 2**15, opened.height or 2**15)
    return events, [len(piece.t) for piece in pieces]


def lines(*sources, packing="RAW"):
    text = ["#!AER-DAT3.1", f"#Format: {packing}", *sources, "#Start-Time: 2016-04-27 16:33:07"]
    return "".join(f"{line}\r\n" for line in [*text, "#!END-HEADER"]).encode()


def packet(x, y, t, p, source=1, overflow=0, valid=1):
    x, y, p, valid = (
        np.broadcast_to(np.asarray(c).astype(np.uint32), len(t)) for c in (x, y, p, valid)
    )
    data = np.column_stack([x << 17 | y << 2 | p << 1 | valid, np.asarray(t).astype(np.uint32)])
    n = len(t)
    head = struct.pack("<hh6i", 1, source, 8, 4, overflow, n, n, int(np.sum(valid)))
    return head + data.astype("<u4").tobytes()


def other(kind, body):
    """A packet of another type, with one event."""
    return struct.pack("<hh6i", kind, 1, len(body), 4, 0, 1, 1, 1) + body


HEAD = lines("#Source 1: DVS128")


@given(streams(first=0, last=2**33, width=128, height=128))
def test_events_of_any_time(events):
    """Written one packet an overflow, as libcaer does."""
    data = HEAD
    for overflow in np.unique(events.t >> 31):
        k = events.t >> 31 == overflow
        t = events.t[k] & 2**31 - 1
        data += packet(events.x[k], events.y[k], t, events.p[k], overflow=int(overflow))
        data += other(3, b"x" * 36)
    assert read(data)[0] == events


def test_it_is_recognised_by_its_first_line():
    assert aedat3.FORMAT.recognises(HEAD)
    assert not aedat3.FORMAT.recognises(HEAD.replace(b"3.1", b"2.0"))
    with pytest.raises(InvalidRecording, match=r"does not begin with '#!AER-DAT3\.1'"):
        read(HEAD.replace(b"3.1", b"3.0"))


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ("#Source 0: DVS128", (128, 128)),
        ("#Source 1: DAVIS240C", (240, 180)),
        ("#Source 12: DAVIS346B", (346, 260)),
        ("#Source 1: DYNAPSE", (None, None)),
        ("#-Source 1: DVS128", (None, None)),
    ],
)
def test_the_source_says_the_size(source, size):
    opened = aedat3.FORMAT.open(io.BytesIO(lines(source)), strict)
    assert (opened.width, opened.height) == size
    assert list(opened.pieces) == []


def test_headers_that_cannot_be_read():
    with pytest.raises(InvalidRecording, match="the header has no line '#!END-HEADER'"):
        read(HEAD[:-16])
    with pytest.raises(InvalidRecording, match="has the line '#Format: PNG', not '#Format: RAW'"):
        read(lines("#Source 1: DVS128", packing="PNG"))


def test_events_marked_invalid_are_passed_over():
    data = HEAD + packet([1, 2, 3], [4, 5, 6], [7, 8, 9], [0, 1, 1], valid=[1, 0, 1])
    assert read(data)[0] == Events([1, 3], [4, 6], [7, 9], [0, 1], 128, 128)


def test_only_the_first_source_is_read():
    both = packet([1], [2], [3], [1]) + packet([4], [5], [6], [0], source=2) * 2
    data = lines("#Source 1: DVS128", "#Source 2: DAVIS346B") + both
    with pytest.raises(InvalidRecording, match="has events of source 2 beside source 1"):
        read(data)
    problems = []
    assert read(data, problems.append)[0] == Events([1], [2], [3], [1], 128, 128)
    assert len(problems) == 1
    # without a line about sources, it is the source of the first events
    assert read(lines() + both, [].append)[0].t.tolist() == [3]


def test_pieces_have_bounded_size(monkeypatch):
    monkeypatch.setattr(aedat3, "PIECE", 4)
    events, sizes = read(HEAD + packet(0, 0, np.arange(10), 1) + packet(0, 0, [10], 1))
    assert events.t.tolist() == list(range(11))
    assert sizes == [4, 4, 2, 1]


GOOD = packet(0, 0, np.arange(5), 1)


@given(st.integers(0, 3 * len(GOOD)))
def test_cut_anywhere_in_the_packets(size):
    data = (HEAD + GOOD * 3)[: len(HEAD) + size]
    whole, rest = divmod(size, len(GOOD))
    problems = []
    opened = aedat3.FORMAT.open(io.BytesIO(data), problems.append)
    kept = sum(len(piece.t) for piece in opened.pieces)
    assert kept == 5 * whole + max(0, rest - 28) // 8
    if rest:
        at = len(HEAD) + whole * len(GOOD)
        message = f"packet at byte {at} is cut short; fetch the file again"
        assert len(problems) == 1
        assert problems[0].startswith(message)
        with pytest.raises(InvalidRecording, match=message):
            read(HEAD + data[at:] if whole == 0 else data)
    else:
        assert problems == []


@pytest.mark.parametrize(
    "fields",
    [
        (-1, 1, 8, 4, 0, 1, 1, 1),  # type
        (1, 1, 12, 4, 0, 1, 1, 1),  # size of an event
        (1, 1, 8, 0, 0, 1, 1, 1),  # place of the time
        (1, 1, 8, 4, -1, 1, 1, 1),  # overflow
        (1, 1, 8, 4, 0, 2, 1, 1),  # capacity is not the count
        (1, 1, 8, 4, 0, -1, -1, -1),  # count
        (1, 1, 8, 4, 0, 1, 1, 2),  # more valid than there are
        (3, 1, 0, 4, 0, 1, 1, 1),  # no size, other type
    ],
)
def test_after_an_impossible_header_reading_stops(fields):
    data = HEAD + GOOD + struct.pack("<hh6i", *fields) + bytes(8) + GOOD
    where = f"packet at byte {len(HEAD + GOOD)} has an impossible header; fetch the file again"
    with pytest.raises(InvalidRecording, match=where):
        read(data)
    problems = []
    assert read(data, problems.append)[0].t.tolist() == [0, 1, 2, 3, 4]
    assert len(problems) == 1


@given(st.binary(max_size=100), st.integers(0, len(GOOD)))
def test_noise_is_never_worse_than_trouble(noise, place):
    data = HEAD + GOOD[:place] + noise + GOOD[place:]
    for piece in aedat3.FORMAT.open(io.BytesIO(data), [].append).pieces:
        assert len(piece.x) == len(piece.y) == len(piece.t) == len(piece.p)


@pytest.mark.filterwarnings("ignore")
def test_tonic_reads_the_same_events(tmp_path):
    """Its reader of DVSGesture, whose last lines it cannot run, shifts the words as here."""
    tonic = pytest.importorskip("tonic.io")
    rng = np.random.default_rng(0)
    data = HEAD
    for k in range(3):
        t = np.sort(rng.integers(k * 1000, k * 1000 + 1000, 100))
        data += packet(rng.integers(0, 128, 100), rng.integers(0, 128, 100), t, t % 2)
    path = tmp_path / "a.aedat"
    path.write_bytes(data)
    version, start, _ = tonic.read_aedat_header_from_file(str(path))
    words = tonic.get_aer_events_from_file(str(path), version, start)
    events, _ = read(data)
    assert len(events) == 300
    assert np.array_equal(words["timeStamp"], events.t)
    assert np.array_equal(words["address"] >> 17, events.x)
    assert np.array_equal(words["address"] >> 2 & 0x1FFF, events.y)
    assert np.array_equal(words["address"] >> 1 & 1, events.p)
