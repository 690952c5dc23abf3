"""What our attacks promise, the peers of the DVS literature promise too."""

from __future__ import annotations

import itertools

import pytest
import torch

from spikeproof.attacks import RandomEdits, Victim
from spikeproof.attacks.peers import (
    CornerAttack,
    DashAttack,
    FrameAttack,
    GumbelSoftmax,
    SparseAttack,
    SpikeRetiming,
)
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Targeted, Untargeted, margin
from spikeproof.threats import Flip, Patch, Retime, Sensor, Universal

SENSOR = Sensor(bin_us=1000.0, refractory=1000, max_rate=40_000.0)
ADDING = [Flip(), Flip(10), Flip(0.5, remove=False, sensor=SENSOR), Flip(0)]
FLIPS = [*ADDING, Flip(0.25, add=False), Patch(3, 3, (1, 2))]
MOVES = [
    Retime(1),
    Retime(3, 6),
    Retime(3, max_total=9),
    Retime(2, 0.5, Sensor(bin_us=1000.0, max_rate=40_000.0), 0.2),
    Retime(2, 0.5, SENSOR),
    Retime(1, 0),
    Retime(1, max_total=0),
]
ATTACKS = {
    "frame": (FrameAttack(), ADDING),
    "corner": (CornerAttack(2), ADDING),
    "dash": (DashAttack(2), ADDING),
    "mask": (DashAttack(activity=3), ADDING),
    "sparse": (SparseAttack(4), [*FLIPS, Retime(2, 9)]),
    "sparse in frames": (SparseAttack(4, frames=((0, 1), (2, 4))), FLIPS),
    "gumbel": (GumbelSoftmax(6), [*FLIPS, Retime(2, 9)]),
    "retiming": (SpikeRetiming(6), MOVES),
}
CASES = [(name, threat) for name, (_, threats) in ATTACKS.items() for threat in threats]


def rng(seed=7):
    return torch.Generator().manual_seed(seed)


def reached(net, x, labels):
    with torch.no_grad():
        return net(x).argmax(1) != labels


@pytest.mark.parametrize(("name", "threat"), CASES, ids=str)
@pytest.mark.parametrize("model", ["spiking", "twin"])
def test_contract(victims, name, threat, model):
    attack = ATTACKS[name][0]
    net, x, labels, wrong, wrong_labels = victims[model]
    before, weights = x.clone(), {k: v.clone() for k, v in net.state_dict().items()}
    surrogates = [m.surrogate for m in net.modules() if hasattr(m, "surrogate")]
    victim, goal = Victim(net, chunk=5), Untargeted(labels)
    adv = attack(victim, x, goal, threat, rng=rng())
    assert adv.shape == x.shape
    assert adv.dtype == x.dtype
    verdict = threat.check(x, adv)
    assert verdict.ok.all(), verdict.why
    cost = threat.cost(x, adv)
    assert (cost <= threat.limit(x)).all()
    if not threat.limit(x).any():
        assert torch.equal(adv, x)
    # nothing is left behind
    assert torch.equal(x, before)
    assert not adv.requires_grad
    assert all(torch.equal(v, weights[k]) for k, v in net.state_dict().items())
    assert [m.surrogate for m in net.modules() if hasattr(m, "surrogate")] == surrogates
    assert all(p.grad is None for p in net.parameters())
    # the same again; what is wrong already stays as it is; nothing is no problem
    assert torch.equal(attack(victim, x, goal, threat, rng=rng()), adv)
    done = attack(victim, wrong, Untargeted(wrong_labels), threat, rng=rng())
    assert torch.equal(done, wrong)
    assert len(attack(victim, x[:0], Untargeted(labels[:0]), threat, rng=rng())) == 0


GRADIENT = [("sparse", Flip()), ("gumbel", Flip()), ("retiming", Retime(2))]
SEARCHES = {
    "sparse": SparseAttack(),
    "gumbel": GumbelSoftmax(40),
    "retiming": SpikeRetiming(),
}


