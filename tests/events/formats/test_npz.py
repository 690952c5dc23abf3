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
    assert npz.decode(npz.encode(events)) == events


def test_arrays_saved_by_hand_are_read():
    assert npz.decode(saved()) == EVENTS
    assert npz.decode(saved(t=EVENTS.t.astype(float), p=EVENTS.p.astype(bool))) == EVENTS
    assert npz.decode(saved(), 9, 9).width == 9


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
        npz.decode(saved(**changes))


def test_nothing_is_unpickled():
    class Bomb:
        def __reduce__(self):
            return print, ("unpickled",)

    with pytest.raises(InvalidRecording, match=r"field 'x' has dtype \|O"):
        npz.decode(saved(x=np.array([Bomb()], dtype=object)))


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
    monkeypatch.setattr(npz, "MAX_BYTES", 2**20)
    with pytest.raises(InvalidRecording, match=r"would unpack to .* more than 1048576"):
        npz.decode(bomb)


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(-1,)", "(2, -1)", "(True, 10**9)"])
def test_claimed_shapes_are_not_believed(shape):
    header = f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    member = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with pytest.raises(InvalidRecording, match="field 'x'"):
        npz.decode(archive(member, 8))


@given(st.data())
def test_damage_gives_an_error_or_events_but_no_crash(data):
    raw = bytearray(saved())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    for damaged in (bytes(raw), bytes(raw[:cut])):
        try:
            events = npz.decode(damaged)
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
        events = npz.decode(archive(bytes(raw), 0))
    except InvalidRecording:
        return
    assert len(events) == len(EVENTS)


def test_other_compressions_are_refused():
    buffer = io.BytesIO(saved(x=None))
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_LZMA) as file:
        file.writestr("x.npy", b"x")
    with pytest.raises(InvalidRecording, match="compressed in a way that NumPy does not use"):
        npz.decode(buffer.getvalue())


def test_too_many_events_are_not_written(monkeypatch):
    monkeypatch.setattr(npz, "MAX_BYTES", 2**13)
    with pytest.raises(InvalidRecording, match=r"1000 events are more than one \.npz may hold"):
        npz.encode(Events(*[np.zeros(1_000, int)] * 4, 5, 4))
