from __future__ import annotations

import io
import struct
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events
from spikeproof.events.formats import aedat4, compression
from spikeproof.events.formats.compression import Compression

from ..streams import streams

EPOCH = 1_605_537_493_718_345  # µs; times are absolute in this format
N = 1000
RNG = np.random.default_rng(0)
EVENTS = Events(
    RNG.integers(0, 60, N),
    RNG.integers(0, 40, N),
    EPOCH + np.sort(RNG.integers(0, 10**6, N)),
    RNG.integers(0, 2, N),
    60,
    40,
)


def strict(problem):
    raise InvalidRecording(problem)


def read(data, trouble=strict):
    opened = aedat4.FORMAT.open(io.BytesIO(data), trouble)
    pieces = list(opened.pieces)
    columns = (np.concatenate([c, *(getattr(p, n) for p in pieces)]) for n, c in EMPTY.items())
    return Events(*columns, opened.width or 60, opened.height or 40)


EMPTY = {name: np.empty(0, np.int64) for name in "xytp"}


def repaired(data):
    """Events and what was reported."""
    problems = []
    return read(data, problems.append), problems


def written(events=EVENTS, how=Compression.LZ4):
    buffer = io.BytesIO()
    aedat4.write(buffer, events, how)
    return buffer.getvalue()


def header_of(data):
    return data[: 18 + int.from_bytes(data[14:18], "little")]


def with_header(data, old, new):
    """Put ``new`` in place of ``old`` in the header, of the same length."""
    assert data.count(old) >= 1
    assert len(old) == len(new)
    return data.replace(old, new, 1)


def packet(payload, stream=0, how=Compression.LZ4):
    payload = compression.packer(how)(payload)
    return struct.pack("<ii", stream, len(payload)) + payload


def first(n, m=None):
    part = slice(n) if m is None else slice(n, m)
    return Events(*(getattr(EVENTS, name)[part] for name in "xytp"), 60, 40)


HEAD = header_of(written())
INSIDE = aedat4._packet(EVENTS, slice(0, 10))
GOOD = packet(INSIDE)


@given(streams(first=-(2**62), last=2**62, width=2**15, height=300), st.sampled_from(Compression))
def test_round_trip(events, how):
    opened = aedat4.FORMAT.open(io.BytesIO(written(events, how)), strict)
    assert (opened.width, opened.height) == (2**15, 300)
    pieces = list(opened.pieces)
    for name, empty in EMPTY.items():
        column = np.concatenate([empty, *(getattr(piece, name) for piece in pieces)])
        assert np.array_equal(column, getattr(events, name))


def test_packets_and_pieces_have_bounded_size(monkeypatch):
    monkeypatch.setattr(aedat4, "PACKET", 300)
    data = written()
    opened = aedat4.FORMAT.open(io.BytesIO(data), strict)
    assert [len(piece.t) for piece in opened.pieces] == [300, 300, 300, 100]
    monkeypatch.setattr(aedat4, "PIECE", 128)
    opened = aedat4.FORMAT.open(io.BytesIO(data), strict)
    assert [len(piece.t) for piece in opened.pieces] == [128, 128, 44] * 3 + [100]
    assert read(data) == EVENTS


def test_it_is_recognised_by_its_first_line():
    assert aedat4.FORMAT.recognises(written())
    assert not aedat4.FORMAT.recognises(b"#!AER-DAT3.1\r\n")
    with pytest.raises(InvalidRecording, match=r"does not begin with '#!AER-DAT4\.0'"):
        aedat4.FORMAT.open(io.BytesIO(b"#!AER-DAT3.1\r\n" + written()[14:]), strict)


