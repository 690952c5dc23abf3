from __future__ import annotations

import io

import h5py
import numpy as np
import pytest
from hypothesis import given

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events
from spikeproof.events.formats import hdf5_write

from ..streams import streams

DSEC, PROPHESEE = hdf5_write.write_dsec, hdf5_write.write_prophesee


def written(write, events):
    file = io.BytesIO()
    write(file, events)
    return h5py.File(file, "r")


def at(t, width=9, height=8):
    n = len(t)
    return Events(np.arange(n) % width, np.arange(n) % height, t, np.arange(n) % 2, width, height)


def test_dsec_by_hand():
    with written(DSEC, at([7, 7, 2_500])) as root:
        assert root["events/x"][:].tolist() == [0, 1, 2]
        assert root["events/y"][:].tolist() == [0, 1, 2]
        assert root["events/t"][:].tolist() == [7, 7, 2_500]
        assert root["events/p"][:].tolist() == [0, 1, 0]
        assert root["t_offset"][()] == 0
        assert root["ms_to_idx"][:].tolist() == [0, 2, 2]
        assert (root["events/width"][()], root["events/height"][()]) == (9, 8)
        assert [root[f"events/{name}"].dtype.str for name in "xytp"] == ["<u2", "<u2", "<u4", "|u1"]


@given(streams(first=-3_000, last=5_000))
def test_dsec_index_is_as_defined(events):
    with written(DSEC, events) as root:
        t, index = root["events/t"][:].astype(int), root["ms_to_idx"][:].astype(int)
        assert np.array_equal(t + root["t_offset"][()], events.t)
        assert len(index) == (t[-1] // 1_000 + 1 if len(t) else 0)
        # t[k - 1] < 1000 ms <= t[k]
        assert np.array_equal(index, np.searchsorted(t, 1_000 * np.arange(len(index))))


@pytest.mark.parametrize(
    ("t", "offset"), [([0, 9], 0), ([2**32 - 1], 0), ([2**32], 2**32), ([-5, 3], -5), ([], 0)]
)
def test_dsec_offset_is_used_only_where_needed(t, offset):
    with written(DSEC, at(t)) as root:
        assert root["t_offset"][()] == offset


def test_prophesee_by_hand():
    with written(PROPHESEE, at([7, 7, 2_500])) as root:
        events = root["CD/events"]
        assert events.shape == (3,)
        assert events.chunks == (16_384,)
        assert (
            events.dtype.fields
            == np.dtype([("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")], align=True).fields
        )
        assert events.id.get_create_plist().get_filter(0)[0] == 0x8ECF
        assert events.id.get_num_chunks() == 1
        assert dict(root.attrs) == {"version": "1.0", "format": "ECF", "geometry": "9x8"}
        assert root["CD/indexes"].attrs["offset"] == "-7"
        assert root["EXT_TRIGGER/events"].shape == root["EXT_TRIGGER/indexes"].shape == (0,)
        assert root["EXT_TRIGGER/events"].dtype.itemsize == 24


def metavision_index(times):
    """Prophesee's index as its writer builds it, event by event."""
    index, here, last, k = [], (0, -1), (0, -1), 0
    while k < len(times):
        t = times[k] - times[0]
        if t // 2_000 + 1 > len(index):
            if k != here[0]:
                last = here
            index.append(last)
            here = (k, t)
        else:
            k += 1
    return [*index, here] if index else []


@given(streams(first=-4_000, last=20_000))
def test_prophesee_index_is_that_of_its_own_writer(events):
    with written(PROPHESEE, events) as root:
        index = [tuple(map(int, entry)) for entry in root["CD/indexes"][:]]
    assert index == metavision_index(events.t.tolist())


@pytest.mark.parametrize("write", [DSEC, PROPHESEE])
def test_recordings_of_hours_are_not_written(write):
    with pytest.raises(InvalidRecording, match="of 4294967296 µs is longer than the 4294967296"):
        write(io.BytesIO(), at([-1, 2**32 - 1]))
    write(io.BytesIO(), at([2**40]))


def test_large_sensors_do_not_fit_prophesee():
    with pytest.raises(InvalidRecording, match=r"2049x8 does not fit Prophesee.*write \.h5"):
        PROPHESEE(io.BytesIO(), at([1], width=2049))
    PROPHESEE(io.BytesIO(), at([1], width=2048))
