"""AutoSpike on images: the ensemble is never beaten by what it is made of."""

from __future__ import annotations

import pytest
import torch

from spikeproof.attacks.ensemble.autospike import AutoSpike
from spikeproof.attacks.ensemble.event_stages import climbing
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Targeted, Untargeted
from spikeproof.threats import L0, L2, Linf

from ..pictures import pictures, trained_on_pictures
from ..toy import right


@pytest.fixture(scope="module")
def seer():
    net = trained_on_pictures()
    x, labels = right(net, *pictures(40, seed=3))
    return net, x[:6], labels[:6]


def rng():
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("threat", [Linf(0.04), L2(0.25), L0(1)], ids=str)
def test_at_a_budget_only_what_stands_is_tried_again(seer, threat):
    net, x, labels = seer
    goal = Untargeted(labels)
    found = AutoSpike("budget", steps=8).evaluate(Victim(net), x, goal, threat, rng=rng())
    assert threat.check(x, found.adv).ok.all()
    assert torch.equal(goal.reached(net(found.adv)), torch.isfinite(found.cost))
    left = len(x)
    for did in found.did:
        assert did.attempted == (0 if did.name == "target 3" else left)  # of three classes
        left -= did.first_successes
    assert left == torch.isinf(found.cost).sum()
    assert 0 < left < len(x)


@pytest.mark.parametrize("threat", [Linf(), L2(), L0()], ids=str)
def test_the_smallest_change_is_that_of_the_best_stage(seer, threat):
    net, x, labels = seer
    goal = Untargeted(labels)
    found = AutoSpike(steps=9).evaluate(Victim(net), x, goal, threat, rng=rng())
    assert torch.isfinite(found.cost).all()
    assert torch.allclose(threat.cost(x, found.adv), found.cost)
    assert threat.check(x, found.adv).ok.all()
    first = climbing(threat, goal, "minimum", 9)[0]
    adv = first.attack(Victim(net, first.surrogate), x, goal, threat, rng=rng())
    assert (found.cost <= threat.cost(x, adv)).all()
    assert any(d.improved for d in found.did)


def test_the_stages_of_images():
    labels = torch.zeros(2, dtype=torch.long)
    names = [s.name for s in climbing(Linf(0.1), Untargeted(labels), "budget", 5)]
    assert names[:3] == ["margin", "dlr", "cross-entropy"]
    assert names[-4:] == ["target 2", "target 3", "square", "APGD, then square"]
    assert climbing(Linf(0.1), Untargeted(labels), "budget", 5)[-2].kind == "gradient-free"
    assert climbing(L2(), Untargeted(labels), "minimum", 5)[-1].kind == "refinement"
    assert not [s for s in climbing(Linf(0.1), Targeted(labels), "budget", 5) if s.rank]
    last = climbing(L0(3), Untargeted(labels), "budget", 5)[-1]
    assert (last.name, last.kind) == ("sparse search", "gradient-free")


@pytest.mark.parametrize("threat", [Linf(), L2(), L0()], ids=str)
def test_without_gradients_the_smallest_change_is_searched_by_asking(seer, threat):
    net, x, labels = seer

    def closed(x):
        with torch.no_grad():
            return net(x)

    found = AutoSpike(steps=20).evaluate(Victim(closed), x, Untargeted(labels), threat, rng=rng())
    assert torch.isfinite(found.cost).all()
    assert (found.cost < threat.limit(x) / 2).all()
    assert {d.kind for d in found.did} <= {"gradient-free", "refinement"}
    assert not any(d.gradients for d in found.did)


@pytest.mark.parametrize(
    ("mode", "threat"),
    [*(("minimum", t) for t in (Linf(), L2(), L0())), ("budget", Linf(0.04)), ("budget", L0(3))],
    ids=str,
)
def test_without_gradients_an_imitation_is_searched_first(seer, mode, threat):
    net, x, labels = seer
    closed, goal = torch.no_grad()(net.forward), Untargeted(labels)
    proxy = trained_on_pictures(spiking=False)
    attack = AutoSpike(mode, steps=8, proxy=proxy)
    found = attack.evaluate(Victim(closed), x, goal, threat, rng=rng())
    assert threat.check(x, found.adv).ok.all()
    assert torch.equal(goal.reached(net(found.adv)), torch.isfinite(found.cost))
    assert found.did[0].name == "transfer"
    assert found.did[0].succeeded > 0
    assert not any(d.gradients for d in found.did)  # of the model
    alone = AutoSpike(mode, steps=8).evaluate(Victim(closed), x, goal, threat, rng=rng())
    assert torch.isfinite(found.cost).sum() >= torch.isfinite(alone.cost).sum()
