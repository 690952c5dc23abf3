"""The spike-compatible gradient: which cells are flipped, and how often."""

from __future__ import annotations

import torch

from spikeproof.attacks.peers import SpikeCompatible
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Untargeted
from spikeproof.threats import Flip


def rng(seed=7):
    return torch.Generator().manual_seed(seed)


def test_chances_are_the_scaled_gradient_where_a_flip_is_possible():
    clean = torch.tensor([0.0, 0.0, 1.0, 1.0, 0.0]).view(1, 1, 1, 1, 5)
    gradient = torch.tensor([3.0, -5.0, -1.0, 2.0, 2.0]).view(1, 1, 1, 1, 5)
    chances = SpikeCompatible()._chances(clean, clean, gradient)
    assert torch.allclose(chances.flatten(), torch.tensor([0.5, 0.0, 0.0, 0.0, 0.25]))
    # an added event whose gradient has turned is taken away again, an added one cannot be more
    now = torch.ones_like(clean)
    chances = SpikeCompatible()._chances(clean, now, gradient)
    assert torch.allclose(chances.flatten(), torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0]))


def test_flips_come_as_often_as_they_are_probable():
    """The goal is far away, so nothing stops the first step; it is the only one."""
    slope = torch.linspace(0, 1, 2 * 2 * 50 * 50).view(2, 2, 50, 50)

    def linear(x):
        pull = (x * slope).flatten(1).sum(1)
        return torch.stack([0 * pull, pull - 1], 1)

    x = torch.zeros(1, 2, 2, 50, 50)
    goal = Untargeted(torch.tensor([0]))
    adv = SpikeCompatible(steps=1)(Victim(linear), x, goal, Flip(), rng=rng())
    assert abs(float(adv.mean()) - 0.5) < 0.02
    assert abs(float((adv * slope).sum() / slope.sum()) - 2 / 3) < 0.02


def test_where_there_is_no_gradient_cells_are_flipped_by_chance():
    def blind(x):
        more = (x.flatten(1).mean(1) > 0.08).float()
        return torch.stack([1 - more, more], 1) + 0 * x.flatten(1).sum(1, keepdim=True)

    x = torch.zeros(2, 4, 2, 20, 20)
    goal = Untargeted(torch.zeros(2, dtype=torch.long))
    victim = Victim(blind)
    adv = SpikeCompatible()(victim, x, goal, Flip(), rng=rng())
    assert goal.reached(blind(adv)).all()
    # 5 % in the first step; in the second, of those 5 % are put back and of the rest 5 % come
    assert torch.allclose(adv.flatten(1).mean(1), torch.tensor(0.095), atol=0.015)
    assert victim.queries.gradients == 4


def test_a_budget_keeps_the_most_probable_flips(victims):
    net, x, labels, _, _ = victims["spiking"]
    whole = SpikeCompatible()(Victim(net), x, Untargeted(labels), Flip(), rng=rng())
    some = SpikeCompatible()(Victim(net), x, Untargeted(labels), Flip(3), rng=rng())
    assert ((some != x) <= (whole != x)).all()
    assert (Flip().cost(x, some) == Flip().cost(x, whole).clamp(max=3)).all()