@pytest.mark.parametrize(("name", "threat"), GRADIENT, ids=str)
def test_searches_beat_chance_at_the_same_size(victims, name, threat):
    net, x, labels, _, _ = victims["spiking"]
    victim = Victim(net)
    adv = SEARCHES[name](victim, x, Untargeted(labels), threat, rng=rng())
    fooled = reached(net, adv, labels)
    assert fooled.float().mean() > 0.4
    size = threat.cost(x, adv).long()[fooled]
    lucky = []
    for seed in range(5):
        by_chance = RandomEdits(size)(
            victim, x[fooled], Untargeted(labels[fooled]), threat, rng=rng(seed)
        )
        lucky.append(reached(net, by_chance, labels[fooled]).float().mean())
    assert sum(lucky) / 5 < 0.4


@pytest.mark.parametrize(
    "threat",
    [Retime(1), Retime(3, max_total=12), Retime(3, 8), Retime(2, 10, max_total=14)],
    ids=str,
)
def test_retiming_beats_chance_within_each_budget(victims, threat):
    net, x, labels, _, _ = victims["spiking"]
    victim = Victim(net)
    adv = SpikeRetiming()(victim, x, Untargeted(labels), threat, rng=rng())
    mine = reached(net, adv, labels).float().mean()
    chance = torch.stack(
        [
            reached(net, RandomEdits()(victim, x, Untargeted(labels), threat, rng=rng(s)), labels)
            for s in range(5)
        ]
    )
    assert mine > chance.float().mean()


@pytest.mark.parametrize("name", ["sparse", "gumbel"])
def test_targets_are_reached(victims, name):
    net, x, labels, _, _ = victims["spiking"]
    targets = (labels + 1) % 3
    adv = SEARCHES[name](Victim(net), x, Targeted(targets), Flip(), rng=rng())
    with torch.no_grad():
        assert (net(adv).argmax(1) == targets).float().mean() > 0.7


def test_sparse_edits_only_the_chosen_frames(victims):
    net, x, labels, _, _ = victims["spiking"]
    attack = SparseAttack(frames=((1, 2), (3, 4)))
    adv = attack(Victim(net), x, Untargeted(labels), Flip(), rng=rng())
    assert torch.equal(adv[:, [0, 2]], x[:, [0, 2]])
    assert not torch.equal(adv[:, [1, 3]], x[:, [1, 3]])
    for frames in (((0, 5),), ((2, 2),), ((-1, 2),)):
        with pytest.raises(InvalidThreat, match="are not among the 4 bins"):
            SparseAttack(frames=frames)(Victim(net), x, Untargeted(labels), Flip(), rng=rng())


def test_sparse_works_on_counts_and_gumbel_says_that_it_does_not(victims):
    net, x, _, _, _ = victims["spiking"]
    counts = 3 * x
    with torch.no_grad():
        labels = net(counts).argmax(1)
    adv = SparseAttack(10)(Victim(net), counts, Untargeted(labels), Flip(20), rng=rng())
    assert Flip(20).check(counts, adv).ok.all()
    with pytest.raises(InvalidThreat, match="use a binary grid"):
        GumbelSoftmax()(Victim(net), counts, Untargeted(labels), Flip(), rng=rng())


def test_gumbel_edits_only_near_events(victims):
    net, x, labels, _, _ = victims["spiking"]
    adv = GumbelSoftmax(12, reach=0)(Victim(net), x, Untargeted(labels), Flip(), rng=rng())
    empty = (x.sum(2, keepdim=True) == 0).expand(x.shape)
    assert not adv[empty].any()
    assert not torch.equal(adv, x)


@pytest.mark.parametrize(
    ("attack", "threat", "why"),
    [
        *itertools.product(
            [SparseAttack(), GumbelSoftmax()], [Universal(5)], ["works recording by recording"]
        ),
        (SpikeRetiming(), Flip(), "give it a Retime threat"),
    ],
    ids=lambda given: type(given).__name__,
)
def test_threats_that_do_not_suit_are_refused(victims, attack, threat, why):
    net, x, labels, _, _ = victims["spiking"]
    with pytest.raises(InvalidThreat, match=why):
        attack(Victim(net), x, Untargeted(labels), threat, rng=rng())


def test_another_loss_can_be_climbed(victims):
    net, x, labels, _, _ = victims["spiking"]
    adv = SpikeRetiming(loss=margin)(Victim(net), x, Untargeted(labels), Retime(2), rng=rng())
    assert reached(net, adv, labels).any()
