"""Recordings are binned when asked for, and must stay what they were."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
import torch

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events, Grid, Recordings
from spikeproof.inputs.binned import BinnedRecordings

GRID = Grid(bins=4, window=4_000, height=5, width=6)


def events(i: int) -> Events:
    rng = np.random.default_rng(i)
    t = np.sort(rng.integers(0, 4_000, 30))
    return Events(rng.integers(0, 6, 30), rng.integers(0, 5, 30), t, rng.integers(0, 2, 30), 6, 5)


class Asked:
    """A source that counts how often it is asked."""

    def __init__(self, source: Callable[[int], Events] = events) -> None:
        self.source, self.times = source, 0

    def __call__(self, i: int) -> Events:
        self.times += 1
        return self.source(i)


def recordings(source: Callable[[int], Events], n: int = 20) -> Recordings:
    names = tuple(f"r{i}" for i in range(n))
    return Recordings(np.arange(n) % 2, ("a", "b"), names, 6, 5, source)


def binned(
    source: Callable[[int], Events] = events, most: int = 4, grid: Grid = GRID
) -> BinnedRecordings:
    return BinnedRecordings.read(recordings(source), grid, np.arange(2, 18), most)


def test_the_cells_are_those_of_one_block_in_memory():
    cells = binned()
    whole = recordings(events).grid_batch(GRID, range(2, 18))
    assert cells.shape == tuple(whole.shape)
    for chosen in (
        torch.arange(16),
        torch.tensor([3, 3, 15, 0]),
        torch.tensor([], dtype=torch.long),
    ):
        assert torch.equal(cells[chosen], whole[chosen])
        assert cells[chosen].dtype == torch.uint8
    assert torch.equal(cells.active, (whole > 0).flatten(1).sum(1))


def test_the_last_ones_are_kept_and_no_more():
    asked = Asked()
    cells = binned(asked)
    assert asked.times == 16
    _ = cells[torch.arange(4)]
    assert asked.times == 16  # the first ones were kept when they were read
    for _ in range(3):
        _ = cells[torch.arange(4, 8)]
    assert asked.times == 20
    _ = cells[torch.arange(16)]
    assert len(cells._kept) == 4


def test_a_recording_that_changes_is_an_error():
    now = {"n": 0}

    def drifting(i: int) -> Events:
        now["n"] += 1
        return events(i + 100 * (now["n"] > 16))

    with pytest.raises(InvalidRecording, match="r12: was read twice and gave other events"):
        _ = binned(drifting)[torch.tensor([10])]


def fingerprint(cells: BinnedRecordings) -> str:
    digest = hashlib.sha256()
    cells.update(digest)
    return digest.hexdigest()


def test_the_digest_is_of_the_events_and_not_only_of_the_cells():
    def late(i: int) -> Events:
        e = events(i)
        if i != 17:
            return e
        t = np.array(e.t)
        t[-1] += 1 if t[-1] < 3_999 else 0
        return Events(e.x, e.y, t, e.p, e.width, e.height)

    assert torch.equal(binned(late).active, binned().active)
    assert fingerprint(binned(late)) != fingerprint(binned())
    assert fingerprint(binned(most=1)) == fingerprint(binned())


def test_a_recording_that_does_not_fit_is_named():
    def busy(i: int) -> Events:
        n = 2**15 if i == 5 else 1
        return Events(np.zeros(n, int), np.zeros(n, int), np.zeros(n, int), np.ones(n, int), 6, 5)

    with pytest.raises(InvalidRecording, match=r"^r5: .*use more bins"):
        binned(busy, grid=Grid(bins=4, window=4_000, height=5, width=6, counts=True))
