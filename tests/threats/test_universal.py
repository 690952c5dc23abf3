from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidThreat
from spikeproof.threats import Sensor, Universal
from spikeproof.threats.universal import apply

from .grids import problems

ways = st.sampled_from([(True, True), (True, False), (False, True)])


def patterns(shape, size, seed, low=-1):
    rng = torch.Generator().manual_seed(seed)
    pattern = torch.zeros(shape)
    places = torch.randperm(pattern.numel(), generator=rng)[:size]
    pattern.view(-1)[places] = torch.where(torch.rand(len(places), generator=rng) < 0.5, 1.0, low)
    return pattern


@given(problems(counts=True), st.integers(0, 12), ways)
def test_select_keeps_every_promise(problem, budget, way):
    clean, gain = problem
    gain = gain.nan_to_num(neginf=-9.0)
    budget = min(budget, clean[0].numel())
    threat = Universal(budget, *way)
    before = clean.clone()
    adv = threat.select(clean, gain)
    assert torch.equal(clean, before)
    assert (threat.cost(clean, adv) <= threat.limit(clean)).all()
    verdict = threat.check(clean, adv)
    assert verdict.ok.all(), verdict.why
    assert ((adv == 0) | (adv == 1))[adv != clean].all()
    if budget == 0:
        assert torch.equal(adv, clean)


@given(st.integers(0, 40), st.integers(1, 9), st.none() | st.integers(1, 9), st.integers(0, 99))
def test_draw_stays_within_its_budget(budget, bins, period, seed):
    threat = Universal(budget, period=period)
    wish = torch.randn(2, period or bins, 2, 2, 2, generator=torch.Generator().manual_seed(seed))
    pattern = threat.draw(wish, bins)
    assert set(pattern.unique().tolist()) <= {0.0, 1.0}
    assert (wish[0][pattern > 0] > 0).all()
    laid = apply(torch.zeros(1, bins, 2, 2, 2), pattern)
    assert laid.sum() <= budget
    assert pattern.sum() * threat.repeats(bins) <= budget


def test_draw_takes_the_most_wanted_cells_and_the_better_direction():
    wish = torch.zeros(2, 1, 2, 1, 2)
    wish[0, 0, 0, 0, 0] = 3  # add
    wish[1, 0, 0, 0, 1] = 2  # remove
    wish[0, 0, 1, 0, 0] = 1
    assert Universal(2, remove=True).draw(wish, 1).flatten().tolist() == [1, -1, 0, 0]
    assert Universal(2).draw(wish, 1).flatten().tolist() == [1, 0, 1, 0]
    assert Universal(2, add=False, remove=True).draw(wish, 1).flatten().tolist() == [0, -1, 0, 0]


