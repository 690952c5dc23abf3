from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from spikeproof.errors import InvalidRecording, InvalidThreat, Unrealisable
from spikeproof.events import Events, Grid, compare

from .streams import HEIGHT, WIDTH, streams
from .test_grid import grids

seeds = st.integers(0, 2**32 - 1)
WIDE = Grid(4, 4_000, HEIGHT, WIDTH)


def rows(events, mask=slice(None)):
    return Counter(zip(*(getattr(events, name)[mask].tolist() for name in "txyp"), strict=True))


def near(events, others, refractory):
    """Does an event of ``others`` come too close to another one of its pixel?"""
    pixel = events.y.astype(int) * events.width + events.x
    return any(
        (abs(events.t[(pixel == pixel[k]) & (np.arange(len(events)) != k)] - events.t[k])
         < refractory).any()
        for k in others
    )  # fmt: skip


@given(streams(), grids)
def test_no_change_gives_the_recording_bit_for_bit(events, grid):
    assert grid.unbin(events, grid.bin(events), refractory=7) == events


@given(streams(), grids, seeds, st.booleans(), st.floats(0, 0.5))
def test_flips_give_exactly_the_wanted_cells(events, grid, seed, random, share):
    rng = np.random.default_rng(seed)
    before = grid.bin(events).numpy()
    flip = rng.random(grid.shape) < share
    target = rng.integers(0, 4, grid.shape) if grid.counts else 1 - before
    wanted = np.where(flip, target, before)
    changed = grid.unbin(events, wanted, rng=rng if random else None)
    assert (grid.bin(changed).numpy() == wanted).all()
    # events of untouched cells and outside the window are there, to the microsecond
    inside = (events.t >= grid.start) & (events.t < grid.start + grid.window)
    bins = np.where(inside, grid.bin_of(events.t), 0)
    untouched = (wanted == before)[bins, events.p, events.y, events.x] | ~inside
    assert rows(events, untouched) <= rows(changed)
    rose = np.maximum(wanted - before, 0).sum()
    assert len(compare(events, changed).added) == rose  # and nothing else is new


@given(streams(first=-500, last=4_500), seeds, st.booleans(), st.integers(0, 150))
def test_added_events_respect_the_refractory_time(events, seed, random, refractory):
    rng = np.random.default_rng(seed)
    before = WIDE.bin(events).numpy()
    wanted = np.where(rng.random(WIDE.shape) < 0.1, 1 - before, before)
    try:
        changed = WIDE.unbin(events, wanted, refractory=refractory, rng=rng if random else None)
    except Unrealisable:
        # 40 events of one pixel can fill a bin, but only just
        assert len(events) * (2 * refractory) >= 1_000
        return
    assert (WIDE.bin(changed).numpy() == wanted).all()
    assert not near(changed, compare(events, changed).added, refractory)