def test_streams_of_other_types_are_passed_over():
    info = aedat4.INFO.format(compression="NONE", width=60, height=40).replace(
        '<node name="0"',
        '<node name="3"><attr key="typeIdentifier">IMUS</attr></node>\n        <node name="0"',
    )
    data = HEAD[:14] + aedat4._header(Compression.LZ4, info.encode())
    data += packet(b"no events", 3) + GOOD + packet(b"no events", 3)
    assert read(data) == first(10)
    with pytest.raises(InvalidRecording, match=r"has no event stream \(found: FRME, IMUS\)"):
        read(data.replace(b"EVTS<", b"FRME<"))
    two = data.replace(b"IMUS", b"EVTS")
    with pytest.raises(InvalidRecording, match=r"2 event streams \(0, 3\) and only stream 0 can"):
        read(two)
    events, problems = repaired(two)
    assert events == first(10)
    assert len(problems) == 1


def test_a_header_without_a_size_leaves_it_open():
    data = with_header(written(), b'key="sizeX"', b'key="sideX"')
    data = with_header(data, b">40<", b">-4<")
    opened = aedat4.FORMAT.open(io.BytesIO(data), strict)
    assert (opened.width, opened.height) == (None, None)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"IOHE", b"IOHX", r"is of type b'IOHX', not IOHE"),
        (HEAD[14:18], b"\xff\xff\xff\x7f", "claims 2147483647 bytes, more than 4194304"),
        (HEAD[18:22], b"\xff\xff\xff\x7f", r"byte 2147483651 is outside its \d+ bytes"),
        (HEAD[38:42], b"\xff\xff\xff\x7f", "byte -2147483623 is outside"),
        (HEAD[42:46], b"\x09\0\0\0", "names compression 9"),
        (HEAD[58:62], b"\xff\xff\xff\x7f", "2147483647 items do not fit"),
        (b"</dv>", b"<!DOC", "has broken XML"),
        (b"<dv version", b"<!DOCTYPE x", "declares an XML document type"),
        (b"outInfo", b"outIn\xfffo", "holds a text that is not UTF-8"),
    ],
)
def test_damaged_headers_are_refused_even_in_repair(old, new, message):
    new = new[: len(old)]
    with pytest.raises(InvalidRecording, match=f"the AEDAT 4 header {message}.*fetch the file"):
        repaired(with_header(written(), old, new))


@given(st.integers(0, len(HEAD) - 1))
def test_a_cut_header_is_refused(size):
    with pytest.raises(InvalidRecording):
        repaired(HEAD[:size])


@given(st.data())
def test_cut_anywhere_in_the_packets(data):
    """All whole packets before the cut are kept, and the cut is reported where it is."""
    packets = [packet(aedat4._packet(EVENTS, slice(k, k + 100))) for k in range(0, N, 100)]
    ends = len(HEAD) + np.cumsum([0, *map(len, packets)])
    whole = HEAD + b"".join(packets)
    size = data.draw(st.integers(len(HEAD), len(whole)))
    kept = int(np.searchsorted(ends, size, "right")) - 1
    events, problems = repaired(whole[:size])
    assert events == first(100 * kept)
    if size == ends[kept]:
        assert problems == []
    else:
        assert problems[0].startswith(f"packet at byte {ends[kept]} is cut short in its ")
        with pytest.raises(InvalidRecording, match=r"is cut short in its .*; fetch"):
            read(whole[:size])


