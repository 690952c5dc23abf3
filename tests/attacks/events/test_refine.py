from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from spikeproof.attacks.events.refine import exhaust, exhaust_small, prune
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Untargeted
from spikeproof.threats import Flip, Retime


class Weighs(nn.Module):
    """Class 1 if the weighted sum of the cells is above the level, else class 0."""

    def __init__(self, weights, level):
        super().__init__()
        self.weights, self.level = torch.tensor(weights), level

    def forward(self, x):
        total = (x.flatten(1) * self.weights).sum(1) - self.level
        return torch.stack([-total, total], 1)


WEIGHTS = [5.0, 4.0, 3.0, 2.0, 1.0, 0.5, 0.25, 0.1]
CLEAN = torch.zeros(2, 2, 2, 1, 2)
GOAL = Untargeted(torch.zeros(2, dtype=torch.long))


@pytest.mark.parametrize("level", [0.05, 2.5, 6.5, 9.5, 13.9, 15.7])
def test_pruning_a_linear_model_leaves_the_minimum(level):
    victim = Victim(Weighs(WEIGHTS, level))
    adv = prune(victim, CLEAN, torch.ones_like(CLEAN), GOAL, Flip())
    fewest = min(
        n for n in range(9) if any(sum(some) > level for some in itertools.combinations(WEIGHTS, n))
    )
    assert Flip().cost(CLEAN, adv).tolist() == [fewest] * 2
    assert victim.reached(adv, GOAL).all()


def test_pruning_keeps_moves_whole():
    clean, adv = CLEAN.clone(), CLEAN.clone()
    clean[:, 0, 0, 0, 0] = adv[:, 1, 0, 0, 0] = 1
    victim = Victim(Weighs([-1.0, 0, 0, 0, 3.0, 0, 0, 0], 1.0))
    threat = Retime(1)
    pruned = prune(victim, clean, adv, GOAL, threat)
    assert threat.check(clean, pruned).ok.all()
    assert torch.equal(pruned, adv)


@pytest.mark.parametrize(("level", "fewest"), [(4.5, 1), (8.5, 2), (9.5, 3)])
def test_small_results_become_the_smallest(level, fewest):
    victim = Victim(Weighs(WEIGHTS, level))
    adv = torch.zeros_like(CLEAN).flatten(1)
    adv[:, [1, 2, 3, 4]] = 1  # sums to 10
    adv = adv.view_as(CLEAN)
    assert victim.reached(adv, GOAL).all()
    wish = torch.rand(CLEAN.shape, generator=torch.Generator().manual_seed(0))
    better = exhaust_small(victim, CLEAN, adv, GOAL, Flip(), wish)
    assert victim.reached(better, GOAL).all()
    cost = Flip().cost(CLEAN, better).tolist()
    assert cost == [fewest if fewest < 3 else 4] * 2  # triples are not tried


def test_other_results_are_left_alone():
    victim = Victim(Weighs(WEIGHTS, 0.01))
    every = torch.ones_like(CLEAN)
    every[1] = 0
    every[1, 0, 0, 0, 0] = 1
    kept = exhaust_small(victim, CLEAN, every, GOAL, Flip(), torch.zeros_like(every))
    assert torch.equal(kept, every)  # eight edits are too many, one is as few as can be
    assert victim.queries.forwards == 0


def test_edits_that_the_threat_refuses_are_never_asked_about():
    victim = Victim(Weighs(WEIGHTS, 0.01))
    clean = torch.ones_like(CLEAN) - CLEAN
    adv = clean.clone()
    adv.flatten(1)[:, :3] = 0
    threat = Flip(remove=False)
    kept = exhaust_small(victim, clean, adv, GOAL, threat, torch.zeros_like(adv))
    assert torch.equal(kept, adv)
    assert victim.queries.forwards == 0


@pytest.mark.parametrize(("level", "fewest"), [(4.5, 1), (7.5, 2), (10.5, 4)])
def test_small_results_of_moves_become_the_smallest(level, fewest):
    """Moves of four events from the first bin are worth 0.5, 2.5, 3.5 and 4.6."""
    victim = Victim(Weighs([0.0] * 4 + [0.5, 2.5, 3.5, 4.6], level))
    clean = torch.zeros(2, 2, 1, 1, 4)
    clean[:, 0] = 1
    adv = exhaust(victim, clean, clean.flip(1), GOAL, Retime(1))
    assert Retime(1).check(clean, adv).ok.all()
    assert victim.reached(adv, GOAL).all()
    assert Retime(1).cost(clean, adv).tolist() == [fewest] * 2  # triples are not tried
