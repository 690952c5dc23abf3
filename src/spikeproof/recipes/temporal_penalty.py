"""First spikes with a temporal penalty: does holding output times make a network robust?

A 784-400-10 network of first crossings (:mod:`spikeproof.models.crossing`) is trained for a sweep
of the penalty's weight ``gamma`` and of the time ``t_ref`` where it holds the outputs
(:mod:`spikeproof.training.temporal_penalty`), and a ReLU network of the same size in the same way.
All are attacked with FGSM and PGD. Which setting is best is decided by PGD on images held out from
training. Because gradients of spike times hide weaknesses (an input that comes after a spike has
none), the best, the one without penalty and the ReLU network also face AutoSpike, which follows
other losses and asks without gradients, and Auto-PGD along gradients that tell of later inputs.

Nomura, Sakemi, Hosomi and Morie, IEEE TCAS-II 69(9), 2022.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from spikeproof.attacks import FGSM, PGD, Attack
from spikeproof.evaluate import proportion
from spikeproof.images import Images
from spikeproof.images.set import held_out
from spikeproof.models import SerializableNetwork, build
from spikeproof.models.crossing import CrossingNetwork
from spikeproof.recipes.base import Found, Recipe, RecipeContext
from spikeproof.recipes.operations import OPERATIONS, OPERATIONS_NOTE, operations_row
from spikeproof.recipes.shares import above, line, right, told
from spikeproof.recipes.under_attack import Strongest, standing, strongest
from spikeproof.results import Proportion
from spikeproof.results.reproduction import Chart, Claim, Table
from spikeproof.training import TemporalPenalty, TrainingConfig, fit

HIDDEN = 400
ANN = "the ReLU network"
FREE = TemporalPenalty(0.0)
SWEEP = (
    FREE,
    TemporalPenalty(1.0, t_ref=1.0),
    TemporalPenalty(10.0, t_ref=1.0),
    TemporalPenalty(100.0, t_ref=1.0),
    TemporalPenalty(10.0, t_ref=0.8),
    TemporalPenalty(10.0, t_ref=1.4),
)
EPS = (0.05, 0.1, 0.15, 0.2, 0.3)
STRONG = (0.1, 0.2)  # eps of the strong attacks
REACH = (0.02, 0.05)  # how long after a spike inputs are heard by the gradients of the last attack
CHOICE = 0.15  # eps at which settings are compared on held-out images
NEAR = 0.01  # of clean accuracy on held-out images that the best setting may lose to any other
ATTACKS: dict[str, Attack] = {"FGSM": FGSM(), "PGD": PGD(steps=40)}


@dataclass(frozen=True)
class TemporalPenaltyEffort:
    """Epochs, settings of the sweep, and images: held out, for the attacks, for AutoSpike."""

    epochs: int = 10
    batch: int = 128
    sweep: tuple[TemporalPenalty, ...] = SWEEP
    held: int = 2000
    attacked: int = 1000
    strong: int = 300
    steps: int = 40  # of each stage of AutoSpike


QUICK = TemporalPenaltyEffort(
    epochs=20, batch=32, sweep=SWEEP[:3], held=200, attacked=100, strong=30, steps=10
)


def run(bench: RecipeContext) -> Found:
    """Train the sweep and the ReLU network, attack them, and choose."""
    effort = QUICK if bench.quick else TemporalPenaltyEffort()
    test, seed = bench.data.test, bench.seed
    parts = held_out(bench.data.learn, "images to learn from", effort.held, seed)
    attacked = held_out(test, "test images", effort.attacked, seed).test
    networks: dict[str, SerializableNetwork] = {}
    for objective in (None, *effort.sweep):
        name = ANN if objective is None else named(objective)
        with bench.timed(f"training, {name}"):
            networks[name] = trained(objective, parts.learn, effort, seed)
    with bench.timed("choice on held-out images"):
        spiking = {name: net for name, net in networks.items() if name != ANN}
        best = chosen(spiking, parts.test, seed)
    clean = {name: right(net, test) for name, net in networks.items()}
    stands: dict[str, dict[str, list[Proportion]]] = {}
    for attack in ATTACKS:
        with bench.timed(attack):
            stands[attack] = {
                name: [standing(net, attacked, ATTACKS[attack], eps, seed) for eps in EPS]
                for name, net in networks.items()
            }
    some = held_out(attacked, "attacked images", effort.strong, seed).test
    strong = {}
    for name in dict.fromkeys((ANN, named(FREE), best)):
        with bench.timed(f"strong attacks, {name}"):
            net = networks[name]
            guides = [net.reaching(r) for r in REACH] if isinstance(net, CrossingNetwork) else []
            strong[name] = [
                strongest(net, some, eps, seed, steps=effort.steps, guides=guides) for eps in STRONG
            ]
    return Found(
        claims=_claims(bench, best, clean, stands, strong),
        tables=(_sweep(networks, clean, stands, best, attacked), _doubt(strong)),
        charts=tuple(_chart(attack, lines) for attack, lines in stands.items()),
        models={"relu": networks[ANN], "free": networks[named(FREE)], "best": networks[best]},
    )


def named(objective: TemporalPenalty) -> str:
    """A setting in words."""
    if not objective.gamma:
        return "no penalty"
    return f"gamma {objective.gamma:g}, t_ref {objective.t_ref:g}"


def trained(
    objective: TemporalPenalty | None, learn: Images, effort: TemporalPenaltyEffort, seed: int
) -> SerializableNetwork:
    """A network of first crossings, or without an ``objective`` a ReLU network of the same size."""
    channels, height, width = learn.x.shape[2:]
    classes = len(learn.classes)
    torch.manual_seed(seed)
    network: SerializableNetwork
    if objective is None:
        line = f"fc{HIDDEN}-fc{classes}"
        network = build(line, height=height, width=width, polarities=channels, spiking=False)
    else:
        network = CrossingNetwork((channels, height, width), (HIDDEN, classes))
    recipe = TrainingConfig(
        effort.epochs, effort.batch, rate=2e-3, decay=0.0, smoothing=0.0, seed=seed, augment=None
    )
    fit(network, learn.x, learn.labels, recipe, objective=objective)
    return network


def chosen(networks: Mapping[str, SerializableNetwork], held: Images, seed: int) -> str:
    """The setting that stands PGD best on held-out images, among those about as right as any."""
    clean = {name: right(net, held).value or 0.0 for name, net in networks.items()}
    able = [name for name in networks if clean[name] >= max(clean.values()) - NEAR]
    stood = {
        name: standing(networks[name], held, ATTACKS["PGD"], CHOICE, seed).value or 0.0
        for name in able
    }
    return max(able, key=stood.__getitem__)


Stands = Mapping[str, Mapping[str, Sequence[Proportion]]]
"""By attack and network, what stands at each of ``EPS``."""


def _claims(
    bench: RecipeContext,
    best: str,
    clean: Mapping[str, Proportion],
    stands: Stands,
    strong: Mapping[str, Sequence[Strongest]],
) -> tuple[Claim, ...]:
    """Clean accuracy, and the best setting beside the ReLU network, and beside no penalty."""
    enough = bench.settled((clean[best].value or 0.0) >= 0.975)
    claims = [Claim(f"clean accuracy, {best}", clean[best], aim="≥ 97.5 %", holds=enough)]
    pairs = [
        (f"{attack}, eps {eps:g}", lines[best][k], ANN, lines[ANN][k])
        for attack, lines in stands.items()
        for k, eps in enumerate(EPS)
    ]
    pairs += [
        (f"all attacks, eps {ours.eps:g}", ours.all, other, theirs.all)
        for other in strong
        if other != best
        for ours, theirs in zip(strong[best], strong[other], strict=True)
    ]
    for where, ours, other, theirs in pairs:
        ahead = above(ours, theirs)
        claims.append(
            Claim(
                f"{where}, {best}",
                ours,
                published="more robust than an ANN" if other == ANN else "",
                aim=f"above {told(theirs)} of {other}",
                holds=bench.settled(ahead),
                why="" if ahead else "the intervals overlap, or it is below",
            )
        )
    return tuple(claims)


def _sweep(
    networks: Mapping[str, SerializableNetwork],
    clean: Mapping[str, Proportion],
    stands: Stands,
    best: str,
    attacked: Images,
) -> Table:
    rows = []
    for name, network in networks.items():
        times, costs = "", operations_row(network, attacked.x)
        if isinstance(network, CrossingNetwork):
            with torch.no_grad():
                first = network.crossings(attacked.x).times[-1].amin(1)
            times = f"{first.mean():.2f} ± {first.std():.2f}"
        stood = [_percent(p) for lines in stands.values() for p in lines[name]]
        rows.append((name, told(clean[name]), *costs, times, *stood))
    columns = [f"{attack} {eps:g}" for attack in stands for eps in EPS]
    widest = proportion(len(attacked) // 2, len(attacked))
    return Table(
        "The sweep: share of test images that get their label, clean and attacked",
        ("network", "clean", *OPERATIONS, "decides at", *columns),
        tuple(rows),
        f"{len(attacked)} images attacked, intervals up to {told(widest)}. Chosen on held-out"
        f" images: {best}. Pixels spike from 0 to 1, black ones at 1; the decision is the first"
        f" output spike. {OPERATIONS_NOTE}",
    )


def _doubt(strong: Mapping[str, Sequence[Strongest]]) -> Table:
    rows = tuple(
        (name, f"{s.eps:g}", *map(told, (s.pgd, s.auto, s.all)), str(s.squares))
        for name, found in strong.items()
        for s in found
    )
    n = strong[ANN][0].all.n
    return Table(
        "Do gradients hide weaknesses? The same images under a stronger attack",
        ("network", "eps", "stands PGD", "stands AutoSpike", "stands all", "only to squares"),
        rows,
        f"{n} images. AutoSpike: Auto-PGD with three losses, dual averaging, the next three classes"
        " as targets, and random squares, which ask for no gradient, alone and from where Auto-PGD"
        " gave up. All: also Auto-PGD along a gradient that tells of pixels which come up to"
        f" {max(REACH):g} after a spike.",
    )


def _chart(attack: str, lines: Mapping[str, Sequence[Proportion]]) -> Chart:
    series = tuple(line(name, EPS, shares) for name, shares in lines.items())
    return Chart(f"Accuracy under {attack}", "eps (largest change of a pixel)", "right", series)


def _percent(p: Proportion) -> str:
    return f"{100 * (p.value or 0):.1f}"


TEMPORAL_PENALTY = Recipe(
    "temporal-penalty",
    "First spikes with a temporal penalty, beside a ReLU network of the same size, under attack",
    "Nomura, Sakemi, Hosomi and Morie, IEEE TCAS-II 69(9), 2022",
    run,
)
