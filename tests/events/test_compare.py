from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events, compare

from .streams import streams


def rows(events, indices):
    columns = (getattr(events, name)[indices].tolist() for name in "txyp")
    return list(zip(*columns, strict=True))


small = streams(max_size=30, first=0, last=4, width=2, height=2)  # many duplicates


@given(small, small)
def test_difference_is_that_of_multisets(clean, changed):
    result = compare(clean, changed)
    everything = slice(None)
    before, after = Counter(rows(clean, everything)), Counter(rows(changed, everything))
    assert Counter(rows(changed, result.kept)) == before & after
    assert Counter(rows(changed, result.added)) == after - before
    assert Counter(rows(clean, result.removed)) == before - after
    assert result.moved_from.size == result.moved_to.size == 0
    cover = np.sort(np.concatenate((result.kept, result.added)))
    assert (cover == np.arange(len(changed))).all()


@given(small, small)
def test_moved_pairs_share_pixel_and_polarity_in_time_order(clean, changed):
    plain, result = compare(clean, changed), compare(clean, changed, moved=True)
    assert (result.kept == plain.kept).all()
    gone, came = rows(clean, result.moved_from), rows(changed, result.moved_to)
    assert [row[1:] for row in gone] == [row[1:] for row in came]
    for site in {row[1:] for row in gone}:
        targets = [row[0] for row in came if row[1:] == site]
        assert targets == sorted(targets)
    # what is left over cannot be paired any more
    left = {row[1:] for row in rows(clean, result.removed)}
    assert not left & {row[1:] for row in rows(changed, result.added)}
    assert len(result.removed) + len(result.moved_from) == len(plain.removed)
    assert len(result.added) + len(result.moved_to) == len(plain.added)


def test_an_example():
    clean = Events([0, 1, 1], [0, 0, 0], [1, 2, 3], [1, 1, 1], 2, 2)
    changed = Events([0, 1, 0, 1], [0, 0, 1, 0], [1, 3, 5, 9], [1, 1, 0, 1], 2, 2)
    result = compare(clean, changed, moved=True)
    assert result.kept.tolist() == [0, 1]
    assert result.added.tolist() == [2]
    assert result.removed.tolist() == []
    assert (result.moved_from.tolist(), result.moved_to.tolist()) == ([1], [3])


def test_sensors_must_agree():
    with pytest.raises(InvalidRecording, match="2x2 and 3x2"):
        compare(Events.empty(2, 2), Events.empty(3, 2))
