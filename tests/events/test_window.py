from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.events.streams import HEIGHT, WIDTH, streams

from spikeproof.errors import InvalidRecording, SpikeproofError
from spikeproof.events import Data, Events, Fit, Grid, Recordings, fitted, load_folder

UNIX = 1_700_000_000_000_000
GRID = Grid(bins=4, window=100, height=HEIGHT, width=WIDTH, start=10)


def data(*recordings, names=None):
    names = names or tuple(f"r{k}" for k in range(len(recordings)))
    labels = np.arange(len(recordings)) % 2
    part = Recordings(labels, ("a", "b"), names, WIDTH, HEIGHT, recordings.__getitem__)
    return Data("toy", part, part.subset([0]), "By hand.")


def at(*times):
    n = len(times)
    return Events([1] * n, [2] * n, times, [1] * n, WIDTH, HEIGHT)


def all_of(part):
    return [part.events(i) for i in range(len(part))]


def test_the_default_changes_nothing():
    given_data = data(at(0, 500))
    assert fitted(given_data, GRID, Fit()) is given_data


def test_first_events_come_to_the_grids_start():
    recordings = at(UNIX, UNIX + 99, UNIX + 100), at(-5)
    found = fitted(data(*recordings), GRID, Fit(align="first"))
    assert all_of(found.learn) == [at(10, 109), at(10)]
    assert found.learn.names == ("r0", "r1")
    assert found.split == (
        "By hand. Recordings begin with their first event; events outside the first window of "
        "100 µs are dropped."
    )


@given(st.lists(streams(max_size=30, last=900).filter(len), min_size=1, max_size=4),
       st.sampled_from(["none", "first"]))  # fmt: skip
def test_windows_part_a_recording_and_come_together_again(recordings, align):
    found = fitted(data(*recordings), GRID, Fit(align=align, long="split")).learn
    for i, events in enumerate(recordings):
        mine = [k for k, name in enumerate(found.names) if name.startswith(f"r{i}@")]
        windows = [int(found.names[k].partition("@")[2]) for k in mine]
        assert windows == sorted(set(windows))
        assert {int(found.labels[k]) for k in mine} == {i % 2}
        shift = 10 - events.t[0] if align == "first" else 0
        parts = [found.events(k) for k in mine]
        assert all(len(part) and part.t[0] >= 10 and part.t[-1] < 110 for part in parts)
        back = [part.t + k * 100 - shift for part, k in zip(parts, windows, strict=True)]
        assert np.array_equal(np.concatenate(back), events.t)
        assert np.array_equal(np.concatenate([part.x for part in parts]), events.x)


@given(streams(max_size=30, last=900).filter(len))
def test_what_is_cut_is_what_a_grid_sees(events):
    inside = (events.t >= 10) & (events.t < 110)
    try:
        cut = fitted(data(events), GRID, Fit(short="drop")).learn.events(0)
    except InvalidRecording:
        assert not inside.any() or events.t[-1] < 85
    else:
        assert torch.equal(GRID.bin(cut), GRID.bin(events))
        assert len(cut) == inside.sum()


def test_short_recordings_are_dropped_or_refused():
    recordings = at(10, 84), at(10, 85), at(10, 300), at(200)
    assert fitted(data(*recordings[1:]), GRID, Fit(short="drop")).learn.names == ("r0", "r1")
    parts = fitted(data(at(10, 85), at(10, 150, 199)), GRID, Fit(long="split", short="drop"))
    assert parts.learn.names == ("r0@0", "r1@0", "r1@1")
    refused = fitted(data(*recordings), GRID, Fit(short="refuse")).learn
    assert refused.events(1) == at(10, 85)
    with pytest.raises(InvalidRecording, match=r"^r0: lasts 74 µs and does not fill window 0 of"):
        refused.events(0)
    with pytest.raises(InvalidRecording, match=r"^r3: lasts 0 µs and does not fill"):
        refused.events(3)
    with pytest.raises(InvalidRecording, match="none of the 1 recordings fills a window of 100 µs"):
        fitted(data(recordings[0]), GRID, Fit(short="drop"))


def test_long_recordings_are_refused():
    found = fitted(data(at(10, 109), at(10, 110), at(9)), GRID, Fit(long="refuse")).learn
    assert found.events(0) == at(10, 109)
    for i, lasts in ((1, 100), (2, 0)):
        with pytest.raises(InvalidRecording) as caught:
            found.events(i)
        assert str(caught.value) == (
            f"r{i}: lasts {lasts} µs and has events outside the window of 100 µs from 10 µs; cut "
            "or split it (--long), or align it (--align first)"
        )


def test_what_is_aligned_already_is_not_told_to_align():
    found = fitted(data(at(10, 110)), GRID, Fit(align="first", long="refuse")).learn
    with pytest.raises(InvalidRecording, match=r"; cut or split it \(--long\)$"):
        found.events(0)


def test_impossible_times_are_refused():
    found = fitted(data(at(-(2**63), 2**63 - 1)), GRID, Fit(align="first"))
    with pytest.raises(InvalidRecording, match=r"^r0: has times from -9223372036854775808 to"):
        found.learn.events(0)


def test_unknown_choices_are_named():
    with pytest.raises(SpikeproofError, match="short is 'stretch'; give one of pad, drop, refuse"):
        Fit(short="stretch")


def test_one_recording_is_read_once_for_all_its_windows():
    reads = []

    def source(i):
        reads.append(i)
        return at(*range(0, 1000, 10))

    part = Recordings([0, 0], ("a",), ("r0", "r1"), WIDTH, HEIGHT, source)
    found = fitted(Data("toy", part, part, ""), GRID, Fit(align="first", long="split")).learn
    reads.clear()
    assert len(all_of(found)) == 20
    assert reads == [0, 1]


def test_a_camera_that_counts_from_1970(shared_data, tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        shutil.copy(shared_data / "formats" / "tonic" / "sample.aedat4", tmp_path / label)
    whole = load_folder(tmp_path)
    first = whole.learn.events(0)
    assert first.t[0] > UNIX // 2
    grid = Grid(bins=10, window=100_000, height=whole.learn.height, width=whole.learn.width)
    assert not grid.bin(first).any()  # as it comes, a model would see nothing
    found = fitted(whole, grid, Fit(align="first", long="split", short="drop"))
    assert found.learn.names == tuple(f"{whole.learn.names[0]}@{k}" for k in range(5))
    cells = found.learn.grid_batch(grid, range(5))
    assert (cells.flatten(2).sum(2) > 0).all()
    assert sum(len(found.learn.events(k)) for k in range(5)) < len(first)


def test_real_recordings_give_windows_on_their_own_side(shared_data):
    whole = load_folder(shared_data / "nmnist", holdout=20, seed=1)
    some = Data("some", whole.learn.subset(range(20)), whole.test, whole.split)
    grid = Grid(bins=10, window=100_000)
    found = fitted(some, grid, Fit(align="first", long="split", short="drop"))
    sides = [{name.partition("@")[0] for name in part.names} for part in (found.learn, found.test)]
    assert not sides[0] & sides[1]
    for part in (found.learn, found.test):
        assert len(part) == 3 * 20  # three saccades of about 105 ms, the rest is short
        cells = part.grid_batch(grid, range(len(part)))
        assert (cells.flatten(2).sum(2)[:, 0] > 0).all()
