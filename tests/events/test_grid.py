from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidRecording, InvalidThreat
from spikeproof.events import Events, Grid, load_folder

from .streams import HEIGHT, WIDTH, streams

grids = st.builds(
    Grid,
    bins=st.integers(1, 12),
    window=st.integers(12, 200),
    height=st.just(HEIGHT),
    width=st.just(WIDTH),
    counts=st.booleans(),
    start=st.integers(-30, 30),
)


@given(grids)
def test_edges_are_the_first_time_of_every_bin(grid):
    edges = grid.edges
    assert edges.dtype == np.int64
    assert edges[0] == grid.start
    assert edges[-1] == grid.start + grid.window
    assert (grid.bin_of(edges[:-1]) == np.arange(grid.bins)).all()
    assert (grid.bin_of(edges[1:] - 1) == np.arange(grid.bins)).all()
    assert grid.shape == (grid.bins, 2, HEIGHT, WIDTH)


@given(streams(), grids)
def test_bin_agrees_with_counting_one_by_one(events, grid):
    expected = torch.zeros(grid.shape)
    for x, y, t, p in zip(events.x, events.y, events.t, events.p, strict=True):
        if grid.start <= t < grid.start + grid.window:
            expected[int(grid.bin_of(t)), p, y, x] += 1
    if not grid.counts:
        expected = expected.clamp(max=1)
    cells = grid.bin(events)
    assert cells.dtype == torch.float32
    assert torch.equal(cells, expected)


@given(st.lists(streams(), max_size=4), grids)
def test_bin_many_is_bin(recordings, grid):
    many = grid.bin_many(recordings)
    assert many.dtype == (torch.int16 if grid.counts else torch.uint8)
    assert many.shape == (len(recordings), *grid.shape)
    for cells, events in zip(many, recordings, strict=True):
        assert torch.equal(cells.float(), grid.bin(events))


def test_far_times_are_ignored_without_overflow():
    far = 2**63 - 1
    events = Events([0, 0, 0], [0, 0, 0], [-far - 1, 5, far], [1, 1, 1], WIDTH, HEIGHT)
    assert Grid(4, 100, HEIGHT, WIDTH, counts=True).bin(events).sum() == 1


def test_too_many_events_for_a_count_are_refused():
    n = 2**15
    events = Events(*[np.zeros(n, int)] * 4, WIDTH, HEIGHT)
    grid = Grid(2, 10, HEIGHT, WIDTH, counts=True)
    assert grid.bin(events).max() == n
    with pytest.raises(InvalidRecording, match="recording 1 has 32768 events in one cell"):
        grid.bin_many([Events.empty(WIDTH, HEIGHT), events])


def test_another_sensor_is_refused():
    with pytest.raises(InvalidRecording, match="5x3 pixels and the grid is 34x34"):
        Grid().bin(Events.empty(5, 3))
    with pytest.raises(InvalidRecording, match="5x3 pixels and the grid is 34x34"):
        Grid().bin_many([Events.empty(5, 3)])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bins": 0}, "bins is 0"),
        ({"height": -1}, "height is -1"),
        ({"window": 15}, "16 bins do not fit into 15 µs"),
        ({"bins": 2**21, "window": 2**22}, "more than 2147483648 cells"),
        ({"window": 2**41}, "must stay within"),
        ({"start": -(2**41)}, "must stay within"),
    ],
)
def test_impossible_grids_are_refused(settings, message):
    with pytest.raises(InvalidThreat, match=message):
        Grid(**settings)


def test_real_recordings_survive_the_round_trip(shared_data):
    data = load_folder(shared_data / "nmnist", holdout=5)
    grid = Grid()
    rng = np.random.default_rng(0)
    for i in range(5):
        events = data.test.events(i)
        cells = grid.bin(events)
        assert grid.unbin(events, cells) == events
        flipped = torch.from_numpy(rng.random(grid.shape) < 0.01)
        wanted = torch.where(flipped, 1 - cells, cells)
        assert torch.equal(grid.bin(grid.unbin(events, wanted, refractory=1_000, rng=rng)), wanted)
