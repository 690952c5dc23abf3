from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidRecording
from spikeproof.events.formats import ecf


@st.composite
def chunks(draw):
    """Columns of events that make each of the three modes the shortest at times."""
    n = draw(st.sampled_from([1, 2, 3, 4, 5, 14, 15, 16, 31, 32, 127, 300]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    start = draw(st.sampled_from([0, 7, -(2**40), 2**62]))
    t = start + np.sort(rng.integers(0, draw(st.sampled_from([1, 15, 300, 2**40])), n))
    x, y, p = rng.integers(0, 2048, n), rng.integers(0, 2048, n), rng.integers(0, 2, n)
    if draw(st.booleans()):
        y = np.sort(y // 500)
    if draw(st.booleans()):
        x, p = np.cumsum(rng.integers(1, 4, n)) % 2048, np.sort(p)
    return x, y, t, p


def mode(data):
    return data[0] & 3


@given(chunks())
def test_round_trip(columns):
    for decoded, column in zip(ecf.decode(ecf.encode(*columns)), columns, strict=True):
        assert np.array_equal(decoded, column)


# (bytes of Prophesee's own encoder, x, y, t, p), made with https://github.com/prophesee-ai/hdf5_ecf
REFERENCE = {
    "pixels": (
        "2600000040420f00000000000112f4f102fcf2f10251f0f7f1f1f101da1c3804ca71f00e5ef21b13"
        "03d18115b038e80bd2151f07006500210000000000000000",
        "1038 109 229 303 232 1025 1112 745 50",
        "67 239 311 447 344 190 115 497 528",
        "1000000 1000001 1000001 1000021 1000021 1000321 1000321 1000326 1070326",
        "0 0 0 0 1 1 0 0 1",
    ),
    "rows": (
        "2500000040420f00000000000112f4f102fcf2f10251f0f7f1f1f1018925ca81ca0d5e12131db080"
        "d285500600000000",
        "1038 109 229 303 232 1025 1112 745 50",
        "300 300 300 300 300 300 300 300 300",
        "1000000 1000001 1000001 1000021 1000021 1000321 1000321 1000326 1070326",
        "0 0 0 0 1 1 0 0 1",
    ),
    "masks": (
        "a00000000a000000020000000f1400ff0f1400ff00230005019f0c5f0d1f0e8425442604271f50df509c5128",
        "100 101 102 103 104 105 106 107 108 109 110 111 112 113 114 115 116 117 300 303 "
        "306 309 312 315 640 641 642 643 644 645 646 647 648 649 650 651 652 653 654 655",
        "7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 8 8 8 8 8",
        "8589934602 8589934602 8589934602 8589934602 8589934602 8589934602 8589934602 "
        "8589934602 8589934602 8589934602 8589934602 8589934602 8589934602 8589934602 "
        "8589934602 8589934602 8589934602 8589934602 8589934602 8589934602 8589934617 "
        "8589934617 8589934617 8589934617 8589934617 8589934617 8589934617 8589934617 "
        "8589934617 8589934617 8589934617 8589934617 8589934617 8589934617 8589934617 "
        "8589934617 8589934617 8589934617 8589934617 8589934617",
        "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
    ),
}


def reference(name):
    data, *columns = REFERENCE[name]
    return bytes.fromhex(data), [np.array(column.split(), int) for column in columns]


@pytest.mark.parametrize("name", REFERENCE)
def test_bytes_of_the_reference_encoder_are_read(name):
    data, columns = reference(name)
    for decoded, column in zip(ecf.decode(data), columns, strict=True):
        assert np.array_equal(decoded, column)


@pytest.mark.parametrize("name", REFERENCE)
def test_we_are_never_longer_than_the_reference_encoder(name):
    data, columns = reference(name)
    assert len(ecf.encode(*columns)) <= len(data)


def test_all_modes_are_written():
    rng = np.random.default_rng(0)
    n = 1_000
    t, x, y = np.arange(n), rng.integers(0, 2048, n), rng.integers(0, 2048, n)
    row, off = np.full(n, 9), np.zeros(n, int)
    assert mode(ecf.encode(x, y, t, off)) == 2
    assert mode(ecf.encode(x, row, t, x % 2)) == 1
    assert mode(ecf.encode(t % 2048, row, t, off)) == 0


def test_what_the_last_mask_holds_in_excess_is_ignored():
    # one event of mode 0: the head, a run of one, row 3, x = 5 with a full mask, one polarity
    data = (4).to_bytes(4, "little") + bytes(8) + bytes([0x01, 3 << 5 | 1, 0, 5 << 5 | 31, 0, 0x81])
    assert [column.tolist() for column in ecf.decode(data)] == [[5], [3], [0], [1]]


def test_an_empty_chunk():
    data = ecf.encode(*[np.empty(0, int)] * 4)
    assert [len(column) for column in ecf.decode(data)] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes are no ECF chunk"),
        (bytes(11), "11 bytes are no ECF chunk"),
        (b"\xff" * 40, "claims 1073741823 events, more than 65535"),
        ((4).to_bytes(4, "little") + bytes(8), "cut short or damaged"),
        ((4).to_bytes(4, "little") + bytes(8) + b"\x02" * 9, "cut short or damaged"),
        ((4).to_bytes(4, "little") + bytes(8) + b"\xf0" * 90, "cut short or damaged"),
    ],
)
def test_damage_is_named(data, message):
    with pytest.raises(ValueError, match=message):
        ecf.decode(data)


def test_more_events_than_there_may_be():
    data = ecf.encode(*[np.zeros(9, int)] * 4)
    with pytest.raises(ValueError, match="claims 9 events, more than 8"):
        ecf.decode(data, 8)


@given(chunks(), st.data())
def test_damage_gives_an_error_or_events_but_no_crash(columns, data):
    raw = bytearray(ecf.encode(*columns))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    for damaged in (bytes(raw), bytes(raw[:cut])):
        try:
            decoded = ecf.decode(damaged)
        except ValueError:
            continue
        assert len({len(column) for column in decoded}) == 1


def test_what_does_not_fit_is_not_written():
    zeros = np.zeros(1, int)
    with pytest.raises(InvalidRecording, match="up to 2047 and there is one of 2048; write"):
        ecf.encode(zeros + 2048, zeros, zeros, zeros)
    many = np.zeros(ecf.MAX_EVENTS + 1, int)
    with pytest.raises(InvalidRecording, match="65536 events are more than one ECF chunk holds"):
        ecf.encode(many, many, many, many)
