from __future__ import annotations

import io
import zlib

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events
from spikeproof.events.formats import ecf, hdf5

from ..streams import streams
from .samples import EVENTS, decode, encode, repaired

BOTH = [hdf5.FORMAT, hdf5.PROPHESEE]
T = np.array([5, 5, 1_000, 70_000_123])
COLUMNS = {"x": [1, 2, 3, 4], "y": [4, 3, 2, 1], "t": T, "p": [0, 1, 1, 0]}
SMALL = Events(*COLUMNS.values(), 9, 8)


def saved(**members):
    """Bytes of a file with these datasets; ``__`` stands for ``/`` and ``at_`` for attributes."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as root:
        for name, value in members.items():
            if name.startswith("at_"):
                root.attrs[name[3:]] = value
            else:
                root[name.replace("__", "/")] = value
    return buffer.getvalue()


def in_group(group, **changes):
    """Members for ``saved``: the small stream's columns in a group, or others."""
    prefix = f"{group}__" if group else ""
    return {prefix + name: value for name, value in (COLUMNS | changes).items()}


def records(**changes):
    table = np.empty(4, [("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")])
    for name, column in (COLUMNS | changes).items():
        table[name] = column
    return table


def matrix(t=T / 1e6, p=(-1, 1, 1, -1)):
    return np.stack([COLUMNS["x"], COLUMNS["y"], t, p], axis=1).astype(float)


@pytest.mark.parametrize("format", BOTH)
@given(
    events=streams(first=-(2**22), last=2**22, width=1280, height=720),
    shift=st.sampled_from([0, 2**33, 2**60]),
)
def test_round_trip(format, events, shift):
    events = Events(events.x, events.y, events.t + shift, events.p, 1280, 720)
    data = encode(format, events)
    assert encode(format, events) == data  # the same events give the same bytes
    assert [f.recognises(data[: 2**16]) for f in BOTH] == [f is format for f in BOTH]
    if len(events):
        assert decode(format, data) == events


@pytest.mark.parametrize("format", BOTH)
def test_pieces_are_bounded_and_complete(format, monkeypatch):
    rng = np.random.default_rng(0)
    n = 50_000
    t = np.sort(rng.integers(0, 10**6, n))
    events = Events(
        rng.integers(0, 90, n), rng.integers(0, 80, n), t, rng.integers(0, 2, n), 90, 80
    )
    monkeypatch.setattr(hdf5, "PIECE", 7_001)
    opened = format.open(io.BytesIO(encode(format, events)), pytest.fail)
    assert (opened.width, opened.height) == (90, 80)
    pieces = list(opened.pieces)
    assert {len(piece.t) for piece in pieces} == {7_001, n % 7_001}
    for name in "xytp":
        joined = np.concatenate([getattr(piece, name) for piece in pieces])
        assert np.array_equal(joined, getattr(events, name))


@pytest.mark.parametrize(
    "members",
    [
        in_group("events"),
        in_group("events", p=np.array([0, 1, 1, 0], bool)),
        in_group("events", p=[-1, 1, 1, -1], x=[1.0, 2.0, 3.0, 4.0]),
        in_group("events", t=T - 5) | {"t_offset": 5},
        in_group("events", t=(T + 2**50).astype(np.uint64)) | {"t_offset": -(2**50)},
        in_group("prophesee__left"),
        in_group(""),
        {"timestamps": T, "x": COLUMNS["x"], "y": COLUMNS["y"], "polarity": COLUMNS["p"]},
        {"events__ts": T / 1e6, "events__ps": np.array([0, 1, 1, 0], bool)}
        | {"events__xs": COLUMNS["x"], "events__ys": COLUMNS["y"]},
        {"events": records()},
        {"CD__events": records(), "CD__indexes": [0], "EXT_TRIGGER__events": [0]},
        {"davis__left__events": matrix(), "davis__right__events": matrix()},
    ],
)
def test_layouts(members):
    data = saved(**members, at_width=9, at_height=8)
    assert decode(hdf5.FORMAT, data) == SMALL
    assert decode(hdf5.PROPHESEE, data) == SMALL


def test_seconds_of_a_clock_keep_their_microseconds():
    clock = 1_506_119_776_123_456  # µs since 1970, as in MVSEC
    data = saved(davis__left__events=matrix(t=(clock + T) / 1e6))
    assert decode(hdf5.FORMAT, data, 9, 8).t.tolist() == (clock + T).tolist()


