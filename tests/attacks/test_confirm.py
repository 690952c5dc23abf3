"""What is searched on one model holds on the one that judges."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import spikeproof.attacks.victim as victim_module
from spikeproof.attacks import SparseFlip, Victim, confirmed
from spikeproof.engine import Engine
from spikeproof.goals import Untargeted
from spikeproof.threats import Flip


class Softer(nn.Module):
    """A copy that sits on the boundary differently: its winner wins by ``less``."""

    def __init__(self, net, less):
        super().__init__()
        self.net, self.less = net, less

    def forward(self, x):
        logits = self.net(x)
        return logits - self.less * (logits == logits.amax(1, keepdim=True))


def rng():
    return torch.Generator().manual_seed(3)


def test_a_copy_that_is_fooled_too_early_is_asked_for_more(victims):
    net, x, labels, _, _ = victims["spiking"]
    victim = Victim(Softer(net, 0.3))
    goal, attack = Untargeted(labels), SparseFlip(steps=20)
    early = attack(victim, x, goal, Flip(), rng=rng())
    with torch.no_grad():
        assert not goal.reached(net(early)).all()
    late = confirmed(attack, victim, net, x, goal, Flip(), rng=rng())
    with torch.no_grad():
        reached = goal.reached(net(late))
    assert reached.sum() > goal.reached(net(early)).sum()
    assert Flip().check(x, late).ok.all()


def test_the_model_itself_needs_no_repair(victims):
    net, x, labels, _, _ = victims["spiking"]
    attack = SparseFlip(steps=10)
    plain = attack(Victim(net), x, Untargeted(labels), Flip(), rng=rng())
    victim = Victim(net)
    assert torch.equal(
        confirmed(attack, victim, net, x, Untargeted(labels), Flip(), rng=rng()), plain
    )


def test_the_judges_answers_are_counted(victims):
    net, x, labels, _, _ = victims["twin"]
    attack, alone = SparseFlip(steps=4), Victim(net)
    attack(alone, x, Untargeted(labels), Flip(), rng=rng())
    copy = Victim(Softer(net, 0.0))
    confirmed(attack, copy, net, x, Untargeted(labels), Flip(), rng=rng())
    assert copy.queries.gradients == alone.queries.gradients
    assert copy.queries.forwards == alone.queries.forwards + 2 * len(x)


class Wrong(Engine):
    """An engine that lets attacks believe in too much."""

    def __init__(self, net, less):
        super().__init__(net)
        self.soft = Softer(net, less)

    def __call__(self, x):
        return self.soft(x)

    def gradient(self, x, climb, surrogate=None):
        leaf = x.clone().requires_grad_()
        logits = self.soft(leaf)
        (gradient,) = torch.autograd.grad(climb(logits, slice(0, len(x))).sum(), leaf)
        return logits.detach(), gradient


@pytest.mark.parametrize("less", [0.1, 50.0])  # a margin may make up for it, or nothing can
def test_what_the_engine_got_wrong_is_searched_on_the_judge(victims, monkeypatch, less):
    net, x, labels, _, _ = victims["spiking"]
    goal, attack = Untargeted(labels), SparseFlip(steps=20)
    plain = attack(Victim(net), x, goal, Flip(), rng=rng())
    monkeypatch.setattr(victim_module, "engine_for", lambda model, **_: Wrong(net, less))
    early = attack(Victim(net, fast=True), x, goal, Flip(), rng=rng())
    late = confirmed(attack, Victim(net, fast=True), net, x, goal, Flip(), rng=rng())
    with torch.no_grad():
        assert not goal.reached(net(early)).all()
        assert (goal.reached(net(late)) >= goal.reached(net(plain))).all()


def test_a_fast_search_finds_what_a_plain_one_finds(victims):
    net, x, labels, _, _ = victims["spiking"]
    goal, attack = Untargeted(labels), SparseFlip(steps=20)
    plain, fast = (
        confirmed(attack, Victim(net, fast=fast), net, x, goal, Flip(), rng=rng())
        for fast in (False, True)
    )
    with torch.no_grad():
        assert torch.equal(goal.reached(net(fast)), goal.reached(net(plain)))
    assert Flip().check(x, fast).ok.all()
