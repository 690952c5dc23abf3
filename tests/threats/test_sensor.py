from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidThreat
from spikeproof.threats import Flip, Sensor

from .grids import legal_for, problems, sensors

BIN = 1000.0


def lines(bins):
    """All recordings of one pixel with two polarities, ``[4^bins, T, 2, 1, 1]``."""
    every = itertools.product((0.0, 1.0), repeat=2 * bins)
    return torch.tensor(list(every)).view(-1, bins, 2, 1, 1)


@pytest.mark.parametrize("refractory", [0, 250, 251, 1000, 1001, 2000, 9000])
@pytest.mark.parametrize("rate", [None, 900.0, 1000.0, 2000.0])
def test_broken_agrees_with_brute_force(refractory, rate):
    sensor = Sensor(BIN, refractory, rate)
    every = lines(3)
    rng = torch.Generator().manual_seed(0)
    for clean in every[torch.randperm(len(every), generator=rng)[:12]]:
        before = clean.expand_as(every)
        broken = sensor.broken(before, every)
        bad = torch.zeros(len(every), dtype=torch.bool)
        for flags in broken.values():
            bad |= flags
        assert bad.tolist() == [not legal_for(sensor, clean, adv) for adv in every]


@given(problems(), sensors.filter(bool))
def test_all_permitted_additions_may_be_made_together(problem, sensor):
    clean, gain = problem
    wish = sensor.permit(clean, gain)
    kept = torch.isfinite(wish)
    assert torch.equal(wish[kept], gain[kept])  # nothing but -inf is new
    assert torch.equal(wish[clean > 0], gain[clean > 0])  # removals are free
    adv = torch.where(kept & (clean == 0), 1.0, clean)
    assert not any(flags.any() for flags in sensor.broken(clean, adv).values())
    assert all(legal_for(sensor, c, a) for c, a in zip(clean, adv, strict=True))


@given(problems(n=1), st.sampled_from([300, 1000, 2500]))
def test_the_most_wanted_addition_of_a_pixel_is_permitted_if_it_is_legal(problem, refractory):
    clean, gain = problem
    sensor = Sensor(BIN, refractory)
    wish = sensor.permit(clean, gain)
    for y, x in itertools.product(range(clean.shape[3]), range(clean.shape[4])):
        alone = []
        for t, p in itertools.product(range(clean.shape[1]), (0, 1)):
            adv = clean.clone()
            adv[0, t, p, y, x] = 1
            if clean[0, t, p, y, x] == 0 and legal_for(sensor, clean[0], adv[0]):
                alone.append((gain[0, t, p, y, x], wish[0, t, p, y, x]))
        if alone and max(alone)[0] > -torch.inf:
            top = max(alone)[0]
            assert any(w == top for _, w in alone)


def test_events_already_recorded_are_never_held_against_a_recording():
    clean = torch.ones(1, 4, 2, 2, 2)
    sensor = Sensor(BIN, refractory=5000, max_rate=1000.0)
    threat = Flip(sensor=sensor)
    assert threat.check(clean, clean).ok.all()
    removed = clean.clone()
    removed[0, 1, 0, 0, 0] = 0
    assert threat.check(clean, removed).ok.all()


@pytest.mark.parametrize(
    ("sensor", "at", "why"),
    [
        (Sensor(BIN, 1000), (2, 0), "an added event is within 1000 µs of another of its pixel"),
        (Sensor(BIN, 1000), (1, 1), "an added event is within 1000 µs of another of its pixel"),
        (Sensor(BIN, 1000), (0, 1), "an added event is within 1000 µs of another of its pixel"),
        (Sensor(BIN, 1000), (3, 0), ""),
        (Sensor(BIN, 2000), (3, 0), "an added event is within 2000 µs of another of its pixel"),
        (Sensor(BIN, 250), (1, 1), ""),
        (Sensor(BIN, 0, 1000.0), (1, 1), "a time bin has more than 1 events (1000.0 per s)"),
        (Sensor(BIN, 0, 1000.0), (2, 1), ""),
        (Sensor(BIN, 0, 2000.0), (1, 1), ""),
    ],
)
def test_violations_are_named(sensor, at, why):
    clean = torch.zeros(1, 5, 2, 1, 1)
    clean[0, 1, 0] = 1
    adv = clean.clone()
    adv[0, at[0], at[1]] = 1
    assert Flip(sensor=sensor).check(clean, adv).why == (why,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bin_us": 0.0}, "bin_us is 0.0"),
        ({"bin_us": math.nan}, "bin_us is nan"),
        ({"bin_us": 1.0, "refractory": -1}, "refractory is -1 µs; it cannot be negative"),
        ({"bin_us": 1.0, "max_rate": 0.0}, "max_rate is 0.0 events/s; it must be positive"),
    ],
)
def test_impossible_sensors_are_refused(settings, message):
    with pytest.raises(InvalidThreat, match=message):
        Sensor(**settings)


@pytest.mark.parametrize(
    ("refractory", "reach"),
    [(0, None), (250, None), (251, 1), (1000, 1), (1001, 2), (3000, 3)],
)
def test_reach_in_bins(refractory, reach):
    assert Sensor(BIN, refractory).reach == reach
