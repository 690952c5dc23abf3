from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events
from spikeproof.events.formats import npz

from ..streams import streams
from .samples import decode, encode, repaired

NPZ = npz.FORMAT

EVENTS = Events([1, 2, 3], [0, 1, 2], [10, 20, 30], [0, 1, 1], 5, 4)


def saved(**changes):
    """Bytes of an archive like ours, with some members changed or, given None, left out."""
    members = {name: getattr(EVENTS, name) for name in ("x", "y", "t", "p")}
    members |= {"format": np.int64(1), "width": np.int64(5), "height": np.int64(4)} | changes
    buffer = io.BytesIO()
    np.savez(buffer, **{name: value for name, value in members.items() if value is not None})
    return buffer.getvalue()


@given(streams(first=-(2**62), last=2**62, width=2**15, height=300))
def test_round_trip(events):
    data = encode(NPZ, events)
    assert encode(NPZ, events) == data  # the same events give the same bytes
    if len(events):
        assert decode(NPZ, data) == events


def test_ours_is_an_archive_that_numpy_reads():
    with np.load(io.BytesIO(encode(NPZ, EVENTS))) as archive:
        assert archive["t"].tolist() == [10, 20, 30]
        assert (int(archive["width"]), int(archive["height"]), int(archive["format"])) == (5, 4, 1)


def test_arrays_saved_by_hand_are_read():
    assert decode(NPZ, saved()) == EVENTS
    assert decode(NPZ, saved(t=EVENTS.t.astype(float), p=EVENTS.p.astype(bool))) == EVENTS
    assert decode(NPZ, saved(), 9, 9).width == 9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"t": None}, "field 't' is missing"),
        ({"width": None}, "field 'width' is missing"),
        ({"x": np.array(["a", "b", "c"])}, "field 'x' has dtype <U1"),
        ({"x": np.zeros((3, 1), int)}, r"field 'x' claims shape \(3, 1\)"),
        ({"x": np.zeros(2, int)}, r"differ in length \(x 2"),
        ({"t": np.array([1, np.nan, 2])}, "event 1: t=nan is no whole number"),
        ({"t": np.array([3, 1, 2])}, "event 1: time goes backwards"),
        ({"p": np.array([0, 3, 1])}, "event 1: p=3 is no polarity"),
        ({"width": np.int64(2)}, "event 1: x=2 is outside the 2x4 sensor"),
        ({"width": np.int64(-2)}, "sensor width -2 is impossible"),
        ({"width": np.array([5, 5])}, "field 'width' must be one whole number"),
        ({"width": np.float64(5)}, "field 'width' must be one whole number"),
        ({"format": np.int64(2)}, "format version 2 and this program reads 1"),
    ],
)
def test_wrong_members_are_named(changes, message):
    with pytest.raises(InvalidRecording, match=message):
        decode(NPZ, saved(**changes))


def test_nothing_is_unpickled():
    class Bomb:
        def __reduce__(self):
            return print, ("unpickled",)

    with pytest.raises(InvalidRecording, match=r"field 'x' has dtype \|O"):
        decode(NPZ, saved(x=np.array([Bomb()], dtype=object)))


def archive(member, size):
    """A compressed archive in which ``x`` has the bytes ``member`` and claims ``size`` more."""
    buffer = io.BytesIO(saved(x=None))
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.npy", member + bytes(size))
    return buffer.getvalue()


def test_zip_bombs_are_not_unpacked(monkeypatch):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"shape": (2**20,), "fortran_order": False, "descr": "|u1"}
    )
    bomb = archive(head.getvalue(), 2**20)
    assert len(bomb) < 5_000
    monkeypatch.setattr(npz, "SMALL", 2**20)
    with pytest.raises(InvalidRecording, match=r"would unpack to .* which no recording does"):
        decode(NPZ, bomb)


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(-1,)", "(2, -1)", "(True, 10**9)"])
def test_claimed_shapes_are_not_believed(shape):
    header = f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    member = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with pytest.raises(InvalidRecording, match="field 'x'"):
        decode(NPZ, archive(member, 8))


@given(st.data())
def test_damage_gives_an_error_or_events_but_no_crash(data):
    raw = bytearray(saved())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    for damaged in (bytes(raw), bytes(raw[:cut])):
        try:
            events = decode(NPZ, damaged)
        except InvalidRecording:
            continue
        assert isinstance(events, Events)


