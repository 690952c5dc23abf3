"""What every attack on intensities promises, and what each is for."""

from __future__ import annotations

import pytest
import torch

from spikeproof.adapters import ExpectationOverTransformation
from spikeproof.attacks import (
    APGD,
    FGSM,
    PGD,
    DualAveraging,
    MinimumNorm,
    RandomEdits,
    SparseRS,
    Square,
    Victim,
)
from spikeproof.attacks.intensities.apgd import checkpoints_of
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Targeted, Untargeted, cross_entropy, dlr, margin
from spikeproof.models import Bernoulli, Direct, Encoded, Latency, Poisson
from spikeproof.threats import L0, L2, Flip, Linf
from spikeproof.threats.ball import TOLERANCE

from ..pictures import STEPS, pictures, trained_on_pictures
from ..toy import right

ATTACKS = {
    "FGSM": FGSM(),
    "PGD": PGD(steps=10),
    "APGD": APGD(steps=12),
    "APGD, two starts": APGD(cross_entropy, steps=8, restarts=2),
    "dual averaging": DualAveraging(steps=8),
    "smallest": MinimumNorm(APGD(margin, steps=8), rounds=4),
    "square": Square(queries=40),
    "square, from APGD": Square(queries=30, first=APGD(margin, steps=6)),
    "smallest, by squares": MinimumNorm(Square(queries=20), rounds=3, anew=False),
    "sparse search": SparseRS(queries=40),
    "smallest, by sparse search": MinimumNorm(SparseRS(queries=20), rounds=3),
    "random": RandomEdits(),
}
THREATS = [Linf(0.1), Linf(), Linf(0.0), L2(0.6), L2(), L0(3), L0()]


@pytest.fixture(scope="module")
def seers():
    """A directly coded spiking network and its twin, with images they get right and wrong."""
    made = {}
    for name, spiking in (("spiking", True), ("twin", False)):
        net = trained_on_pictures(spiking)
        images, labels = pictures(60, seed=1)
        x, y = right(net, images, labels)
        with torch.no_grad():
            wrong = net(images).argmax(1) != labels
        assert len(x) >= 30
        assert wrong.any()
        made[name] = net, x[:8], y[:8], images[wrong], labels[wrong]
    return made


def rng(seed=7):
    return torch.Generator().manual_seed(seed)


def fooled(net, adv, labels):
    with torch.no_grad():
        return net(adv).argmax(1) != labels


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize(
    ("model", "threat"), [*(("spiking", t) for t in THREATS), ("twin", Linf(0.1))], ids=str
)
def test_contract(seers, name, threat, model):
    attack = ATTACKS[name]
    if ("square" in name) if isinstance(threat, L0) else ("sparse" in name):
        return  # refused: see below
    net, x, labels, wrong, wrong_labels = seers[model]
    before = x.clone()
    victim = Victim(net, chunk=5)
    adv = attack(victim, x, Untargeted(labels), threat, rng=rng())
    assert adv.shape == x.shape
    assert adv.dtype == x.dtype
    verdict = threat.check(x, adv)
    assert verdict.ok.all(), verdict.why
    assert (threat.cost(x, adv) <= threat.limit(x) + TOLERANCE).all()
    assert torch.equal(x, before)
    assert not adv.requires_grad
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert torch.equal(attack(victim, x, Untargeted(labels), threat, rng=rng()), adv)
    if not isinstance(attack, RandomEdits):  # what is wrong already stays as it is
        done = attack(victim, wrong, Untargeted(wrong_labels), threat, rng=rng())
        assert torch.equal(done, wrong)


@pytest.mark.parametrize("model", ["spiking", "twin"])
@pytest.mark.parametrize("threat", [Linf(), L2(), L0()], ids=str)
@pytest.mark.parametrize("attack", [APGD(margin), APGD(dlr), APGD(cross_entropy), DualAveraging()])
def test_without_a_limit_everything_is_fooled(seers, model, threat, attack):
    net, x, labels, *_ = seers[model]
    adv = attack(Victim(net), x, Untargeted(labels), threat, rng=rng())
    assert fooled(net, adv, labels).all()


