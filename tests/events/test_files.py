from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events, files, read, write

ONE = Events([3], [2], [1], [1], 34, 34)


@pytest.mark.parametrize("ending", [".bin", ".npz", ".NPZ"])
def test_round_trip_through_a_file(tmp_path, ending):
    write(tmp_path / f"a{ending}", ONE)
    assert read(tmp_path / f"a{ending}") == ONE
    assert read(str(tmp_path / f"a{ending}"), width=5, height=4) == Events([3], [2], [1], [1], 5, 4)
    assert [path.name for path in tmp_path.iterdir()] == [f"a{ending}"]  # no temporary file


def error(path, **size):
    with pytest.raises(InvalidRecording) as caught:
        read(path, **size)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_errors_of_the_path(tmp_path):
    assert "does not exist" in error(tmp_path / "none.bin")
    assert "is a folder" in error(tmp_path)
    (tmp_path / "a.aedat9").write_bytes(b"12345")
    assert "'.aedat9' is unknown; use one of .bin, .npz" in error(tmp_path / "a.aedat9")
    assert "is no regular file" in error("/dev/null")


@pytest.mark.parametrize("ending", [".bin", ".npz"])
def test_empty_recordings(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    path.touch()
    assert "is empty: the file has no bytes" in error(path)
    write(path, Events.empty(34, 34))
    assert "is empty: " in error(path)


def test_errors_of_the_contents_name_the_path(tmp_path):
    path = tmp_path / "a.bin"
    write(path, ONE)
    assert "event 0: x=3 is outside the 2x34 sensor" in error(path, width=2)
    assert "sensor height 0 is impossible" in error(path, height=0)
    path.write_bytes(path.read_bytes() + b"123")
    assert "(3 left over)" in error(path)


def test_huge_files_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_BYTES", 4)
    write(tmp_path / "a.bin", ONE)
    assert "has 5 bytes, more than 4" in error(tmp_path / "a.bin")


def test_errors_of_writing(tmp_path):
    with pytest.raises(InvalidRecording, match=r"a\.txt: ending '\.txt' is unknown"):
        write(tmp_path / "a.txt", ONE)
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


@given(st.sampled_from(sorted(files.DECODERS)), st.binary(max_size=200))
def test_any_bytes_give_events_or_an_error(ending, data):
    try:
        events = files.DECODERS[ending](data, None, None)
    except InvalidRecording:
        return
    assert isinstance(events, Events)


def test_real_recordings(shared_data):
    sample = read(shared_data / "formats" / "tonic" / "sample_nmnist.bin")
    assert len(sample) == 4_325
    slayer = shared_data / "formats" / "slayer" / "1.bs2"
    decoded = files.DECODERS[".bin"](slayer.read_bytes(), 128, 128)
    assert 1_400_000 < decoded.duration < 1_500_000
    total = sum(len(read(path)) for path in sorted(shared_data.glob("nmnist/Train/0/*.bin")))
    assert total == sum(
        path.stat().st_size // 5 for path in shared_data.glob("nmnist/Train/0/*.bin")
    )


def test_real_recordings_survive_both_formats(shared_data, tmp_path):
    path = min((shared_data / "nmnist" / "Train" / "7").glob("*.bin"))
    events = read(path)
    assert 0.4 < np.mean(events.p) < 0.6
    write(tmp_path / "a.bin", events)
    assert (tmp_path / "a.bin").read_bytes() == path.read_bytes()
    write(tmp_path / "a.npz", events)
    assert read(tmp_path / "a.npz") == events