@pytest.mark.parametrize(
    "size",
    [
        {"events__width": 9, "events__height": 8},
        {"at_width": 9, "at_height": np.uint16(8)},
        {"at_geometry": "9x8"},
        {"at_geometry": np.bytes_(b"9x8")},
        {"at_sensor_resolution": [8, 9]},
        {"at_sensor_resolution": [8, 9, 2]},
        {"events__calib__resolution": [9, 8]},
    ],
)
def test_sensor_sizes(size):
    assert decode(hdf5.FORMAT, saved(**in_group("events"), **size)) == SMALL


@pytest.mark.parametrize(
    "size",
    [
        {},
        {"at_width": 9},
        {"at_width": "9", "at_height": "8"},
        {"at_geometry": "large"},
        {"at_width": np.zeros(900, int), "at_height": 8},
        {"events__width": b"9"},
    ],
)
def test_no_sensor_size(size):
    data = saved(**in_group("events"), **size)
    opened = hdf5.FORMAT.open(io.BytesIO(data), pytest.fail)
    assert (opened.width, opened.height) == (None, None)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a__b": [1], "c": [2]}, r"no events where they are looked for \(datasets: a/b, c\)"),
        ({}, r"\(datasets: none\); store them as events/x, events/y, events/t \(µs\) and events/p"),
        (in_group("events") | in_group(""), "has events at '/' and 'events'; remove those of one"),
        (in_group("events") | {"events__ts": T}, "has 'events/t' and 'events/ts', which may both"),
        (in_group("events", t=T / 1e6), "'events/t' has shape .* float64; store one integer an ev"),
        (in_group("", x=[[1], [2], [3], [4]]), r"'x' has shape \(4, 1\), dtype int64; store one"),
        (
            in_group("events", p=np.array([b"a"] * 4)),
            r"'events/p' has dtype \|S1; store plain numbers",
        ),
        (in_group("events", y=[1, 2]), r"differ in length \(events/x 4, events/y 2, "),
        (in_group("events") | {"t_offset": 0.5}, "'t_offset' is no time; store one integer"),
        (in_group("events") | {"t_offset": [1, 2]}, "'t_offset' is no time; store one integer"),
        (in_group("events") | {"t_offset": 2**62}, "'t_offset' is no time; store one integer"),
        (
            in_group("events", t=[0, 1, 2, 2**62]) | {"t_offset": 1},
            "event 3: t=4611686018427387904 and its offset do not fit 64 bits",
        ),
        (in_group("events", x=[1, 2.5, 3, 4]), "event 1: x=2.5 is no whole number"),
        ({"events": np.zeros((4, 4))}, "no events where they are looked for"),
        (
            {"events": np.zeros(4, [("x", "i4"), ("t", "i4")])},
            "'events' has shape .* store records",
        ),
        ({"davis__left__events": np.zeros((4, 3))}, r"'davis/left/events' has shape \(4, 3\)"),
        ({"davis__left__events": matrix().astype("f4")}, r"float32; store \[N, 4\] 64-bit floats"),
        ({"davis__left__events": matrix(t=[0, np.nan, 1, 2])}, "event 1: t=nan is no whole number"),
    ],
)
def test_what_is_refused(members, message):
    with pytest.raises(InvalidRecording, match=message):
        decode(hdf5.FORMAT, saved(**members), 9, 8)


@pytest.mark.parametrize("data", [b"", b"hello", hdf5.MAGIC, hdf5.MAGIC + bytes(2000)])
def test_other_files(data):
    with pytest.raises(InvalidRecording, match=r"is no HDF5 file or is damaged \(.*fetch the file"):
        decode(hdf5.FORMAT, data)


