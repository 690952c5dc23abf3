"""What attacks promise, kept by those that use no gradient."""

from __future__ import annotations

import pytest
import torch

from spikeproof.attacks.events.sparse_flip import SparseFlip
from spikeproof.attacks.queries import Decision, Evolution, Greedy
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Targeted, Untargeted
from spikeproof.threats import Flip, Patch, Retime, Sensor, Universal

from ..toy import Masked

SENSOR = Sensor(bin_us=1000.0, refractory=1000, max_rate=40_000.0)
QUERIES = 200
ATTACKS = {
    "greedy": Greedy(queries=QUERIES),
    "decision": Decision(queries=QUERIES),
    "decision-budget": Decision("budget", queries=QUERIES),
    "evolution": Evolution(queries=QUERIES),
    "evolution-budget": Evolution("budget", queries=QUERIES),
    "greedy-budget": Greedy("budget", queries=QUERIES),
}
THREATS = [
    Flip(),
    Flip(0.25, add=False),
    Flip(0.5, remove=False, sensor=SENSOR),
    Flip(0),
    Retime(3, 6),
    Patch(4, 4, (0, 0), start=1, duration=2, sensor=SENSOR),
]
MINIMA = [name for name in ATTACKS if not name.endswith("budget")]


def rng():
    return torch.Generator().manual_seed(7)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("threat", THREATS, ids=str)
def test_contract(victims, attack, threat):
    attack = ATTACKS[attack]
    net, x, labels, wrong, wrong_labels = victims["spiking"]
    before = x.clone()
    victim = Victim(net, chunk=64)
    adv = attack(victim, x, Untargeted(labels), threat, rng=rng())
    assert adv.shape == x.shape
    assert adv.dtype == x.dtype
    verdict = threat.check(x, adv)
    assert verdict.ok.all(), verdict.why
    assert (threat.cost(x, adv) <= threat.limit(x)).all()
    assert torch.equal(x, before)
    # only forward passes, and no more than allowed
    assert victim.queries.gradients == 0
    assert victim.queries.forwards <= QUERIES * len(x)
    # the same again, and the same alone
    alone = attack(victim, x[2:3], Untargeted(labels[2:3]), threat, rng=rng())
    assert torch.equal(alone, adv[2:3])
    # what is wrong already stays as it is
    done = attack(victim, wrong, Untargeted(wrong_labels), threat, rng=rng())
    assert torch.equal(done, wrong)


@pytest.mark.parametrize("attack", MINIMA)
@pytest.mark.parametrize("by", [0.0, -1.0])
def test_masked_gradients_hide_nothing(victims, attack, by):
    net, x, labels, _, _ = victims["spiking"]
    goal, threat = Untargeted(labels), Flip()
    masked = Masked(net, by)
    white = SparseFlip(steps=20)(Victim(masked), x, goal, threat, rng=rng())
    found = ATTACKS[attack](Victim(masked), x, goal, threat, rng=rng())
    assert goal.reached(net(found)).all()
    cost = threat.cost(x, found)
    fooled = goal.reached(net(white))
    assert fooled.float().mean() < 0.5 or (cost < threat.cost(x, white))[fooled].all()
    # and not much dearer than with the true gradient
    true = SparseFlip()(Victim(net), x, goal, threat, rng=rng())
    assert cost.median() <= 3 * threat.cost(x, true).median()


@pytest.mark.parametrize("attack", ATTACKS)
def test_targets_are_reached(victims, attack):
    net, x, labels, _, _ = victims["spiking"]
    goal = Targeted((labels + 1) % 3)
    adv = ATTACKS[attack](Victim(net), x, goal, Flip(60), rng=rng())
    assert goal.reached(net(adv)).float().mean() > 0.7


@pytest.mark.parametrize("attack", MINIMA)
def test_models_without_gradients_are_attacked(victims, attack):
    net, x, labels, _, _ = victims["spiking"]
    closed = torch.no_grad()(net.forward)
    found = ATTACKS[attack](Victim(closed), x, Untargeted(labels), Flip(), rng=rng())
    open_ = ATTACKS[attack](Victim(net), x, Untargeted(labels), Flip(), rng=rng())
    assert torch.equal(found, open_)


@pytest.mark.parametrize("attack", ATTACKS)
def test_universal_threats_are_refused(victims, attack):
    net, x, labels, _, _ = victims["spiking"]
    with pytest.raises(InvalidThreat, match="FitUniversal"):
        ATTACKS[attack](Victim(net), x, Untargeted(labels), Universal(5), rng=rng())
