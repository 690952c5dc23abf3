"""Attacks that search on one model and fool another."""

from __future__ import annotations

import pytest
import torch

from spikeproof.attacks.events.sparse_flip import SparseFlip
from spikeproof.attacks.queries import Polish
from spikeproof.attacks.queries.transfer import Transfer
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Targeted, Untargeted
from spikeproof.threats import Flip, Patch, Retime

from ..toy import trained


def rng():
    return torch.Generator().manual_seed(3)


@pytest.fixture(scope="module")
def proxy():
    return trained("6c3-bn-p2-fc3", seed=5)


@pytest.mark.parametrize("threat", [Flip(), Flip(12), Patch(4, 4, (1, 1)), Retime(2)], ids=str)
def test_the_victim_is_only_asked(victims, proxy, threat):
    net, x, labels, wrong, wrong_labels = victims["spiking"]
    goal = Untargeted(labels)
    closed = Victim(torch.no_grad()(net.forward))
    attack = Transfer(proxy, SparseFlip(steps=12))
    adv = attack(closed, x, goal, threat, rng=rng())
    assert closed.queries.gradients == 0
    assert closed.queries.forwards > 0
    assert threat.check(x, adv).ok.all()
    fooled = goal.reached(net(adv))
    assert torch.equal(adv[~fooled], x[~fooled])
    assert torch.equal(attack(closed, x, goal, threat, rng=rng()), adv)
    assert torch.equal(attack(closed, wrong, Untargeted(wrong_labels), threat, rng=rng()), wrong)


def test_firmness_makes_it_transfer(victims, proxy):
    net, x, labels, _, _ = victims["spiking"]
    goal = Untargeted(labels)
    rates = [
        goal.reached(net(attack(Victim(net), x, goal, Flip(), rng=rng()))).float().mean()
        for attack in (Transfer(proxy, firmness=(0.0,)), Transfer(proxy))
    ]
    assert rates[0] < rates[1] == 1.0


def test_what_it_finds_is_smaller_than_chance_finds(victims, proxy):
    net, x, labels, _, _ = victims["spiking"]
    goal = Targeted((labels + 1) % 3)
    adv = Transfer(proxy)(Victim(net), x, goal, Flip(), rng=rng())
    own = SparseFlip()(Victim(net), x, goal, Flip(), rng=rng())
    assert Flip().cost(x, adv).median() < 4 * Flip().cost(x, own).median()


def test_polish_makes_results_cheaper(victims, proxy):
    net, x, labels, _, _ = victims["spiking"]
    goal, victim = Untargeted(labels), Victim(net)
    found = Transfer(proxy, rounds=0)(victim, x, goal, Flip(), rng=rng())
    before = found.clone()
    gradients = victim.queries.gradients
    better = Polish(queries=200)(victim, x, found, goal, Flip())
    assert victim.queries.gradients == gradients == 0
    assert torch.equal(found, before)
    assert goal.reached(net(better)).all()
    cost = Flip().cost(x, better)
    assert (cost <= Flip().cost(x, found)).all()
    assert cost.sum() < Flip().cost(x, found).sum()
    assert torch.equal(Polish(queries=200)(victim, x, x, goal, Flip()), x)  # nothing to polish
