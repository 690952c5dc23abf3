from __future__ import annotations

import numpy as np
import pytest
import torch

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events, Grid, Recordings, write
from spikeproof.events.recordings import Latest, Packed, Paths, hold_out, in_order

STREAMS = [Events([k], [k], [10 * k], [k % 2], 4, 4) for k in range(4)]
GRID = Grid(2, 40, 4, 4)


def packed():
    columns = {name: np.concatenate([getattr(e, name) for e in STREAMS]) for name in "xytp"}
    return Packed(**columns, offsets=np.arange(5), width=4, height=4)


def paths(folder):
    names = [folder / f"{k}.npz" for k in range(4)]
    for name, events in zip(names, STREAMS, strict=True):
        write(name, events)
    return Paths(tuple(names))


@pytest.fixture(params=["packed", "paths"])
def recordings(request, tmp_path):
    source = packed() if request.param == "packed" else paths(tmp_path)
    assert len(source) == 4
    names = ("a", "b", "c", "d")
    return Recordings(np.array([0, 1, 1, 0]), ("no", "yes"), names, 4, 4, source)


def test_events_come_one_by_one(recordings):
    assert len(recordings) == 4
    assert repr(recordings) == "Recordings(4 of 2 classes, 4x4 pixels)"
    assert [recordings.events(i) for i in range(4)] == STREAMS


def test_subsets_nest(recordings):
    part = recordings.subset([3, 1, 2]).subset([2, 0])
    assert part.names == ("c", "d")
    assert part.labels.tolist() == [1, 0]
    assert [part.events(i) for i in range(2)] == [STREAMS[2], STREAMS[3]]
    assert recordings.subset(recordings.labels == 1).names == ("b", "c")
    assert len(recordings.subset(np.array([], int))) == 0


def test_grid_batch_bins_in_order(recordings):
    cells = recordings.grid_batch(GRID, [2, 0])
    assert cells.dtype == torch.uint8
    assert torch.equal(cells, GRID.bin_many([STREAMS[2], STREAMS[0]]))


def test_labels_are_immutable_and_checked(recordings):
    with pytest.raises(ValueError, match="read-only"):
        recordings.labels[0] = 1
    with pytest.raises(InvalidRecording, match="b: label 2 is none of the 2 classes"):
        Recordings(np.array([0, 2]), ("no", "yes"), ("a", "b"), 4, 4, packed(), np.arange(2))
    with pytest.raises(InvalidRecording, match="2 labels, 1 names"):
        Recordings(np.array([0, 1]), ("no", "yes"), ("a",), 4, 4, packed())


def test_another_sensor_is_named():
    recordings = Recordings(np.zeros(4, int), ("no",), ("a", "b", "c", "d"), 5, 4, packed())
    with pytest.raises(InvalidRecording, match="b: is 4x4 pixels and the set is 5x4"):
        recordings.events(1)


def test_the_latest_recording_is_kept():
    reads = []

    def source(i):
        reads.append(i)
        return STREAMS[i]

    latest = Latest(source)
    assert [latest(i) for i in (2, 2, 1, 2)] == [STREAMS[i] for i in (2, 2, 1, 2)]
    assert reads == [2, 1, 2]


def test_labels_are_put_in_order():
    assert in_order(["b", "10", "a", "b"]) == ("10", "a", "b")
    assert in_order(["10", "2", "02", "1"]) == ("1", "02", "2", "10")
    assert in_order([]) == ()


def test_held_out_recordings_are_told(recordings):
    data = hold_out("toy", recordings, holdout=1, seed=4, place="here")
    assert (len(data.learn), len(data.test)) == (3, 1)
    assert {*data.learn.names, *data.test.names} == {*"abcd"}
    assert data.split == (
        "1 of 4 recordings held out for testing by a permutation of the sorted names with seed 4."
    )
    with pytest.raises(InvalidRecording, match=r"^here: cannot hold out 0\.9 of 4 recordings"):
        hold_out("toy", recordings, holdout=0.9, seed=4, place="here")