@pytest.mark.parametrize("model", ["spiking", "twin"])
def test_many_small_steps_find_more_than_one_and_than_chance(seers, model):
    net, x, labels, *_ = seers[model]
    share = {}
    for name, attack in (
        ("random", RandomEdits()),
        ("FGSM", FGSM()),
        ("PGD", PGD()),
        ("APGD", APGD(margin)),
        ("square", Square(400)),
    ):
        adv = attack(Victim(net), x, Untargeted(labels), Linf(0.12), rng=rng())
        share[name] = fooled(net, adv, labels).float().mean()
    assert share["random"] < 0.3
    for name in ("PGD", "APGD", "square"):
        assert share[name] >= share["FGSM"]
        assert share[name] > share["random"] + 0.2


@pytest.mark.parametrize("model", ["spiking", "twin"])
def test_few_pixels_are_for_dual_averaging(seers, model):
    net, x, labels, *_ = seers[model]
    costs = [
        L0()
        .cost(x, MinimumNorm(attack)(Victim(net), x, Untargeted(labels), L0(), rng=rng()))
        .mean()
        for attack in (DualAveraging(steps=25), APGD(margin, steps=25))
    ]
    assert costs[0] < costs[1]


@pytest.mark.parametrize(
    ("model", "threat"),
    [("spiking", Linf()), ("spiking", L2()), ("spiking", L0()), ("twin", Linf())],
    ids=str,
)
def test_the_smallest_change_is_about_as_small_as_a_grid_of_radii_finds(seers, model, threat):
    net, x, labels, *_ = seers[model]
    goal, victim = Untargeted(labels), Victim(net)
    attack = DualAveraging(steps=25) if isinstance(threat, L0) else APGD(margin, steps=25)
    adv = MinimumNorm(attack)(victim, x, goal, threat, rng=rng())
    assert fooled(net, adv, labels).all()
    cost, most = threat.cost(x, adv), threat.cost(x, adv).max()
    grid = torch.full((len(x),), torch.inf)
    for share in torch.linspace(1.0, 0.1, 10).tolist():
        radius = share * most.item()
        there = attack(
            victim, x, goal, threat.at(int(radius) if isinstance(threat, L0) else radius), rng=rng()
        )
        grid[fooled(net, there, labels)] = radius
    assert (cost <= grid + 0.15 * most + threat.resolution).all()
    assert cost.mean() <= grid.mean()


def test_targets_are_reached(seers):
    net, x, labels, *_ = seers["spiking"]
    targets = (labels + 1) % 3
    for attack in (APGD(dlr), DualAveraging(), MinimumNorm(), Square(300)):
        adv = attack(Victim(net), x, Targeted(targets), Linf(0.6), rng=rng())
        with torch.no_grad():
            assert (net(adv).argmax(1) == targets).float().mean() > 0.9


def test_what_is_fooled_asks_no_more(seers):
    net, x, labels, *_ = seers["spiking"]
    goal = Untargeted(labels)
    for attack in (PGD(steps=30), APGD(steps=30), DualAveraging(steps=30)):
        victim = Victim(net)
        attack(victim, x, goal, Linf(0.5), rng=rng())
        assert victim.queries.gradients < 30 * len(x) / 2
        stubborn = Victim(net)
        attack(stubborn, x, goal, Linf(0.0), rng=rng())
        assert stubborn.queries.gradients == 30 * len(x)
    begun = Victim(net)
    Square(25, first=APGD(steps=10))(begun, x, goal, Linf(0.0), rng=rng())
    assert begun.queries.gradients == 10 * len(x)
    victim = Victim(net)
    Square(25)(victim, x, goal, Linf(0.0), rng=rng())
    assert victim.queries.forwards == 25 * len(x)
    assert victim.queries.gradients == 0


def test_restarts_find_no_less(seers):
    net, x, labels, *_ = seers["spiking"]
    few, many = (
        APGD(dlr, steps=6, restarts=r)(Victim(net), x, Untargeted(labels), Linf(0.1), rng=rng())
        for r in (1, 4)
    )
    assert (fooled(net, few, labels) <= fooled(net, many, labels)).all()


def test_checkpoints_are_those_of_the_paper():
    """By hand: p = 0.22, then p + max(last gap - 0.03, 0.06) (Croce & Hein 2020, section 3.3)."""
    assert checkpoints_of(100) == (22, 41, 57, 70, 80, 87, 93, 99)
    assert checkpoints_of(10)[0] == 3


