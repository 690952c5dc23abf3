from __future__ import annotations

import itertools

import pytest
import torch

from spikeproof.attacks.events.boundary_walk import BoundaryWalk
from spikeproof.attacks.events.sparse_flip import SparseFlip
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Targeted, Untargeted
from spikeproof.threats import Flip, Patch, Retime, Sensor

from .test_refine import CLEAN, GOAL, WEIGHTS, Weighs

THREATS = [
    Flip(),
    Flip(add=False),
    Flip(0.5, remove=False, sensor=Sensor(bin_us=1000.0, refractory=1000)),
    Patch(4, 4, (1, 1)),
    Retime(2),
    Retime(1, max_total=12),
    Retime(2, sensor=Sensor(bin_us=1000.0, refractory=1000)),
]


def rng():
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("level", [0.05, 2.5, 6.5, 9.5, 13.9, 15.7])
def test_on_a_linear_model_the_walk_ends_at_the_minimum(level):
    victim = Victim(Weighs(WEIGHTS, level))
    adv = BoundaryWalk()(victim, CLEAN, torch.ones_like(CLEAN), GOAL, Flip())
    fewest = min(
        n for n in range(9) if any(sum(some) > level for some in itertools.combinations(WEIGHTS, n))
    )
    assert Flip().cost(CLEAN, adv).tolist() == [fewest] * 2
    assert victim.reached(adv, GOAL).all()


def test_weak_edits_are_swapped_for_strong_ones():
    """Four weak edits reach the goal and none can be taken back; one strong one does as well."""
    victim = Victim(Weighs(WEIGHTS, 3.7))
    adv = CLEAN.flatten(1).clone()
    adv[:, [3, 4, 5, 6]] = 1  # 3.75
    adv = BoundaryWalk()(victim, CLEAN, adv.view_as(CLEAN), GOAL, Flip())
    assert Flip().cost(CLEAN, adv).tolist() == [1, 1]


@pytest.mark.parametrize("threat", THREATS, ids=str)
@pytest.mark.parametrize("goal", [Untargeted, Targeted])
def test_results_stay_legal_and_never_get_dearer(victims, threat, goal):
    net, x, labels, _, _ = victims["spiking"]
    victim = Victim(net)
    goal = goal(labels) if goal is Untargeted else goal((labels + 1) % 3)
    found = SparseFlip(steps=8, patience=3)(victim, x, goal, threat, rng=rng())
    before = found.clone()
    adv = BoundaryWalk(at_once=3)(victim, x, found, goal, threat)
    assert torch.equal(found, before)
    assert threat.check(x, adv).ok.all()
    assert (threat.cost(x, adv) <= threat.cost(x, found)).all()
    assert torch.equal(victim.reached(adv, goal), victim.reached(found, goal))
    assert torch.equal(BoundaryWalk()(victim, x, found, goal, threat), adv)


@pytest.mark.parametrize("threat", [Flip(), Retime(2)], ids=str)
def test_hasty_results_get_cheaper(victims, threat):
    net, x, labels, _, _ = victims["spiking"]
    victim, goal = Victim(net), Untargeted(labels)
    found = SparseFlip(steps=6, patience=1)(victim, x, goal, threat, rng=rng())
    adv = BoundaryWalk()(victim, x, found, goal, threat)
    assert threat.cost(x, adv).sum() < threat.cost(x, found).sum()


@pytest.mark.parametrize(("level", "fewest"), [(0.5, 1), (4.5, 1), (7.5, 2), (10.5, 3)])
def test_moves_are_weighed_as_wholes(level, fewest):
    """Four pixels with an event in the first bin; moves are worth 0.5, 2.5, 3.5 and 4.6."""
    weights = torch.zeros(2, 4)
    weights[1] = torch.tensor([0.5, 2.5, 3.5, 4.6])
    victim = Victim(Weighs(weights.flatten().tolist(), level))
    clean = torch.zeros(3, 2, 1, 1, 4)
    clean[:, 0] = 1
    goal = Untargeted(torch.zeros(3, dtype=torch.long))
    adv = BoundaryWalk()(victim, clean, clean.flip(1), goal, Retime(1))
    assert Retime(1).check(clean, adv).ok.all()
    assert victim.reached(adv, goal).all()
    assert Retime(1).cost(clean, adv).tolist() == [fewest] * 3


def test_what_failed_and_what_has_no_edits_of_its_own_is_left_alone(victims):
    net, x, labels, _, _ = victims["spiking"]
    victim, goal = Victim(net), Untargeted(labels)
    placed = SparseFlip()(victim, x, goal, Patch(4, 4, (1, 1)), rng=rng())
    assert victim.reached(placed, goal).any()
    assert torch.equal(BoundaryWalk()(victim, x, placed, goal, Patch(4, 4)), placed)
    assert torch.equal(BoundaryWalk()(victim, x, x, goal, Flip()), x)
    assert BoundaryWalk()(victim, x[:0], x[:0], goal[torch.arange(0)], Flip()).shape == x[:0].shape
