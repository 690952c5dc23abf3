"""Rate attacks: what one step asks, and what equal bins come to."""

from __future__ import annotations

import pytest
import torch
from spikingjelly.activation_based import layer, neuron
from torch import nn

from spikeproof.adapters import adapt
from spikeproof.attacks.peers import RateAttack
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidModel
from spikeproof.goals import Untargeted
from spikeproof.models import ArcTan, HybridGradient
from spikeproof.threats import Flip


def rng(seed=7):
    return torch.Generator().manual_seed(seed)


def test_one_step_asks_for_one_gradient(victims):
    net, x, labels, _, _ = victims["spiking"]
    victim = Victim(net)
    RateAttack(steps=1)(victim, x, Untargeted(labels), Flip(), rng=rng())
    assert victim.queries.gradients == len(x)


def test_more_steps_fool_more(victims):
    net, x, labels, _, _ = victims["spiking"]
    goal = Untargeted(labels)
    fooled = [
        int(goal.reached(net(RateAttack(steps=n)(Victim(net), x, goal, Flip(6), rng=rng()))).sum())
        for n in (1, 15)
    ]
    assert fooled[0] <= fooled[1]
    assert fooled[1] > 0


def test_the_share_is_kept_where_the_threat_has_no_limit(victims):
    net, x, labels, _, _ = victims["spiking"]
    adv = RateAttack(share=0.1)(Victim(net), x, Untargeted(labels), Flip(), rng=rng())
    assert (Flip().cost(x, adv) <= (x.flatten(1).sum(1) * 0.1).ceil()).all()


def test_of_bins_that_are_worth_the_same_chance_takes_some(victims):
    """The rate rule values all bins of a pixel alike; a fixed order would take the first ones."""
    net, x, labels, _, _ = victims["spiking"]
    some = [RateAttack(steps=1, share=1.0)(Victim(net), x, Untargeted(labels), Flip(8), rng=rng(s))
            for s in range(6)]  # fmt: skip
    assert any(not torch.equal(a, some[0]) for a in some)
    _, gradient = Victim(net, RateAttack().rule).gradient(x, Untargeted(labels))
    assert gradient.any()
    assert torch.allclose(gradient, gradient[:, :1].expand_as(gradient), atol=1e-6)


def test_the_rule_is_the_attacks_own(victims):
    net, x, labels, _, _ = victims["spiking"]
    goal, found = Untargeted(labels), []
    for attack in (RateAttack(None), RateAttack(HybridGradient())):
        found.append(attack(Victim(net, HybridGradient()), x, goal, Flip(), rng=rng()))
        found.append(attack(Victim(net, ArcTan(1.0)), x, goal, Flip(), rng=rng()))
    assert torch.equal(found[0], found[2])
    assert torch.equal(found[2], found[3])
    assert not torch.equal(found[0], found[1])


def test_neurons_of_frameworks_cannot_be_seen_as_rates():
    net = nn.Sequential(
        layer.Flatten(step_mode="m"),
        layer.Linear(32, 3, step_mode="m"),
        neuron.LIFNode(step_mode="m"),
    ).eval()
    x = (torch.rand(3, 5, 2, 4, 4, generator=rng()) < 0.5).float()
    model = adapt(net, x)
    with torch.no_grad():
        goal = Untargeted(model(x).argmax(1))
    with pytest.raises(InvalidModel, match="SpikingJelly computes neurons bin by bin"):
        RateAttack()(Victim(model), x, goal, Flip(), rng=rng())