def test_a_data_table_ends_the_packets():
    table = packet(b"FTAB", 77)[8:]
    place = len(HEAD + GOOD)
    data = HEAD[:46] + struct.pack("<q", place) + HEAD[54:] + GOOD + table
    assert read(data) == first(10)
    events, problems = repaired(data[: place - len(GOOD)])
    assert len(events) == 0
    assert problems == [
        f"ends at byte {len(HEAD)}, before its data table at byte {place}; fetch the file again"
    ]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (packet(INSIDE.replace(b"EVTS", b"FRME")), "is of type b'FRME', not EVTS"),
        (packet(INSIDE[:-8]), r"holds 180 of 188 bytes"),
        (packet(INSIDE[:28] + b"\xff\xff\xff\xff" + INSIDE[32:]), "4294967295 items do not fit"),
        (packet(INSIDE[:24] + b"\xff\xff\xff\xff" + INSIDE[28:]), "byte 4294967319 is outside"),
        (packet(b""), "byte 0 is outside its 0 bytes"),
        (packet(INSIDE, how=Compression.NONE), "is no LZ4 frame"),
        (packet(INSIDE, how=Compression.ZSTD), "is no LZ4 frame"),
        (struct.pack("<ii", 0, 0), "is not exactly one LZ4 frame"),
        (struct.pack("<ii", 0, len(GOOD) - 9) + GOOD[8:-1], "is not exactly one LZ4 frame"),
        (struct.pack("<ii", 0, len(GOOD) - 7) + GOOD[8:] + b"x", "is not exactly one LZ4 frame"),
    ],
)
def test_a_packet_damaged_inside_is_left_out(bad, message):
    data = HEAD + GOOD + bad + packet(aedat4._packet(EVENTS, slice(10, 20)))
    where = f"packet at byte {len(HEAD + GOOD)} {message}"
    with pytest.raises(InvalidRecording, match=f"{where}.*; fetch the file again"):
        read(data)
    events, problems = repaired(data)
    assert events == first(20)
    assert len(problems) == 1


@pytest.mark.parametrize("head", [(5, 10), (-1, 10), (0, -1)])
def test_after_a_damaged_packet_header_reading_stops(head):
    data = HEAD + GOOD + struct.pack("<ii", *head) + GOOD[8:]
    with pytest.raises(
        InvalidRecording,
        match=f"packet at byte {len(HEAD + GOOD)} claims stream {head[0]} and {head[1]} bytes",
    ):
        read(data)
    events, problems = repaired(data)
    assert events == first(10)
    assert len(problems) == 1


@pytest.mark.parametrize("how", [Compression.LZ4, Compression.ZSTD])
def test_bombs_do_not_go_off(how, monkeypatch):
    monkeypatch.setattr(compression, "MAX_PACKET", 2**16)
    head = header_of(written(how=how))
    bomb = packet(INSIDE + bytes(2**22), how=how)
    assert len(bomb) < 2**16
    data = head + bomb + packet(INSIDE, how=how)
    with pytest.raises(InvalidRecording, match="unpacks to more than 65536 bytes"):
        read(data)
    assert repaired(data)[0] == first(10)


@given(st.binary(max_size=80), st.sampled_from(Compression), st.integers(0, 200))
def test_noise_is_never_worse_than_trouble(noise, how, place):
    head = header_of(written(how=how))
    packed = packet(INSIDE, how=how)
    for data in (
        head + struct.pack("<ii", 0, len(noise)) + noise,
        head + packed[:place] + noise + packed[place + len(noise) :],
        head + packet(INSIDE[:place] + noise + INSIDE[place + len(noise) :], how=how),
        head[:14] + noise + head[14 + len(noise) :] + packed,
    ):
        try:
            opened = aedat4.FORMAT.open(io.BytesIO(data), [].append)
        except InvalidRecording:
            continue
        for piece in opened.pieces:
            assert len(piece.x) == len(piece.y) == len(piece.t) == len(piece.p) > 0


@pytest.mark.parametrize(
    ("how", "package"), [(Compression.LZ4, "lz4"), (Compression.ZSTD, "zstandard")]
)
def test_missing_packages_are_named(how, package, monkeypatch):
    data = written(how=how)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "lz4.frame", raising=False)
    cure = rf'needs the package {package}; pip install "spikeproof\[recordings\]"'
    with pytest.raises(InvalidRecording, match=cure):
        aedat4.FORMAT.open(io.BytesIO(data), strict)
    with pytest.raises(InvalidRecording, match=cure):
        written(how=how)
    assert read(written(how=Compression.NONE)) == EVENTS


