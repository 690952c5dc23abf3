"""Of several learners the best is kept, as the user's own model says."""

from __future__ import annotations

import torch

from spikeproof.attacks.learned.learners import (
    Learner,
    best_patches,
    best_pattern,
    standard_learners,
)
from spikeproof.attacks.learned.patch import FitPatch, LearnedPatch
from spikeproof.attacks.learned.universal import FitUniversal
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Targeted, Untargeted
from spikeproof.threats import Patch, Universal

from ..toy import data

FIT = FitUniversal(steps=10, batch=8, judges=20)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


class Blind(torch.nn.Module):
    """The same answers, with gradients of nothing: a learner that finds nothing."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x).detach() + 0.0 * x.flatten(1).sum(1, keepdim=True)


def test_the_better_pattern_is_kept(victims):
    net = victims["spiking"][0]
    cells, labels = data(60, seed=5)
    threat = Universal(30)
    blind, seeing = Learner("blind", Victim(Blind(net))), standard_learners(Victim(net))[0]
    for learners in ((blind, seeing), (seeing, blind)):
        found, did = best_pattern(FIT, learners, net, cells.byte(), labels, threat, rng=rng())
        told = {d.name: d for d in did}
        assert told["gradients"].succeeded > told["blind"].succeeded
        assert did[0].first_successes == did[0].succeeded
        assert did[1].first_successes <= did[1].succeeded
        adv = found(Victim(net), cells, Untargeted(labels), threat, rng=rng())
        assert (net(adv).argmax(1) != labels).float().mean() > 0.3
    again, _ = best_pattern(FIT, learners, net, cells.byte(), labels, threat, rng=rng())
    assert torch.equal(again.pattern, found.pattern)


def test_only_recordings_that_the_judge_has_right_decide(victims):
    net = victims["spiking"][0]
    cells, labels = data(40, seed=1, quiet=0.14, busy=0.27)
    right = int((net(cells).argmax(1) == labels).sum())
    assert right < 40
    learners = standard_learners(Victim(net))
    _, did = best_pattern(FIT, learners, net, cells, labels, Universal(20), rng=rng())
    assert [d.attempted for d in did] == [right, right]
    assert [d.name for d in did] == ["gradients", "potential-dependent"]
    assert all(d.gradients > 0 for d in did)


def test_patches_are_chosen_class_by_class(victims):
    net = victims["spiking"][0]
    cells, labels = data(60, seed=5)
    threat, fit = Patch(4, 4, (1, 1)), FitPatch(steps=12, batch=4)
    learners = (Learner("blind", Victim(Blind(net))), standard_learners(Victim(net))[0])
    found, did = best_patches(fit, learners, net, cells, labels, threat, 3, rng=rng())
    assert isinstance(found, LearnedPatch)
    assert found.patches.shape == (3, cells.shape[1], 2, 4, 4)
    goal = Targeted((labels + 1) % 3)
    adv = found(Victim(net), cells, goal, threat, rng=rng())
    assert threat.check(cells, adv).ok.all()
    share = goal.reached(net(adv)).float().mean()
    assert share >= did[0].succeeded / did[0].attempted
    assert did[1].succeeded >= did[0].succeeded