def test_the_same_seed_gives_the_same_events():
    events = Events.empty(WIDTH, HEIGHT)
    ones = torch.ones(WIDE.shape)
    first, again, other = (
        WIDE.unbin(events, ones, refractory=10, rng=np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_falling_count_loses_its_latest_events():
    grid = Grid(2, 200, HEIGHT, WIDTH, counts=True)
    events = Events([1] * 4, [1] * 4, [10, 20, 20, 150], [1] * 4, WIDTH, HEIGHT)
    cells = grid.bin(events)
    cells[0, 1, 1, 1] = 1
    assert grid.unbin(events, cells).t.tolist() == [10, 150]


def test_an_impossible_event_is_named():
    grid = Grid(2, 200, HEIGHT, WIDTH)
    events = Events([1, 1], [2, 2], [40, 60], [1, 1], WIDTH, HEIGHT)
    cells = grid.bin(events)
    cells[0, 0, 2, 1] = 1
    with pytest.raises(Unrealisable, match=r"pixel x=1 y=2, bin 0: .* 60 µs .*lower"):
        grid.unbin(events, cells, refractory=60)
    # the originals are only 20 µs apart; that alone is no error
    cells[0, 0, 2, 1] = 0
    cells[1, 0, 0, 0] = 1
    assert len(grid.unbin(events, cells, refractory=60)) == 3


@given(streams(first=-500, last=4_500), seeds, st.integers(0, 20))
def test_retime_moves_whole_cells(events, seed, refractory):
    rng = np.random.default_rng(seed)
    before = WIDE.bin(events).numpy()
    wanted = rng.permuted(before, axis=0)  # each pixel and polarity keeps its number of cells
    try:
        changed = WIDE.unbin(events, wanted, refractory=refractory, retime=True)
    except Unrealisable:
        assert refractory > 0
        return
    assert (WIDE.bin(changed).numpy() == wanted).all()
    inside = (events.t >= 0) & (events.t < 4_000)
    bins = np.where(inside, WIDE.bin_of(events.t), 0)
    stays = (wanted == before)[bins, events.p, events.y, events.x] | ~inside
    assert rows(events, stays) <= rows(changed)
    moves = compare(events, changed, moved=True)
    assert len(changed) == len(events)
    assert moves.added.size == moves.removed.size == 0
    assert not near(changed, moves.moved_to, refractory)
    if refractory == 0:  # then nothing keeps an event from its offset; bins are 1,000 µs each
        assert ((events.t[moves.moved_from] - changed.t[moves.moved_to]) % 1_000 == 0).all()


def test_retime_keeps_offsets_within_uneven_bins():
    grid = Grid(3, 100, HEIGHT, WIDTH)  # edges 0, 34, 67, 100
    events = Events([0], [0], [33], [1], WIDTH, HEIGHT)
    cells = torch.zeros(grid.shape)
    cells[1, 1, 0, 0] = 1
    assert grid.unbin(events, cells, retime=True).t.tolist() == [66]


def test_retime_matches_in_time_order():
    events = Events([0, 0], [0, 0], [100, 1_200], [1, 1], WIDTH, HEIGHT)
    cells = torch.zeros(WIDE.shape)
    cells[2:, 1, 0, 0] = 1
    assert WIDE.unbin(events, cells, retime=True).t.tolist() == [2_100, 3_200]


def test_retime_gives_way_to_neighbours():
    # an off event at 1,100 µs is in the way of the on event that moves there from 100 µs
    events = Events([0, 0], [0, 0], [100, 1_100], [1, 0], WIDTH, HEIGHT)
    cells = torch.zeros(WIDE.shape)
    cells[1, :, 0, 0] = 1
    changed = WIDE.unbin(events, cells, retime=True, refractory=50)
    assert sorted(changed.t.tolist()) == [1_050, 1_100]


def test_retime_refuses_unequal_numbers_and_counts():
    events = Events([1], [2], [100], [0], WIDTH, HEIGHT)
    cells = WIDE.bin(events)
    cells[3, 0, 2, 1] = 1
    with pytest.raises(Unrealisable, match="pixel x=1 y=2, off: emptied and filled cells differ"):
        WIDE.unbin(events, cells, retime=True)
    counting = Grid(4, 4_000, HEIGHT, WIDTH, counts=True)
    with pytest.raises(InvalidThreat, match="retime needs a binary grid"):
        counting.unbin(events, counting.bin(events), retime=True)


@pytest.mark.parametrize("counts", [False, True])
def test_bad_cells_are_refused(counts):
    grid = Grid(2, 200, HEIGHT, WIDTH, counts=counts)
    events = Events.empty(WIDTH, HEIGHT)
    with pytest.raises(InvalidRecording, match=r"cells have shape \(1,\) and the grid has"):
        grid.unbin(events, torch.zeros(1))
    for value in (0.5, -1.0, float("nan"), float("inf")):
        with pytest.raises(InvalidRecording, match="cells must be whole numbers"):
            grid.unbin(events, torch.full(grid.shape, value))
    with pytest.raises(InvalidThreat, match="refractory time is -1"):
        grid.unbin(events, torch.zeros(grid.shape), refractory=-1)
    if not counts:
        with pytest.raises(InvalidRecording, match="cells must be 0/1"):
            grid.unbin(events, torch.full(grid.shape, 2))


@given(streams(), grids, st.sampled_from([torch.uint8, torch.bool, torch.int64, torch.float32]))
def test_any_dtype_of_cells_will_do(events, grid, dtype):
    assume(dtype != torch.bool or not grid.counts)
    assert grid.unbin(events, grid.bin(events).to(dtype)) == events
