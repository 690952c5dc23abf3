from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidThreat
from spikeproof.threats import Flip, Sensor

from .grids import budgets, legal_for, problems, sensors

ways = st.sampled_from([(True, True), (True, False), (False, True)])


@given(problems(counts=True), budgets, ways, sensors)
def test_select_keeps_every_promise(problem, budget, way, sensor):
    clean, gain = problem
    if isinstance(budget, int):
        budget = min(budget, clean[0].numel())
    threat = Flip(budget, *way, sensor)
    before, wish = clean.clone(), gain.clone()
    adv = threat.select(clean, gain)
    assert torch.equal(clean, before)
    assert torch.equal(gain, wish)
    assert (threat.cost(clean, adv) <= threat.limit(clean)).all()
    verdict = threat.check(clean, adv)
    assert verdict.ok.all(), verdict.why
    changed = adv != clean
    assert ((adv == 0) | (adv == 1))[changed].all()
    assert (gain[changed] > 0).all()
    if sensor is not None:
        assert all(legal_for(sensor, c, a) for c, a in zip(clean, adv, strict=True))


@given(problems(), st.integers(0, 30))
def test_without_rules_the_best_flips_are_made(problem, count):
    clean, gain = problem
    adv = Flip().select(clean, gain, torch.full((len(clean),), count))
    for c, a, g in zip(clean, adv, gain, strict=True):
        made = (c != a).flatten()
        best = g.flatten().sort(descending=True).values[:count].clamp(min=0).sum()
        assert torch.isclose(g.flatten()[made].sum(), best)


@given(problems(counts=True), st.sampled_from([0, 0.0]), ways, sensors)
def test_a_budget_of_nothing_changes_nothing(problem, budget, way, sensor):
    clean, gain = problem
    assert torch.equal(Flip(budget, *way, sensor).select(clean, gain), clean)
    assert torch.equal(Flip(None, *way, sensor).select(clean, gain, torch.zeros(len(clean)).long()),
                       clean)  # fmt: skip


@given(problems(), st.integers(0, 5))
def test_a_sample_does_not_depend_on_its_batch(problem, count):
    clean, gain = problem
    threat = Flip(min(count, clean[0].numel()), sensor=Sensor(1000.0, 1000, 2000.0))
    together = threat.select(clean, gain)
    for n in range(len(clean)):
        assert torch.equal(threat.select(clean[n : n + 1], gain[n : n + 1])[0], together[n])


@given(problems(counts=True), ways, sensors, st.integers(0, 8), st.integers(0, 2**32 - 1))
def test_check_agrees_with_the_rules_cell_by_cell(problem, way, sensor, budget, seed):
    """On recordings that were not made by select, good and bad."""
    clean, _ = problem
    budget = min(budget, clean[0].numel())
    threat = Flip(budget, *way, sensor)
    rng = torch.Generator().manual_seed(seed)
    adv = clean.clone()
    for n in range(len(adv)):
        for place in torch.randint(adv[n].numel(), (int(torch.randint(9, (), generator=rng)),),
                                   generator=rng):  # fmt: skip
            adv[n].view(-1)[place] = torch.randint(3, (), generator=rng).float()
    verdict = threat.check(clean, adv)
    for n, (c, a) in enumerate(zip(clean, adv, strict=True)):
        edits = [(x, y) for x, y in zip(c.flatten().tolist(), a.flatten().tolist(), strict=True)
                 if x != y]  # fmt: skip
        good = len(edits) <= budget
        for old, new in edits:
            good &= (way[0] and old == 0 and new == 1) or (way[1] and old > 0 and new == 0)
        good &= sensor is None or legal_for(sensor, c, a)
        assert bool(verdict.ok[n]) == good
        assert bool(verdict.why[n]) != good


def flip_at(clean, *places):
    adv = clean.clone()
    for place in places:
        adv[place] = 1 - adv[place]
    return adv


@pytest.mark.parametrize(
    ("threat", "value", "why"),
    [
        (Flip(add=False), 1.0, "an event was added"),
        (Flip(0), 1.0, "more cells than the budget were changed"),
        (Flip(0.1), 1.0, "more cells than the budget were changed"),
        (Flip(), 2.0, "a cell is neither as it was nor 0 or 1"),
        (Flip(), 0.5, "a cell is neither as it was nor 0 or 1"),
        (Flip(), -1.0, "a cell is neither as it was nor 0 or 1"),
        (Flip(), torch.nan, "a cell is neither as it was nor 0 or 1"),
        (Flip(), torch.inf, "a cell is neither as it was nor 0 or 1"),
    ],
)
def test_violations_are_named_for_the_sample_at_fault(threat, value, why):
    clean = torch.zeros(3, 4, 2, 3, 3)
    clean[:, 0, 0, 0, 0] = 1
    adv = clean.clone()
    adv[1, 2, 1, 2, 2] = value
    verdict = threat.check(clean, adv)
    assert verdict.ok.tolist() == [True, False, True]
    assert verdict.why == ("", why, "")


def test_removals_and_partial_removals_are_named():
    clean = torch.full((2, 2, 2, 1, 1), 3.0)
    adv = clean.clone()
    adv[0, 0, 0, 0, 0] = 0
    adv[1, 0, 0, 0, 0] = 1
    assert Flip(remove=False).check(clean, adv).why[0] == "an event was removed"
    assert Flip().check(clean, adv).why == ("", "an occupied cell was changed but not emptied")


def test_a_threat_that_allows_nothing_is_refused():
    with pytest.raises(InvalidThreat, match="may neither add nor remove"):
        Flip(add=False, remove=False)


@pytest.mark.parametrize(
    ("threat", "text"),
    [
        (Flip(), "add and remove events, any number"),
        (Flip(0.05, remove=False), "add events, at most 5 % of the active cells"),
        (Flip(12, add=False), "remove events, at most 12 cells"),
    ],
)
def test_threats_say_what_they_allow(threat, text):
    assert str(threat) == text
    assert str(threat.at(3)).endswith("at most 3 cells")