@pytest.mark.parametrize("format", BOTH)
def test_a_file_cut_short(format):
    data = encode(format, EVENTS)
    for cut in (10, len(data) // 2, len(data) - 1):
        with pytest.raises(InvalidRecording, match="is no HDF5 file or is damaged"):
            decode(format, data[:cut])


def test_numbers_in_chunks_are_not_unpacked():
    buffer = io.BytesIO(saved(**in_group("events")))
    with h5py.File(buffer, "r+") as root:
        bomb = root.create_dataset("t_offset", (1,), "i8", chunks=(1,), compression="gzip")
        bomb.id.write_direct_chunk((0,), zlib.compress(bytes(2**26)))
    with pytest.raises(InvalidRecording, match="'t_offset' is no time"):
        decode(hdf5.FORMAT, buffer.getvalue(), 9, 8)


def test_a_reader_may_stop_early():
    file = io.BytesIO(encode(hdf5.FORMAT, EVENTS))
    opened = hdf5.FORMAT.open(file, pytest.fail)
    assert len(next(opened.pieces).t) == len(EVENTS)
    file.close()
    del opened


def test_columns_of_different_lengths_are_cut():
    events, told = repaired(hdf5.FORMAT, saved(**in_group("events", y=[4, 3])), 9, 8)
    assert events.t.tolist() == [5, 5]
    assert "differ in length" in told[0]


def test_chunks_that_cannot_be_unpacked_are_dropped():
    n = 3 * 2**14
    events = Events(*[np.zeros(n, int)] * 2, np.arange(n), np.zeros(n, int), 9, 8)
    data = bytearray(encode(hdf5.PROPHESEE, events))
    with h5py.File(io.BytesIO(bytes(data)), "r") as root:
        chunk = root["CD/events"].id.get_chunk_info(1)
    data[chunk.byte_offset + 3] = 0xFF  # the number of events in the chunk's head
    with pytest.raises(
        InvalidRecording, match=r"events 0 to 49151 cannot all be read \(an ECF chu"
    ):
        decode(hdf5.PROPHESEE, bytes(data))
    events, told = repaired(hdf5.PROPHESEE, bytes(data))
    assert np.array_equal(events.t, np.delete(np.arange(n), slice(2**14, 2**15)))
    assert told


@pytest.mark.parametrize(("held", "message"), [(4, None), (2, "2 of 3 rows are there")])
def test_a_chunk_of_more_or_fewer_events_than_there_are(held, message):
    """HDF5's own filter pipeline packs the last chunk whole, beyond the last event."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as root:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((4,))
        plist.set_filter(ecf.FILTER, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple((3,), (h5py.h5s.UNLIMITED,))
        kind = h5py.h5t.py_create(records().dtype)
        dataset = h5py.h5d.create(root.create_group("CD").id, b"events", kind, space, plist)
        columns = [getattr(SMALL, name)[:held] for name in "xytp"]
        dataset.write_direct_chunk((0,), ecf.encode(*columns))
    if message is None:
        assert decode(hdf5.PROPHESEE, buffer.getvalue(), 9, 8).t.tolist() == [5, 5, 1_000]
    else:
        with pytest.raises(InvalidRecording, match=message):
            decode(hdf5.PROPHESEE, buffer.getvalue(), 9, 8)


def test_evlib_files_of_polarity_minus_one_and_seconds():
    """As written by evlib and the rpg tools: seconds, and polarities -1 and 1."""
    names = {"xs": COLUMNS["x"], "ys": COLUMNS["y"], "ts": T / 1e6, "ps": np.int8([-1, 1, 1, -1])}
    data = saved(**{f"events__{name}": column for name, column in names.items()})
    assert decode(hdf5.FORMAT, data, 9, 8) == SMALL


@pytest.mark.parametrize("format", BOTH)
@given(data=st.data())
def test_damage_gives_an_error_or_events_but_no_crash(format, data):
    raw = bytearray(encode(format, SMALL))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        events = decode(format, bytes(raw), 2**15, 2**15)
    except InvalidRecording:
        return
    assert isinstance(events, Events)


@pytest.mark.parametrize("format", BOTH)
def test_evlib_reads_what_we_write(format, tmp_path):
    evlib = pytest.importorskip("evlib")
    # from 0.3 s on: evlib 0.13 takes the head of an ECF chunk with an earlier time for another
    late = Events(EVENTS.x, EVENTS.y, EVENTS.t + 300_000, EVENTS.p, EVENTS.width, EVENTS.height)
    path = tmp_path / f"a{format.endings[0]}"
    path.write_bytes(encode(format, late))
    table = evlib.load_events(str(path), sort=False).collect()
    assert table["x"].to_list() == late.x.tolist()
    assert table["y"].to_list() == late.y.tolist()
    assert table["t"].dt.total_microseconds().to_list() == late.t.tolist()
    assert (table["polarity"] > 0).to_list() == late.p.astype(bool).tolist()
