from __future__ import annotations

import torch

from spikeproof.attacks.events.sparse_flip import SparseFlip
from spikeproof.attacks.events.unconstrained_start import UnconstrainedStart
from spikeproof.attacks.victim import ALTERNATING_SURROGATES, Victim
from spikeproof.goals import Untargeted
from spikeproof.threats import Flip, Retime

from .test_refine import CLEAN, GOAL, WEIGHTS, Weighs


def rng():
    return torch.Generator().manual_seed(0)


def test_a_budget_that_only_the_best_edits_meet_is_met():
    """The two heaviest of eight cells are needed, and the search begins with all eight."""
    heavy = sorted(WEIGHTS)[-2:]
    victim = Victim(Weighs(WEIGHTS, sum(heavy) - 0.01))
    adv = UnconstrainedStart(SparseFlip(first=8))(victim, CLEAN, GOAL, Flip(2), rng=rng())
    assert victim.reached(adv, GOAL).all()
    assert Flip().cost(CLEAN, adv).tolist() == [2, 2]


def test_what_no_edits_of_the_budget_reach_is_left_clean():
    heavy = sorted(WEIGHTS)[-2:]
    victim = Victim(Weighs(WEIGHTS, sum(heavy) + 0.01))
    assert torch.equal(UnconstrainedStart()(victim, CLEAN, GOAL, Flip(2), rng=rng()), CLEAN)


def test_it_finds_at_least_what_climbing_within_the_budget_finds(victims):
    net, x, labels, _, _ = victims["spiking"]
    goal, threat = Untargeted(labels), Flip(4)
    victim = Victim(net, ALTERNATING_SURROGATES)
    within = SparseFlip("budget")(victim, x, goal, threat, rng=rng())
    beyond = UnconstrainedStart()(victim, x, goal, threat, rng=rng())
    assert threat.check(x, beyond).ok.all()
    fooled = victim.reached(beyond, goal)
    assert fooled.sum() >= victim.reached(within, goal).sum() > 0
    assert not fooled.all()


def test_moves_in_time_are_searched_without_their_budget_too(victims):
    net, x, labels, _, _ = victims["spiking"]
    threat = Retime(2, 6)
    adv = UnconstrainedStart()(Victim(net), x, Untargeted(labels), threat, rng=rng())
    assert threat.check(x, adv).ok.all()
    assert (adv != x).any()