@given(st.data())
def test_damage_behind_valid_checksums_does_no_harm(data):
    member = io.BytesIO()
    np.save(member, EVENTS.x)
    raw = bytearray(member.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        events = decode(NPZ, archive(bytes(raw), 0))
    except InvalidRecording:
        return
    assert len(events) == len(EVENTS)


def test_other_compressions_are_refused():
    buffer = io.BytesIO(saved(x=None))
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_LZMA) as file:
        file.writestr("x.npy", b"x")
    with pytest.raises(InvalidRecording, match="compressed in a way that NumPy does not use"):
        decode(NPZ, buffer.getvalue())


def test_a_size_that_the_file_does_not_say_is_asked_for():
    data = saved(format=None, width=None, height=None)
    assert decode(NPZ, data, 5, 4) == EVENTS
    with pytest.raises(InvalidRecording) as caught:
        decode(NPZ, data)
    assert str(caught.value) == (
        "the file does not say the sensor's size (its events reach x=3, y=2); "
        "give --width and --height"
    )
    events, told = repaired(NPZ, data)
    assert (events.width, events.height) == (4, 3)
    assert "took 4x3, the smallest that holds its events" in told[0]


def test_archives_of_others():
    t, x, y, p = EVENTS.t, EVENTS.x, EVENTS.y, EVENTS.p

    def by(**members):
        buffer = io.BytesIO()
        np.savez(buffer, **members)
        return decode(NPZ, buffer.getvalue(), 5, 4)

    signed = p.astype(np.int8) * 2 - 1
    assert by(t=t, x=x, y=y, p=signed) == EVENTS
    assert by(timestamp=t.astype(">i8"), X=x.astype(">u2"), y=y, pol=p.astype(float)) == EVENTS
    assert by(events=EVENTS.structured()) == EVENTS
    assert by(t=t, x=x, y=y, p=p, height=4, other=np.zeros((2, 2))) == EVENTS
    with pytest.raises(InvalidRecording, match=r"field 'p' is missing \(found: t, x, y\)"):
        by(t=t, x=x, y=y)
    with pytest.raises(InvalidRecording, match=r"fields 't' and 'ts' may both be 't'"):
        by(t=t, ts=t, x=x, y=y, p=p)
    with pytest.raises(InvalidRecording, match="does not say which column is which"):
        by(events=np.zeros((3, 4), np.int64))


def test_the_way_spikingjelly_saves_data_sets(tmp_path):
    for save in (np.savez, np.savez_compressed):  # which one is a setting there
        save(tmp_path / "a.npz", t=EVENTS.t, x=EVENTS.x, y=EVENTS.y, p=EVENTS.p)
        assert decode(NPZ, (tmp_path / "a.npz").read_bytes(), 5, 4) == EVENTS


def test_repair_keeps_what_is_whole():
    events, told = repaired(NPZ, saved(t=np.array([30, 10]), p=np.array([1, 5, 1])))
    assert events == Events([1], [0], [30], [1], 5, 4)
    assert told == [
        "a: the columns differ in length (x 3, y 3, t 2, p 3); give one x, y, t and p for every "
        "event",
        "a: dropped events whose polarity is neither 0 nor 1: 1",
    ]
    events, told = repaired(NPZ, saved(t=np.array([3.0, np.nan, 2.0])))
    assert events == Events([3, 1], [2, 0], [2, 3], [1, 0], 5, 4)
    assert len(told) == 2


def test_a_damaged_member_ends_the_recording(monkeypatch):
    monkeypatch.setattr(npz, "PIECE", 2**17)  # more than zipfile reads ahead
    n = npz.PIECE + 1_000
    rng = np.random.default_rng(0)
    columns = [rng.integers(0, 100, n), rng.integers(0, 100, n), np.arange(n), np.zeros(n, int)]
    data = bytearray(encode(NPZ, Events(*columns, 100, 100)))
    end = data.index(b"y.npy")
    data[end - 40] ^= 0xFF  # in the last bytes of x
    with pytest.raises(InvalidRecording, match="is damaged"):
        decode(NPZ, bytes(data))
    events, told = repaired(NPZ, bytes(data))
    assert len(events) == npz.PIECE
    assert "is damaged" in told[0]