@pytest.mark.parametrize("how", Compression)
def test_other_readers_agree(how, tmp_path):
    """Sensor and events, against dv-processing (of iniVation), faery, aedat and evlib."""
    path = tmp_path / "a.aedat4"
    path.write_bytes(written(how=how))
    for sizes, t, x, y, p in others(str(path), zstd=how >= Compression.ZSTD):
        assert sizes in (None, (60, 40))
        for column, name in ((t, "t"), (x, "x"), (y, "y"), (p, "p")):
            assert np.array_equal(column, getattr(EVENTS, name))


def others(path, *, zstd):
    dv = pytest.importorskip("dv_processing")
    recording = dv.io.MonoCameraRecording(path)
    batches = []
    while recording.isRunning():
        batch = recording.getNextEventBatch()
        if batch is not None:
            batches.append(batch.numpy())
    e = np.concatenate(batches)
    yield recording.getEventResolution(), e["timestamp"], e["x"], e["y"], e["polarity"]
    faery = pytest.importorskip("faery")
    stream = faery.events_stream_from_file(path)
    e = stream.to_array()
    yield stream.dimensions(), e["t"], e["x"], e["y"], e["on"]
    aedat = pytest.importorskip("aedat")
    decoder = aedat.Decoder(path)
    info = decoder.id_to_stream()[0]
    e = np.concatenate([packet["events"] for packet in decoder if "events" in packet])
    yield (info["width"], info["height"]), e["t"], e["x"], e["y"], e["on"]
    if not zstd:  # which evlib 0.13 does not read
        evlib = pytest.importorskip("evlib")
        e = evlib.load_events(path).collect()
        t = e["t"].to_physical().to_numpy()
        yield None, t, e["x"].to_numpy(), e["y"].to_numpy(), e["polarity"].to_numpy() > 0


@pytest.mark.parametrize("how", Compression)
def test_files_of_dv_processing_are_read(how, tmp_path):
    dv = pytest.importorskip("dv_processing")
    config = dv.io.MonoCameraWriter.Config("camera")
    config.addEventStream((60, 40))
    config.addImuStream()
    config.addTriggerStream()
    config.compression = dv.CompressionType(int(how))
    store = dv.EventStore()
    for x, y, t, p in zip(EVENTS.x, EVENTS.y, EVENTS.t, EVENTS.p, strict=True):
        store.push_back(int(t), int(x), int(y), bool(p))
    writer = dv.io.MonoCameraWriter(str(tmp_path / "a.aedat4"), config)
    writer.writeEvents(store)
    del writer  # closes the file
    assert read((tmp_path / "a.aedat4").read_bytes()) == EVENTS


@pytest.mark.parametrize("how", [None, ("lz4", 1), ("lz4", 9), ("zstd", 3), ("zstd", 19)])
def test_files_of_faery_are_read(how, tmp_path):
    faery = pytest.importorskip("faery")
    array = np.zeros(N, faery.EVENTS_DTYPE)
    array["t"], array["x"], array["y"], array["on"] = EVENTS.t, EVENTS.x, EVENTS.y, EVENTS.p
    stream = faery.events_stream_from_array(array, (60, 40))
    stream.to_file(tmp_path / "a.aedat4", compression=how)
    assert read((tmp_path / "a.aedat4").read_bytes()) == EVENTS


def test_a_recording_of_a_camera(shared_data):
    """dv-processing, faery, aedat and evlib count the same, as does the file's own table."""
    path = shared_data / "formats" / "tonic" / "sample.aedat4"
    with path.open("rb") as file:
        opened = aedat4.FORMAT.open(file, strict)
        pieces = list(opened.pieces)
    assert (opened.width, opened.height) == (320, 240)
    assert sum(len(piece.t) for piece in pieces) == 111_954
    assert (pieces[0].t[0], pieces[-1].t[-1]) == (1605537493718345, 1605537494308262)
    for _, t, x, y, p in others(str(path), zstd=False):
        for column, name in ((t, "t"), (x, "x"), (y, "y"), (p, "p")):
            ours = np.concatenate([getattr(piece, name) for piece in pieces])
            assert np.array_equal(column, ours)
