from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events, files, read, reading, write
from spikeproof.events.formats import FORMATS
from spikeproof.events.formats.base import Format, Opened, Piece

ONE = Events([3], [2], [1], [1], 34, 34)


@pytest.mark.parametrize("ending", [".bin", ".npz", ".NPZ", ".csv"])
def test_round_trip_through_a_file(tmp_path, ending):
    write(tmp_path / f"a{ending}", ONE)
    assert read(tmp_path / f"a{ending}") == ONE
    assert read(str(tmp_path / f"a{ending}"), width=5, height=4) == Events([3], [2], [1], [1], 5, 4)
    assert [path.name for path in tmp_path.iterdir()] == [f"a{ending}"]  # no temporary file


def error(path, **settings):
    with pytest.raises(InvalidRecording) as caught:
        read(path, **settings)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_errors_of_the_path(tmp_path):
    assert "does not exist" in error(tmp_path / "none.bin")
    assert "is a folder" in error(tmp_path)
    (tmp_path / "a.aedat9").write_bytes(b"12345")
    assert error(tmp_path / "a.aedat9").startswith(
        "ending '.aedat9' is unknown, and so are its first bytes; convert it to one of ."
    )
    assert "is no regular file" in error("/dev/null")


@pytest.mark.parametrize("ending", [".bin", ".npz", ".npy", ".csv"])
def test_empty_recordings(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    path.touch()
    assert "is empty: the file has no bytes" in error(path)
    write(path, Events.empty(34, 34))
    assert "is empty: " in error(path)


def test_what_damage_left_nothing_of_is_not_called_empty(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("# width=2, height=2\n1,5,5,1\n")
    told: list[str] = []
    assert error(path, repair=True, told=told.append) == (
        "has no sound event left after the repair; fetch it again"
    )
    assert told == [f"{path}: dropped events outside the 2x2 sensor: 1"]


def test_errors_of_the_contents_name_the_path_and_offer_repair(tmp_path):
    path = tmp_path / "a.bin"
    write(path, ONE)
    assert error(path, width=2) == (
        "event 0: x=3 is outside the 2x34 sensor; give the right width and height "
        "(--width, --height), or read it with repair (--repair)"
    )
    assert "sensor height 0 is impossible" in error(path, height=0)
    path.write_bytes(path.read_bytes() + b"123")
    assert error(path) == (
        "8 bytes are no whole number of 5-byte events (3 left over); the file is cut short or has "
        "another format, fetch it again, or read it with repair (--repair)"
    )
    path = tmp_path / "a.csv"
    path.write_text("5 1 1 1\n4 1 1 1\n")
    assert error(path, width=2, height=2) == (
        "event 1: time goes backwards, from 5 to 4 µs; sort the events by time, "
        "or read it with repair (--repair)"
    )


def test_a_size_that_nobody_says_is_asked_for(tmp_path):
    path = tmp_path / "a.npy"
    write(path, Events([639, 2], [3, 479], [1, 2], [1, 1], 640, 480))
    assert (
        error(path)
        == error(path, width=640)
        == (
            "the file does not say the sensor's size (its events reach x=639, y=479); "
            "give --width and --height"
        )
    )
    told = []
    events = read(path, repair=True, told=told.append)
    assert (events.width, events.height) == (640, 480)
    assert told == [
        f"{path}: the file does not say the sensor's size; took 640x480, the smallest that holds "
        "its events; give --width and --height if that is wrong"
    ]


def test_repairs_are_reported_once_each_with_their_number(tmp_path):
    path = tmp_path / "a.csv"
    rows = ["3,1,1,1", "1,1,9,1", "1,40000,1,1", "2,0,0,1", "1,-1,0,0", "1,2,2,7", "0,3,3,0", "4,"]
    path.write_text("# width=5, height=4\n" + "\n".join(rows))
    told = []
    events = read(path, repair=True, told=told.append)
    assert events == Events([3, 0, 1], [3, 0, 1], [0, 2, 3], [0, 1, 1], 5, 4)
    assert told == [
        f"{path}: line 9 is no event ('4,'); save one event a line under the names t,x,y,p",
        f"{path}: dropped events outside the 5x4 sensor: 3",
        f"{path}: dropped events whose polarity is neither 0 nor 1: 1",
        f"{path}: put the events in order of time, which went backwards: 2",
    ]
    path.write_text("# width=5, height=4\n1,1,1,1\n2,5,1,1\n")
    with pytest.warns(UserWarning, match="dropped events outside the 5x4 sensor: 1"):
        read(path, repair=True)


def test_a_sound_file_needs_no_repair(tmp_path):
    write(tmp_path / "a.npz", ONE)
    told = []
    assert read(tmp_path / "a.npz", repair=True, told=told.append) == ONE
    assert told == []


def made(monkeypatch, *pieces, width=9, height=9):
    """Replace all formats by one that hands over ``pieces``, whatever the file."""
    columns = [Piece(*(np.asarray(column) for column in piece)) for piece in pieces]
    made = Format("made", "made", (".x",), lambda *_: Opened(width, height, iter(columns)))
    monkeypatch.setattr(files, "FORMATS", (made,))


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.x").write_bytes(b"x")
    return tmp_path / "a.x"


def test_readers_are_not_trusted(path, monkeypatch):
    whole = np.array([1], np.int64)
    made(monkeypatch, (whole, whole, np.array([2**63], np.uint64), whole))
    assert "event 0: t=9223372036854775808 does not fit 64 bits; use µs" in error(path)
    made(monkeypatch, (whole, whole, whole, whole), (whole, whole * 2**40, whole, whole))
    assert "event 1: y=1099511627776 is outside the 9x9 sensor" in error(path)
    made(monkeypatch, (whole, whole, whole * 5, whole), (whole, whole, whole, whole))
    assert "event 1: time goes backwards, from 5 to 1 µs" in error(path)
    made(monkeypatch, (whole, whole, whole, whole), width=2**40)
    assert "sensor width 1099511627776 is impossible" in error(path)


def test_long_recordings_are_not_read_whole(path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_EVENTS", 4)
    three = [np.zeros(3, int)] * 4
    made(monkeypatch, three, three)
    message = "has more than 4 events; read it in parts with spikeproof.events.slices"
    assert error(path) == message


def test_events_share_what_was_read(path, monkeypatch):
    column = np.zeros(3, np.int64)
    made(monkeypatch, [column] * 4)
    assert np.shares_memory(read(path).t, column)
    assert not column.flags.writeable


def test_content_tells_the_format_before_the_ending(tmp_path):
    path = tmp_path / "a.bin"
    for ending in (".npz", ".npy", ".csv"):
        write(tmp_path / f"a{ending}", ONE)
        (tmp_path / f"a{ending}").rename(path)
        assert files.recognise(path).name == ending[1:]
        assert read(path, width=34, height=34) == ONE
    path.rename(tmp_path / "no ending")
    assert read(tmp_path / "no ending") == ONE
    (tmp_path / "b.npz").write_bytes(b"12345")  # without its mark a file is what its ending says
    assert "is no npz archive or is damaged" in error(tmp_path / "b.npz")


def test_endings_shared_by_formats(tmp_path, monkeypatch):
    def named(name, *endings, mark=None):
        recognises = None if mark is None else (lambda head: head.startswith(mark))
        return Format(name, name.upper(), endings, lambda *_: Opened(1, 1, iter(())), recognises)

    monkeypatch.setattr(
        files, "FORMATS", (named("a", ".raw", mark=b"A"), named("b", ".raw", ".b.raw", mark=b"B"))
    )
    path = tmp_path / "a.raw"
    path.write_bytes(b"Bx")
    assert files.recognise(path).name == "b"
    path.write_bytes(b"Cx")
    assert error(path) == "does not begin as any of A, B does; fetch it again"
    path.rename(tmp_path / "a.b.raw")
    assert files.recognise(tmp_path / "a.b.raw").name == "b"


def test_the_known_endings():
    assert {".bin", ".npz", ".npy", ".csv"} <= files.WRITABLE <= files.READABLE
    assert ".txt" not in files.READABLE


def test_text_is_read_by_its_path_alone(tmp_path):
    (tmp_path / "events.txt").write_text("0.003811000 96 133 0\n0.003820001 127 171 1\n")
    events = read(tmp_path / "events.txt", width=240, height=180)
    assert events == Events([96, 127], [133, 171], [3811, 3820], [0, 1], 240, 180)


def test_errors_of_writing(tmp_path):
    with pytest.raises(InvalidRecording, match=r"a\.txt: ending '\.txt' is only read; use one of"):
        write(tmp_path / "a.txt", ONE)
    with pytest.raises(InvalidRecording, match=r"a\.es: ending '\.es' is unknown; use one of"):
        write(tmp_path / "a.es", ONE)
    with pytest.raises(InvalidRecording, match=r"a\.bin: cannot be written \(No such file"):
        write(tmp_path / "none" / "a.bin", ONE)
    with pytest.raises(InvalidRecording, match=r"a\.bin: event 0: x=256 does not fit"):
        write(tmp_path / "a.bin", Events([256], [0], [0], [0], 300, 300))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.bin"
    write(path, ONE)
    with pytest.raises(InvalidRecording):
        write(path, Events([256], [0], [0], [0], 300, 300))
    assert read(path) == ONE


@given(st.sampled_from(FORMATS), st.binary(max_size=200))
def test_any_bytes_give_events_or_an_error(tmp_path_factory, format, data):
    path = tmp_path_factory.getbasetemp() / f"any{format.endings[0]}"
    path.write_bytes(data)
    try:
        events = read(path)
    except InvalidRecording:
        return
    assert isinstance(events, Events)


def test_real_recordings(shared_data, tmp_path):
    sample = read(shared_data / "formats" / "tonic" / "sample_nmnist.bin")
    assert len(sample) == 4_325
    slayer = tmp_path / "1.bin"
    slayer.symlink_to(shared_data / "formats" / "slayer" / "1.bs2")
    assert 1_400_000 < read(slayer, width=128, height=128).duration < 1_500_000
    total = sum(len(read(path)) for path in sorted(shared_data.glob("nmnist/Train/0/*.bin")))
    assert total == sum(
        path.stat().st_size // 5 for path in shared_data.glob("nmnist/Train/0/*.bin")
    )


@pytest.mark.parametrize("ending", [".npz", ".npy", ".csv"])
def test_real_recordings_survive_both_formats(shared_data, tmp_path, ending):
    path = min((shared_data / "nmnist" / "Train" / "7").glob("*.bin"))
    events = read(path)
    assert 0.4 < np.mean(events.p) < 0.6
    write(tmp_path / "a.bin", events)
    assert (tmp_path / "a.bin").read_bytes() == path.read_bytes()
    write(tmp_path / f"a{ending}", events)
    assert read(tmp_path / f"a{ending}", width=34, height=34) == events
