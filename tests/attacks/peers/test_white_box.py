"""What the white-box peers promise, for all threats that they work under."""

from __future__ import annotations

import pytest
import torch

from spikeproof.attacks.peers import RateAttack, SparseDynamic, SpikeCompatible, SpikeFool
from spikeproof.attacks.random_edits import RandomEdits
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Targeted, Untargeted, WithConfidence
from spikeproof.models import HybridGradient
from spikeproof.threats import Flip, Patch, Retime, Sensor, Universal

SENSOR = Sensor(bin_us=1000.0, refractory=1000, max_rate=40_000.0)
PEERS = {
    "sda": SparseDynamic(rounds=12),
    "sda-own": SparseDynamic(first=4, rounds=12, surrogate=None),
    "spikefool": SpikeFool(),
    "scg": SpikeCompatible(),
    "rga-fgsm": RateAttack(steps=1),
    "rga-pgd": RateAttack(),
    "hart-pgd": RateAttack(HybridGradient(0.5)),
}
ALONE = ("sda", "sda-own", "spikefool")  # chance has no say, so batch-mates have none either
THREATS = [
    Flip(),
    Flip(10),
    Flip(0.25, add=False),
    Flip(0.5, remove=False, sensor=SENSOR),
    Flip(0),
    Patch(4, 4, (0, 0), start=1, duration=2, sensor=SENSOR),
]


def rng():
    return torch.Generator().manual_seed(7)


def reached(net, adv, goal):
    with torch.no_grad():
        return goal.reached(net(adv))


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("threat", THREATS, ids=str)
@pytest.mark.parametrize("model", ["spiking", "twin"])
def test_contract(victims, name, threat, model):
    attack = PEERS[name]
    net, x, labels, wrong, wrong_labels = victims[model]
    before, weights = x.clone(), {k: v.clone() for k, v in net.state_dict().items()}
    surrogates = [m.surrogate for m in net.modules() if hasattr(m, "surrogate")]
    victim = Victim(net, chunk=5)
    adv = attack(victim, x, Untargeted(labels), threat, rng=rng())
    assert adv.shape == x.shape
    assert adv.dtype == x.dtype
    verdict = threat.check(x, adv)
    assert verdict.ok.all(), verdict.why
    assert (threat.cost(x, adv) <= threat.limit(x)).all()
    assert torch.equal(x, before)
    assert not adv.requires_grad
    assert all(torch.equal(v, weights[k]) for k, v in net.state_dict().items())
    assert [m.surrogate for m in net.modules() if hasattr(m, "surrogate")] == surrogates
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert victim.queries.forwards > 0
    assert torch.equal(attack(victim, x, Untargeted(labels), threat, rng=rng()), adv)
    done = attack(victim, wrong, Untargeted(wrong_labels), threat, rng=rng())
    assert torch.equal(done, wrong)
    none = attack(victim, x[:0], Untargeted(labels[:0]), threat, rng=rng())
    assert none.shape == x[:0].shape


@pytest.mark.parametrize("name", ALONE)
@pytest.mark.parametrize("threat", [Flip(), Flip(10), Flip(0.25, add=False)], ids=str)
@pytest.mark.parametrize("model", ["spiking", "twin"])
def test_a_sample_is_attacked_alike_in_any_batch(victims, name, threat, model):
    net, x, labels, _, _ = victims[model]
    together = PEERS[name](Victim(net, chunk=4), x, Untargeted(labels), threat, rng=rng())
    for some in ([0], [7, 3, 5, 1, 6]):
        alone = PEERS[name](Victim(net), x[some], Untargeted(labels[some]), threat, rng=rng())
        assert torch.equal(alone, together[some])


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("model", ["spiking", "twin"])
def test_they_fool_and_chance_does_not(victims, name, model):
    net, x, labels, _, _ = victims[model]
    goal, threat = Untargeted(labels), Flip()
    adv = PEERS[name](Victim(net), x, goal, threat, rng=rng())
    fooled = reached(net, adv, goal)
    assert fooled.float().mean() > 0.6
    size = threat.cost(x, adv).long()[fooled]
    lucky = []
    for seed in range(5):
        chance = torch.Generator().manual_seed(seed)
        control = RandomEdits(size)(Victim(net), x[fooled], goal[fooled], threat, rng=chance)
        lucky.append(reached(net, control, goal[fooled]).float().mean())
    assert sum(lucky) / 5 < 0.5 * fooled.float().mean()


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("threat", [Retime(2), Universal(5), Patch(3, 3)], ids=str)
def test_threats_whose_edits_do_not_stand_alone_are_refused(victims, name, threat):
    net, x, labels, _, _ = victims["spiking"]
    with pytest.raises(InvalidThreat, match="one by one"):
        PEERS[name](Victim(net), x, Untargeted(labels), threat, rng=rng())


@pytest.mark.parametrize("name", PEERS)
def test_targets_are_aimed_at(victims, name):
    net, x, labels, _, _ = victims["spiking"]
    goal = Targeted((labels + 1) % 3)
    adv = PEERS[name](Victim(net), x, goal, Flip(), rng=rng())
    assert reached(net, adv, goal).float().mean() > 0.4
    here = PEERS[name](Victim(net), x, Targeted(labels), Flip(), rng=rng())
    assert torch.equal(here, x)  # they are there already


@pytest.mark.parametrize("name", PEERS)
def test_goals_can_be_firm(victims, name):
    net, x, labels, _, _ = victims["spiking"]
    goal = WithConfidence(Untargeted(labels), torch.full((len(x),), 0.1))
    adv = PEERS[name](Victim(net), x, goal, Flip(), rng=rng())
    assert reached(net, adv, goal).float().mean() > 0.4


@pytest.mark.parametrize("name", PEERS)
def test_count_grids_are_attacked_too(victims, name):
    net, x, _, _, _ = victims["spiking"]
    counts = 3 * x
    with torch.no_grad():
        goal = Untargeted(net(counts).argmax(1))
    adv = PEERS[name](Victim(net), counts, goal, Flip(), rng=rng())
    assert Flip().check(counts, adv).ok.all()
    assert reached(net, adv, goal).any()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: SparseDynamic(first=0),
        lambda: SpikeFool(stretch=0.0),
        lambda: SpikeCompatible(chance=0.0),
        lambda: RateAttack(share=0.0),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InvalidThreat):
        wrong()
