"""Learned patterns and patches: within their threat, repeatable, and better than chance."""

from __future__ import annotations

import pytest
import torch

from spikeproof.attacks.learned.patch import FitPatch
from spikeproof.attacks.learned.universal import FitUniversal, UniversalPattern
from spikeproof.attacks.random_edits import random_patches, random_pattern
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Targeted, Untargeted
from spikeproof.threats import Flip, Patch, Universal

from ..toy import BINS, data

FIT = FitUniversal(steps=25, batch=12, judges=40)
STICK = FitPatch(steps=25, batch=6)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def fooled(net, adv, labels):
    with torch.no_grad():
        return (net(adv).argmax(1) != labels).float().mean().item()


@pytest.mark.parametrize("model", ["spiking", "twin"])
@pytest.mark.parametrize(
    "threat", [Universal(30), Universal(30, remove=True), Universal(40, period=2)], ids=str
)
def test_universal_patterns(victims, model, threat):
    net, x, labels, _, _ = victims[model]
    learn_cells, learn_labels = data(60, seed=5)
    told = []
    fits = [
        FIT(Victim(net), learn_cells.byte(), learn_labels, threat, rng=rng(), progress=told.append)
        for _ in range(2)
    ]
    pattern = fits[0].pattern
    assert torch.equal(pattern, fits[1].pattern)
    assert set(told) == {FIT.batch}
    assert int(pattern.abs().sum()) * threat.repeats(BINS) <= threat.budget
    assert set(pattern.unique().tolist()) <= {-1.0, 0.0, 1.0}
    before = x.clone()
    adv = fits[0](Victim(net), x, Untargeted(labels), threat, rng=rng(1))
    assert torch.equal(x, before)
    verdict = threat.holding(pattern).check(x, adv)
    assert verdict.ok.all(), verdict.why
    share = fooled(net, adv, labels)
    by_chance = [
        fooled(
            net,
            UniversalPattern(random_pattern(pattern, threat, BINS, rng(seed)))(
                Victim(net), x, Untargeted(labels), threat, rng=rng(seed)
            ),
            labels,
        )
        for seed in range(5)
    ]
    assert share > sum(by_chance) / 5
    assert share > 0.3


@pytest.mark.parametrize("free_time", [False, True])
@pytest.mark.parametrize("threat", [Patch(4, 4, (1, 1)), Patch(4, 4)], ids=str)
def test_patches(victims, threat, free_time):
    net, x, labels, _, _ = victims["spiking"]
    learn_cells, learn_labels = data(60, seed=5)
    fit = FitPatch(steps=25, batch=6, free_time=free_time)
    stickers = [
        fit(Victim(net), learn_cells.byte(), learn_labels, threat, 3, rng=rng()) for _ in range(2)
    ]
    assert torch.equal(stickers[0].patches, stickers[1].patches)
    assert stickers[0].patches.shape == (3, BINS, 2, 4, 4)
    goal = Targeted((labels + 1) % 3)
    shares = []
    for sticker in (stickers[0], *(random_patches(stickers[0], rng(s)) for s in range(5))):
        adv = sticker(Victim(net), x, goal, threat, rng=rng(3))
        verdict = threat.check(x, adv)
        assert verdict.ok.all(), verdict.why
        assert (threat.cost(x, adv) <= threat.limit(x)).all()
        with torch.no_grad():
            shares.append(goal.reached(net(adv)).float().mean().item())
    assert shares[0] > sum(shares[1:]) / 5


def test_learning_from_nothing_and_other_threats_are_refused(victims):
    net, x, labels, _, _ = victims["spiking"]
    none = torch.zeros(0, dtype=torch.long)
    with pytest.raises(InvalidThreat, match="needs recordings to learn from"):
        FIT(Victim(net), x[:0], none, Universal(3), rng=rng())
    with pytest.raises(InvalidThreat, match="needs recordings to learn from"):
        STICK(Victim(net), x[:0], none, Patch(2, 2), 3, rng=rng())
    sticker = FitPatch(steps=1)(Victim(net), x, labels, Patch(2, 2), 3, rng=rng())
    for goal, threat in ((Untargeted(labels), Patch(2, 2)), (Targeted(labels), Flip())):
        with pytest.raises(InvalidThreat, match="needs a Patch threat and a Target goal"):
            sticker(Victim(net), x, goal, threat, rng=rng())
