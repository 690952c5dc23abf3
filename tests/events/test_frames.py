from __future__ import annotations

import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spikeproof.errors import InvalidRecording
from spikeproof.events import Grid, load_data, load_folder, load_frames, unframe
from spikeproof.events.frames import holds_frames

SHAPES = st.tuples(st.integers(1, 5), st.just(2), st.integers(1, 4), st.integers(1, 4))


@given(
    arrays.arrays(st.sampled_from([np.float64, np.float32, np.uint8, np.int16, ">i8"]), SHAPES,
                  elements=st.integers(0, 100)).filter(np.any),
    st.integers(1, 5000),
)  # fmt: skip
def test_a_count_grid_gives_the_frames_back(frames, bin_us):
    events = unframe(frames, bin_us=bin_us)
    bins, _, height, width = frames.shape
    grid = Grid(bins, bins * bin_us, height, width, counts=True)
    assert torch.equal(grid.bin(events), torch.from_numpy(frames.astype(np.float32)))
    assert len(events) == frames.sum()


def test_events_are_spread_evenly():
    frames = np.zeros((2, 2, 2, 3))
    frames[1, 1, 0, 2] = 4
    frames[0, 0, 1, 0] = 1
    events = unframe(frames, bin_us=1000)
    assert events.t.tolist() == [500, 1125, 1375, 1625, 1875]
    assert events.x.tolist() == [0, 2, 2, 2, 2]
    assert events.y.tolist() == [1, 0, 0, 0, 0]
    assert events.p.tolist() == [0, 1, 1, 1, 1]
    assert (unframe(frames, width=8, height=9).width, events.width, events.height) == (8, 3, 2)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.5, r"frames\[1, 0, 2, 1\] is 0.5; frames must hold whole numbers of events from 0 to"),
        (-1.0, r"frames\[1, 0, 2, 1\] is -1.0"),
        (np.nan, r"frames\[1, 0, 2, 1\] is nan"),
        (np.inf, r"frames\[1, 0, 2, 1\] is inf"),
        (40_000, r"frames\[1, 0, 2, 1\] is 40000"),
        (0, "is empty: its frames count no event"),
    ],
)
def test_values_that_are_no_counts(value, message):
    frames = np.zeros((2, 2, 3, 3))
    frames[1, 0, 2, 1] = value
    with pytest.raises(InvalidRecording, match=message):
        unframe(frames)


def test_shapes_and_lengths_that_are_no_frames():
    for shape in ((2, 3, 3), (2, 1, 3, 3)):
        with pytest.raises(InvalidRecording, match=r"give numbers of events \[T, 2, H, W\]"):
            unframe(np.ones(shape))
    for bin_us in (0, 2**41):
        with pytest.raises(InvalidRecording, match="give another bin_us"):
            unframe(np.ones((1, 2, 1, 1)), bin_us=bin_us)
    with pytest.raises(InvalidRecording, match="events, more than 67108864"):
        unframe(np.full((1, 2, 40, 40), 30_000, np.int16))


def integrated(events, bins):
    """Frames as SpikingJelly makes them, split by number (its documentation's equation)."""
    step = len(events) // bins
    frames = np.zeros((bins, 2, events.height, events.width))
    for k in range(bins):
        part = slice(k * step, len(events) if k == bins - 1 else (k + 1) * step)
        np.add.at(frames[k], (events.p[part], events.y[part], events.x[part]), 1)
    return frames


@pytest.fixture
def jelly(shared_data, tmp_path):
    """SpikingJelly's folder of N-MNIST frames, of four real recordings."""
    root = tmp_path / "frames_number_8_split_by_number"
    whole = load_folder(shared_data / "nmnist", width=34, height=34)
    for part, name in ((whole.learn, "train"), (whole.test, "test")):
        for i in (0, -1):
            place = root / name / part.classes[part.labels[i]]
            place.mkdir(parents=True)
            frames = integrated(part.events(i % len(part)), 8)
            np.savez_compressed(place / "1.npz", frames=frames)
    return root


def test_spikingjellys_folders_load_as_they_are(jelly):
    assert holds_frames(jelly)
    data = load_data(jelly, bin_us=2_000)
    assert data.name == "frames_number_8_split_by_number"
    assert data.split == "The folder's own split: train/ and test/."
    assert data.learn.names == ("train/0/1.npz", "train/9/1.npz")
    grid = Grid(8, 16_000, counts=True)
    with np.load(jelly / data.learn.names[1]) as archive:
        frames = archive["frames"]
    assert frames.sum() > 1000
    assert torch.equal(grid.bin(data.learn.events(1)), torch.from_numpy(frames).float())
    assert load_frames(jelly, width=40, height=50).test.events(0).height == 50
    with pytest.raises(InvalidRecording, match="holds a training or test split; give that folder"):
        load_frames(jelly.parent)


def files(tmp_path, **arrays_by_name):
    (tmp_path / "cat").mkdir(exist_ok=True)
    np.savez(tmp_path / "cat" / "0.npz", **arrays_by_name)
    np.savez(tmp_path / "cat" / "1.npz", frames=np.ones((1, 2, 3, 3)))
    return tmp_path / "cat" / "0.npz"


def test_damage_is_named(tmp_path):
    def error():
        with pytest.raises(InvalidRecording) as caught:
            load_frames(tmp_path)
        return str(caught.value)

    path = files(tmp_path, x=np.ones(3))
    assert error() == (
        f"{path}: has no array 'frames' (found: x.npy); keep frames and events in separate folders"
    )
    files(tmp_path, frames=np.array([["a"]]))
    assert "claim shape (1, 1) of <U1" in error()
    files(tmp_path, frames=np.array([None]))
    assert "claim shape (1,) of object" in error()
    whole = files(tmp_path, frames=np.ones((1, 2, 3, 3))).read_bytes()
    path.write_bytes(whole[:-40])
    assert "is no npz archive of frames or is damaged" in error()
    path.write_bytes(whole.replace(b"(1, 2, 3, 3)", b"(9, 2, 3, 3)"))
    assert "is no npz archive of frames or is damaged (Bad CRC-32" in error()
    claim = {"descr": "<f8", "fortran_order": False, "shape": (10**9, 2, 128, 128)}
    with zipfile.ZipFile(path, "w") as archive, archive.open("frames.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, claim)
    assert "claim shape (1000000000, 2, 128, 128) of float64 and hold 0 bytes" in error()


def test_what_is_no_frames_is_not_taken_for_it(tmp_path):
    assert not holds_frames(tmp_path)
    path = files(tmp_path, x=np.ones(3))
    (tmp_path / "cat" / "1.npz").unlink()
    assert not holds_frames(tmp_path)
    path.write_bytes(b"no archive")
    assert not holds_frames(tmp_path)


def test_fortran_order(tmp_path):
    frames = np.arange(24.0).reshape(2, 2, 2, 3)
    files(tmp_path, frames=np.asfortranarray(frames))
    data = load_frames(tmp_path, holdout=1, width=3, height=2, bin_us=10)
    part = data.learn if data.learn.names == ("cat/0.npz",) else data.test
    cells = Grid(2, 20, 2, 3, counts=True).bin(part.events(0))
    assert torch.equal(cells, torch.from_numpy(frames).float())