@given(problems(counts=True, n=3), st.integers(0, 12), st.integers(0, 99))
def test_a_committed_pattern_is_held_to(problem, size, seed):
    clean, _ = problem
    pattern = patterns(clean.shape[1:], size, seed)
    threat = Universal(min(size, clean[0].numel()), remove=True)
    adv = apply(clean, pattern)
    for c, a in zip(clean, adv, strict=True):
        for old, new, edit in zip(c.flatten(), a.flatten(), pattern.flatten(), strict=True):
            assert new == (0 if edit < 0 else max(old, edit))
    assert threat.check(clean, adv).ok.all()
    assert threat.holding(pattern).check(clean, adv).ok.all()
    other = patterns(clean.shape[1:], size, seed + 100)
    verdict = threat.holding(other).check(clean, adv)
    for n in range(3):
        assert bool(verdict.ok[n]) == torch.equal(apply(clean, other)[n], adv[n])


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 6), st.integers(0, 99))
def test_periodic_patterns_are_accepted_at_every_offset(bins, period, size, seed):
    pattern = patterns((period, 2, 2, 2), size, seed, low=1)
    rng = torch.Generator().manual_seed(seed)
    clean = (torch.rand(period, bins, 2, 2, 2, generator=rng) < 0.3).float()
    offsets = torch.arange(period)
    adv = apply(clean, pattern, offsets)
    for n in range(period):
        for t in range(bins):
            assert torch.equal(adv[n, t], torch.maximum(clean[n, t], pattern[(t + n) % period]))
    budget = int(pattern.sum()) * -(-bins // period)
    threat = Universal(budget, period=period).holding(pattern)
    assert threat.check(clean, adv).ok.all()
    verdict = Universal(budget - 1, period=period).holding(pattern).check(clean, adv)
    assert set(verdict.why) == {"the pattern has more cells than the budget"}


def test_an_offset_that_does_not_exist_is_refused():
    pattern = torch.zeros(3, 2, 1, 1)
    pattern[0, 0] = 1
    clean = torch.zeros(2, 6, 2, 1, 1)
    adv = apply(clean, pattern, torch.tensor([1, 2]))
    adv[1, 5, 0] = 1
    verdict = Universal(4, period=3).holding(pattern).check(clean, adv)
    assert verdict.why == ("", "the changes are not those of the committed pattern")


def test_patterns_that_differ_between_samples_are_refused():
    clean = torch.zeros(3, 2, 2, 2, 2)
    clean[2, 0, 0, 0, 0] = 1
    adv = clean.clone()
    adv[0, 0, 0, 0, 0] = 1  # sample 1 lacks it, sample 2 has it anyway
    verdict = Universal(1).check(clean, adv)
    assert verdict.why == ("", "the recordings do not share one pattern", "")


@pytest.mark.parametrize(
    ("threat", "place", "value", "why"),
    [
        (Universal(0), 1, 1, "the pattern has more cells than the budget"),
        (Universal(1), 0, 0, "an event was removed"),
        (Universal(1, add=False, remove=True), 1, 1, "an event was added"),
        (Universal(1), 1, 0.5, "a cell is neither as it was nor 0 or 1"),
        (Universal(1), 1, 2, "a cell is neither as it was nor 0 or 1"),
    ],
)
def test_violations_are_named(threat, place, value, why):
    clean = torch.tensor([1.0, 0.0]).view(1, 1, 2, 1, 1).repeat(2, 1, 1, 1, 1)
    adv = clean.clone()
    adv[:, 0, place] = value
    assert threat.check(clean, adv).why == (why, why)


def test_a_cell_cannot_be_both_added_and_removed():
    clean = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1, 1).repeat(1, 1, 2, 1, 1)
    adv = 1 - clean
    assert "a cell is both added and removed" in Universal(4, remove=True).check(clean, adv).why


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"budget": 0.5}, "a universal budget is a whole number of cells"),
        ({"budget": None}, "a universal budget is a whole number of cells"),
        ({"budget": 3, "add": False}, "may neither add nor remove"),
        ({"budget": 3, "period": 0}, "needs a period of at least 1 bin"),
        ({"budget": 3, "period": 4, "remove": True}, "only adds"),
    ],
)
def test_impossible_threats_are_refused(settings, message):
    with pytest.raises(InvalidThreat, match=message):
        Universal(**settings)


def test_selecting_a_periodic_pattern_is_refused():
    clean = torch.zeros(1, 4, 2, 2, 2)
    with pytest.raises(InvalidThreat, match="draw\\(\\) a periodic pattern and apply\\(\\) it"):
        Universal(4, period=2).select(clean, clean)


def test_threats_say_what_they_allow():
    assert str(Universal(5)) == "add one pattern of at most 5 cells, the same for all"
    assert str(Universal(5, period=3)).endswith("for all, repeated every 3 bins, any start")


def test_a_pattern_under_a_sensor_keeps_clear_of_recorded_events():
    rng = torch.Generator().manual_seed(0)
    sensor = Sensor(bin_us=10.0, refractory=10, max_rate=2e6)
    for period in (None, 3):
        threat = Universal(budget=24, period=period, sensor=sensor)
        clean = (torch.rand(6, 8, 2, 4, 4, generator=rng) < 0.05).float()
        wish = torch.rand(2, period or 8, 2, 4, 4, generator=rng)
        pattern = threat.draw(wish, 8)
        offsets = None if period is None else torch.randint(period, (6,), generator=rng)
        adv = apply(clean, pattern, offsets, sensor)
        assert (adv != clean).any()
        assert threat.holding(pattern).check(clean, adv).ok.all()
        assert not threat.holding(pattern).check(clean, apply(clean, pattern, offsets)).ok.all()
