from __future__ import annotations

from itertools import combinations_with_replacement, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.events.placement import NoRoom, Slot, place

FIXED = st.lists(st.integers(-3, 15), max_size=4).map(sorted)
BINS = st.lists(st.integers(0, 2), min_size=1, max_size=3).map(sorted)


def legal(fixed, times, refractory):
    return all(abs(a - b) >= refractory for a in times for b in fixed) and all(
        abs(times[i] - times[j]) >= refractory for i in range(len(times)) for j in range(i)
    )


@given(FIXED, BINS, st.integers(0, 5), st.none() | st.integers(0, 9))
def test_finds_legal_times_exactly_when_there_are_some(fixed, bins, refractory, seed):
    slots = [Slot(4 * b, 4 * b + 3) for b in bins]
    options = [range(slot.first, slot.last + 1) for slot in slots]
    possible = any(legal(fixed, times, refractory) for times in product(*options))
    rng = None if seed is None else np.random.default_rng(seed)
    if not possible:
        with pytest.raises(NoRoom) as stuck:
            place(fixed, slots, refractory, rng)
        assert 0 <= stuck.value.index < len(slots)
        return
    times = place(fixed, slots, refractory, rng)
    assert times == sorted(times)
    assert all(slot.first <= time <= slot.last for slot, time in zip(slots, times, strict=True))
    assert legal(fixed, times, refractory)


@given(FIXED, st.integers(0, 5), st.integers(0, 11))
def test_a_wish_gets_the_nearest_legal_time(fixed, refractory, wish):
    choices = [time for time in range(12) if legal(fixed, [time], refractory)]
    if not choices:
        with pytest.raises(NoRoom):
            place(fixed, [Slot(0, 11, wish)], refractory)
        return
    (time,) = place(fixed, [Slot(0, 11, wish)], refractory)
    assert time in choices
    assert abs(time - wish) == min(abs(choice - wish) for choice in choices)


def test_without_rng_the_middle_of_the_widest_gap():
    assert place([30], [Slot(0, 99)], 5) == [(35 + 99) // 2]
    assert place([], [Slot(0, 100)] * 3, 0) == [25, 50, 75]


def test_random_times_are_uniform_over_the_legal_ones():
    rng = np.random.default_rng(0)
    drawn = [place([4], [Slot(0, 9)], 2, rng)[0] for _ in range(3_500)]
    counts = np.bincount(drawn, minlength=10)
    assert counts[[3, 4, 5]].sum() == 0
    assert (abs(counts[[0, 1, 2, 6, 7, 8, 9]] - 500) < 100).all()  # 5 standard deviations


def test_two_random_newcomers_of_a_bin_are_jointly_uniform():
    rng = np.random.default_rng(0)
    pairs = list(combinations_with_replacement(range(4), 2))
    drawn = [tuple(place([], [Slot(0, 3)] * 2, 0, rng)) for _ in range(4_000)]
    assert set(drawn) <= set(pairs)
    first = np.bincount([a for a, _ in drawn], minlength=4) / 4_000
    np.testing.assert_allclose(first, [7 / 16, 5 / 16, 3 / 16, 1 / 16], atol=0.04)
