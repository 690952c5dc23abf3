from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events
from spikeproof.events.formats import aedat2

from ..streams import streams

WORD = np.dtype(">u4")


def strict(problem):
    raise InvalidRecording(problem)


def read(data, trouble=strict):
    """All events, and the sizes of the pieces."""
    opened = aedat2.FORMAT.open(io.BytesIO(data), trouble)
    pieces = list(opened.pieces)
    columns = [np.concatenate([[], *(getattr(p, n) for p in pieces)]).astype(int) for n in "xytp"]
    return Events(*columns, opened.width, opened.height), [len(piece.t) for piece in pieces]


def lines(camera="ch.unizh.ini.jaer.chip.retina.DVS128", *more):
    named = [f"# AEChip: {camera}"] if camera else []
    text = ["#!AER-DAT2.0", "# This is a raw AE data file - do not edit", *named, *more]
    return "".join(f"{line}\r\n" for line in text).encode()


def pairs(address, t):
    return np.column_stack([address, np.asarray(t).astype(np.uint32)]).astype(WORD).tobytes()


def dvs128(events):
    """As jAER reads them: x from the right, y from the bottom, 0 = on."""
    x, y, p = (column.astype(np.int64) for column in (events.x, events.y, events.p))
    return lines() + pairs(127 - x << 1 | 127 - y << 8 | 1 - p, events.t)


def davis(events, camera="eu.seebetter.ini.chips.davis.DAVIS240C"):
    x, y, p = (column.astype(np.int64) for column in (events.x, events.y, events.p))
    address = events.width - 1 - x << 12 | events.height - 1 - y << 22 | p << 11
    return lines(camera) + pairs(address, events.t)


@given(streams(first=-(2**30), last=2**30 - 1, width=128, height=128))
def test_dvs128(events):
    whole = Events(events.x, events.y, events.t, events.p, 128, 128)
    assert read(dvs128(whole))[0] == whole


@given(streams(first=-(2**30), last=2**30 - 1, width=240, height=180))
def test_davis(events):
    assert read(davis(events))[0] == events


@pytest.mark.parametrize(
    ("camera", "size"),
    [
        ("ch.unizh.ini.jaer.chip.retina.DVS128", (128, 128)),
        ("eu.seebetter.ini.chips.davis.DAVIS240C", (240, 180)),
        ("eu.seebetter.ini.chips.davis.Davis346red", (346, 260)),
        ("eu.seebetter.ini.chips.davis.Davis640", (640, 480)),
    ],
)
def test_the_camera_says_the_size(camera, size):
    assert aedat2.FORMAT.recognises(lines(camera))
    events, _ = read(lines(camera))
    assert (events.width, events.height, len(events)) == (*size, 0)


@pytest.mark.parametrize("camera", ["eu.seebetter.ini.chips.davis.DAVIS640H", "a.b.Cochlea"])
def test_unknown_cameras_are_refused(camera):
    with pytest.raises(InvalidRecording, match=f"is of camera {camera}, whose addresses"):
        read(lines(camera))


def test_without_a_camera_small_addresses_are_a_dvs128s():
    assert read(lines(None) + pairs([127 << 1 | 127 << 8], [5]))[0] == Events(
        [0], [0], [5], [1], 128, 128
    )
    with pytest.raises(InvalidRecording, match="does not name its camera; add a line such as"):
        read(lines(None) + pairs([1 << 22], [5]))


def test_another_version_is_refused():
    with pytest.raises(InvalidRecording, match=r"does not begin with '#!AER-DAT2\.0'"):
        read(lines().replace(b"2.0", b"1.0"))


def test_external_signals_frames_and_imu_data_are_no_events():
    no_event = [1 << 15, 1 << 31, 1 << 31 | 7]
    assert read(lines() + pairs([*no_event, 0], [1, 2, 3, 4]))[0].t.tolist() == [4]
    no_event = [1 << 10, 1 << 31, 1 << 31 | 3 << 10, 1 << 31 | 1 << 11]
    data = lines("x.DAVIS240A") + pairs([*no_event, 0], [1, 2, 3, 4, 5])
    assert read(data)[0].t.tolist() == [5]


def test_times_wrap_and_go_on():
    t = np.arange(2**31 - 30, 2**31 + 2**32 + 30, 2**30)
    data = lines() + pairs(np.zeros(len(t), int), t)
    assert read(data)[0].t.tolist() == t.tolist()


def test_pieces_have_bounded_size_and_times_go_on_between_them(monkeypatch):
    monkeypatch.setattr(aedat2, "PIECE", 3)
    t = np.arange(2**31 - 4, 2**31 + 4)
    events, sizes = read(lines() + pairs(np.zeros(8, int), t))
    assert events.t.tolist() == t.tolist()
    assert sizes == [3, 3, 2]