def test_the_step_is_halved_where_it_overshoots():
    """A parabola: steps of twice the limit jump across the top, halved ones reach it."""

    def parabola(x):
        height = -(x.flatten(1) - 0.53).square().sum(1)
        return torch.stack([height, torch.zeros_like(height)], 1)

    x = torch.full((1, 1, 1, 2, 2), 0.4)
    goal = Targeted(torch.tensor([0]))
    assert goal.margin(parabola(x)).item() == pytest.approx(-4 * 0.13**2)
    adv = APGD(margin, steps=100)(Victim(parabola, None), x, goal, Linf(0.3), rng=rng())
    assert (adv - 0.53).abs().max() < 2e-3
    coarse = PGD(margin, steps=100, size=2.0)(Victim(parabola, None), x, goal, Linf(0.3), rng=rng())
    assert (coarse - 0.53).abs().max() > 0.05


@pytest.mark.parametrize("name", [name for name in ATTACKS if name != "random"])
def test_events_are_not_intensities(seers, name):
    net, x, labels, *_ = seers["spiking"]
    with pytest.raises(InvalidThreat):
        ATTACKS[name](Victim(net), x, Untargeted(labels), Flip(3), rng=rng())


def test_squares_begin_where_gradients_gave_up(seers):
    net, x, labels, *_ = seers["spiking"]
    threat = Linf(0.05)
    first = APGD(margin, steps=4)
    alone, together = (
        attack(Victim(net), x, Untargeted(labels), threat, rng=rng())
        for attack in (first, Square(300, first=first))
    )
    with torch.no_grad():
        margins = [Untargeted(labels).margin(net(adv)) for adv in (alone, together)]
    assert (margins[1] >= margins[0]).all()
    assert (margins[1] > margins[0]).any()


def test_a_smallest_change_is_refined_by_squares(seers):
    net, x, labels, *_ = seers["spiking"]
    goal, threat = Untargeted(labels), Linf()
    coarse = MinimumNorm(APGD(steps=5), rounds=2)(Victim(net), x, goal, threat, rng=rng())
    before = coarse.clone()
    finer = MinimumNorm(Square(60), rounds=4, anew=False).refine(
        Victim(net), x, coarse, goal, threat
    )
    assert torch.equal(coarse, before)
    assert fooled(net, finer, labels).all()
    assert (threat.cost(x, finer) <= threat.cost(x, coarse)).all()
    assert threat.cost(x, finer).mean() < threat.cost(x, coarse).mean()


def test_square_has_no_moves_for_single_pixels(seers):
    net, x, labels, *_ = seers["spiking"]
    with pytest.raises(InvalidThreat, match="not of L0"):
        Square()(Victim(net), x, Untargeted(labels), L0(3), rng=rng())


def test_a_search_over_pixels_finds_more_than_chance_and_needs_no_gradient(seers):
    net, x, labels, *_ = seers["spiking"]
    goal, threat, found = Untargeted(labels), L0(3), {}
    for name, attack in (("random", RandomEdits()), ("search", SparseRS(300))):
        victim = Victim(net)
        adv = attack(victim, x, goal, threat, rng=rng())
        assert victim.queries.gradients == 0
        assert victim.queries.forwards <= 300 * len(x)
        assert threat.check(x, adv).ok.all()
        found[name] = int(fooled(net, adv, labels).sum())
    assert found["search"] > found["random"]
    with pytest.raises(InvalidThreat, match="needs L0, not Linf"):
        SparseRS()(Victim(net), x, goal, Linf(0.1), rng=rng())


CODES = {
    "direct": Direct(STEPS),
    "bernoulli": Bernoulli(8),
    "poisson": Poisson(8, rate=2.0),
    "latency": Latency(STEPS, reach=0.3),
    "log latency": Latency(STEPS, law="log", reach=0.3),
}


@pytest.mark.parametrize("code", CODES)
def test_gradients_pass_every_code(seers, code):
    """The same network behind other codes, random ones as means of draws."""
    network = seers["spiking"][0].network
    coded = Encoded(CODES[code], network)
    model = (
        ExpectationOverTransformation(coded, draws=8) if code in ("bernoulli", "poisson") else coded
    )
    x, _ = pictures(30, seed=2)
    with torch.no_grad():
        labels = model(x).argmax(1)
    goal, threat = Untargeted(labels), Linf(0.2)
    adv, chance = (
        attack(Victim(model, chunk=64), x, goal, threat, rng=rng())
        for attack in (APGD(cross_entropy, steps=12), RandomEdits())
    )
    assert threat.check(x, adv).ok.all()
    assert fooled(model, adv, labels).sum() > 1.5 * fooled(model, chance, labels).sum()
    again = APGD(cross_entropy, steps=12)(Victim(model, chunk=64), x, goal, threat, rng=rng())
    assert torch.equal(again, adv)  # draws too are those of the seed