def test_steps_backwards_are_left_to_the_caller():
    opened = aedat2.FORMAT.open(io.BytesIO(lines() + pairs([0, 0], [9, 5])), strict)
    assert next(opened.pieces).t.tolist() == [9, 5]


def test_an_event_that_begins_like_a_line_is_an_event():
    """Its row makes the first byte '#'; its time could not be text."""
    address = ord("#") << 24 | 5 << 12
    data = lines("x.DAVIS240C") + pairs([address, address], [10, 10])
    assert read(data)[0] == Events([234, 234], [39, 39], [10, 10], [0, 0], 240, 180)
    t = int.from_bytes(b"abc\n")
    data = lines("x.DAVIS240C", "#End Of ASCII Header") + pairs([0x23413141], [t])
    assert read(data)[0] == Events([220], [38], [t], [0], 240, 180)


def test_a_cut_inside_the_lines_leaves_no_event():
    data = lines("x.DAVIS240C", "#<?xml version='1.0'?>")
    for size in range(data.index(b"#<?xml"), len(data)):
        assert len(read(data[:size])[0]) == 0


@given(st.integers(0, 80))
def test_cut_anywhere_in_the_events(size):
    data = lines() + pairs(np.zeros(10, int), np.arange(10))
    start = len(lines())
    problems = []
    events, _ = read(data[: start + size], problems.append)
    assert events.t.tolist() == list(range(size // 8))
    if size % 8:
        assert problems == [
            f"ends at byte {start + size} in {size % 8} bytes of an 8-byte event; "
            "fetch the file again"
        ]
        with pytest.raises(InvalidRecording, match="bytes of an 8-byte event"):
            read(data[: start + size])
    else:
        assert problems == []


def test_addresses_that_the_camera_cannot_send():
    data = lines() + pairs([0, 1 << 16, 2 << 20, 0], [1, 2, 3, 4])
    message = f"2 addresses are no DVS128's, the first at byte {len(lines()) + 8}; "
    with pytest.raises(InvalidRecording, match=message):
        read(data)
    problems = []
    assert read(data, problems.append)[0].t.tolist() == [1, 4]
    assert len(problems) == 1
    # a pixel outside a DAVIS is outside the sensor, which the caller checks
    opened = aedat2.FORMAT.open(io.BytesIO(lines("x.DAVIS240C") + pairs([300 << 12], [1])), strict)
    assert next(opened.pieces).x.tolist() == [-61]


@pytest.mark.parametrize(
    ("name", "size", "count"),
    [
        ("pyaedattools/IMU_rotDisk", (240, 180), 374_296),
        ("alexouyang_dvs128/alex_walking_again", (128, 128), 19_182),
        ("alexouyang_dvs128/alex_walking_for_10secs", (128, 128), 125_028),
        ("alexouyang_dvs128/cam255_right_clamp_test1", (128, 128), 110_228),
        ("alexouyang_dvs128/neal_walking", (128, 128), 70_304),
        ("tonic/sample_aedat_header", (346, 260), 0),
    ],
)
def test_recordings_of_cameras(name, size, count, shared_data):
    events, _ = read((shared_data / "formats" / f"{name}.aedat").read_bytes())
    assert (events.width, events.height) == size
    assert len(events) == count


@pytest.mark.filterwarnings("ignore")
def test_tonic_reads_the_same_words(shared_data):
    """It gives frames and IMU data for events, and no camera's x and y but the DAVIS346's."""
    tonic = pytest.importorskip("tonic.io")
    path = str(shared_data / "formats" / "pyaedattools" / "IMU_rotDisk.aedat")
    version, start, _ = tonic.read_aedat_header_from_file(path)
    words = tonic.get_aer_events_from_file(path, version, start)
    words = words[(words["address"] & 0x80000400) == 0]
    with open(path, "rb") as file:
        events, _ = read(file.read())
    assert np.array_equal(words["timeStamp"], events.t)
    assert np.array_equal(239 - (words["address"] >> 12 & 1023), events.x)
    assert np.array_equal(179 - (words["address"] >> 22), events.y)


@pytest.mark.filterwarnings("ignore")
def test_tonic_agrees_about_the_davis346(tmp_path):
    tonic = pytest.importorskip("tonic.io")
    rng = np.random.default_rng(0)
    t = np.sort(rng.integers(0, 2**31, 500))
    p = rng.integers(0, 2, 500)
    events = Events(rng.integers(0, 346, 500), rng.integers(0, 260, 500), t, p, 346, 260)
    path = tmp_path / "a.aedat"
    path.write_bytes(davis(events, "eu.seebetter.ini.chips.davis.Davis346B"))
    _, _, theirs = tonic.read_davis_346(str(path))
    ours, _ = read(path.read_bytes())
    assert ours == events
    for name in "xytp":
        assert np.array_equal(theirs[name], getattr(ours, name))
