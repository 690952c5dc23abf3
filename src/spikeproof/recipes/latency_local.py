"""A latency network learned by local rules, and images made to fool a network without spikes.

An ordinary network is trained by back-propagation and converted to spiking rates; another of its
kind starts from other weights; the latency network is learned from scratch by local rules
(:mod:`spikeproof.training.local_rules`). FGSM and PGD work on the first alone, with all their
budget, and everybody is asked about what they made. The second ordinary network shows what having
been trained apart is worth, so that only what is beyond it is credited to spikes. At last each
network is attacked itself: what transfers badly may still be easy to fool.

Leontev, Antonov and Sukhov, ITNT 2021.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Generator

from spikeproof.attacks import FGSM, PGD, Attack, Square, Victim
from spikeproof.evaluate import judge, proportion
from spikeproof.goals import Untargeted, WithConfidence, margin
from spikeproof.images import Images
from spikeproof.models import Network, build, converted
from spikeproof.models.latency import LatencyNetwork
from spikeproof.recipes.base import Found, Recipe, RecipeContext
from spikeproof.recipes.operations import answers
from spikeproof.recipes.shares import above, line, right, told
from spikeproof.results import Proportion
from spikeproof.results.reproduction import Chart, Claim, Table
from spikeproof.threats import Linf
from spikeproof.training import LocalRules, TrainingConfig, fit, learn_locally
from spikeproof.types import Model

ANN, OTHER, RATE, LATENCY = "ANN", "ANN, other seed", "rate SNN", "latency SNN"
EPS = (0.05, 0.1, 0.15, 0.2, 0.3)
DECIDE = (0.1, 0.2)  # eps of the claims
ATTACKS: dict[str, Attack] = {"FGSM": FGSM(), "PGD": PGD(steps=40, size=0.05)}
# no logits reach this margin, so attacks use all their budget; above it float32 would lose digits
NEVER = 1e3

Stood: TypeAlias = dict[str, dict[str, list[Proportion]]]
"""Per attack and network, the share of right answers at each of :data:`EPS`."""


@dataclass(frozen=True)
class LatencyLocalEffort:
    """Sizes of the networks, epochs, steps of rates, and images of each part."""

    dense: int = 400
    epochs: int = 10
    steps: int = 64
    hidden: int = 1500
    winners: int = 100
    learn: int = 10**9
    transferred: int = 1000
    attacked: int = 200
    queries: int = 1000


QUICK = LatencyLocalEffort(
    dense=100,
    epochs=20,
    hidden=200,
    winners=40,
    learn=6000,
    transferred=200,
    attacked=40,
    queries=100,
)


def run(bench: RecipeContext) -> Found:
    """Train the four networks, then transfer and attack."""
    effort = QUICK if bench.quick else LatencyLocalEffort()
    learn, test = bench.data.learn.drawn(effort.learn, bench.seed), bench.data.test
    with bench.timed("training of the ANNs"):
        ann, other = (trained(learn, effort, bench.seed + turn) for turn in (0, 1))
    with bench.timed("conversion to rates"):
        rate = converted(ann, learn.drawn(1000, bench.seed).x, steps=effort.steps)
    with bench.timed("learning by local rules"):
        latency = taught(learn, effort, bench.seed)
    models: dict[str, Model] = {ANN: ann, OTHER: other, RATE: rate, LATENCY: latency}
    with bench.timed("clean images"):
        clean = {name: right(model, test) for name, model in models.items()}
    with bench.timed("transfer from the ANN"):
        stood = transfer(models, test.drawn(effort.transferred, bench.seed), bench.seed)
    with bench.timed("attacks on each network"):
        own = white_box(models, test.drawn(effort.attacked, bench.seed), effort, bench.seed)
    tables = (_table(attack, lines) for attack, lines in stood.items())
    return Found(
        claims=_claims(bench, clean, stood, own),
        tables=(answers(models, clean, test.x), *tables, _own(own)),
        charts=tuple(_chart(attack, lines) for attack, lines in stood.items()),
        models={"ann": ann, "rate": rate, "latency": latency},
    )


def trained(learn: Images, effort: LatencyLocalEffort, seed: int) -> Network:
    """An ordinary network with one hidden layer of ReLUs."""
    channels, height, width = learn.x.shape[2:]
    torch.manual_seed(seed)
    network = build(
        f"fc{effort.dense}-fc{len(learn.classes)}",
        height=height,
        width=width,
        polarities=channels,
        spiking=False,
    )
    recipe = TrainingConfig(
        effort.epochs, 64, rate=2e-3, decay=0.0, smoothing=0.0, seed=seed, augment=None
    )
    fit(network, learn.x, learn.labels, recipe)
    return network


def taught(learn: Images, effort: LatencyLocalEffort, seed: int) -> LatencyNetwork:
    """A latency network that local rules have taught."""
    channels, height, width = learn.x.shape[2:]
    torch.manual_seed(seed)
    network = LatencyNetwork(
        (channels, height, width),
        len(learn.classes),
        hidden=effort.hidden,
        winners=effort.winners,
    )
    learn_locally(network, learn.x, learn.labels, LocalRules(seed=seed))
    return network


def transfer(models: dict[str, Model], images: Images, seed: int) -> Stood:
    """Everybody's answers to what attacks on the ANN made, and to signs drawn at random."""
    x, labels = images.x, images.labels
    goal = WithConfidence(Untargeted(labels), torch.full((len(labels),), NEVER))
    stood: Stood = {attack: {name: [] for name in models} for attack in (*ATTACKS, "random signs")}
    for eps in EPS:
        threat = Linf(eps)
        made = {
            name: attack(_victim(models[ANN]), x, goal, threat, rng=Generator().manual_seed(seed))
            for name, attack in ATTACKS.items()
        }
        drawn = torch.randn(x.shape, generator=Generator().manual_seed(seed))
        made["random signs"] = threat.select(x, drawn)
        for attack, adv in made.items():
            for name, model in models.items():
                stood[attack][name].append(right(model, replace(images, x=adv)))
    return stood


def white_box(
    models: dict[str, Model], images: Images, effort: LatencyLocalEffort, seed: int
) -> dict[str, list[Proportion]]:
    """Share of images at :data:`DECIDE` that stand PGD on the network itself, and then Square."""
    goal, threats = Untargeted(images.labels), [Linf(eps) for eps in DECIDE]
    first = PGD(margin, steps=40, size=0.05)
    attack = Square(queries=effort.queries, first=first)
    stood: dict[str, list[Proportion]] = {name: [] for name in models}
    for name, model in models.items():
        for threat in threats:
            rng = Generator().manual_seed(seed)
            adv = attack(_victim(model), images.x, goal, threat, rng=rng)
            fell = judge(model, images.x, adv, goal, threat).success
            stood[name].append(proportion(int((~fell).sum()), len(images)))
    return stood


def _victim(model: Model) -> Victim:
    return Victim(model, chunk=200)


def _claims(
    bench: RecipeContext,
    clean: dict[str, Proportion],
    stood: Stood,
    own: dict[str, list[Proportion]],
) -> tuple[Claim, ...]:
    lost = _value(clean[ANN]) - _value(clean[RATE])
    claims = [
        Claim(
            "latency SNN, local rules only: right on the test images",
            ours=clean[LATENCY],
            aim="≥ 93 %",
            holds=bench.settled(_value(clean[LATENCY]) >= 0.93),
        ),
        Claim(
            "rate SNN: right answers lost in the conversion",
            figure=100 * lost,
            unit="points",
            aim="≤ 1",
            holds=bench.settled(lost <= 0.01),
        ),
    ]
    for attack in ATTACKS:
        for eps in DECIDE:
            at = {name: stood[attack][name][EPS.index(eps)] for name in clean}
            claims += [
                Claim(
                    f"latency SNN under {attack} from the ANN, eps {eps:g}",
                    ours=at[LATENCY],
                    published="more resistant than the ANN",
                    aim=f"interval above that of the rate SNN and of a second ANN"
                    f" ({told(at[RATE])}, {told(at[OTHER])})",
                    holds=bench.settled(
                        above(at[LATENCY], at[RATE]) and above(at[LATENCY], at[OTHER])
                    ),
                ),
                Claim(
                    f"rate SNN under {attack} from the ANN, eps {eps:g}",
                    ours=at[RATE],
                    published="not more resistant than the ANN",
                    aim=f"at most 5 points above the ANN ({told(at[ANN])})",
                    holds=bench.settled(_value(at[RATE]) <= _value(at[ANN]) + 0.05),
                ),
            ]
    stands = own[LATENCY][0]
    claims.append(
        Claim(
            f"latency SNN attacked itself, PGD then Square, eps {DECIDE[0]:g}: still right",
            ours=stands,
            published="spikes give no immunity",
            aim="interval below that of clean images",
            holds=bench.settled(above(clean[LATENCY], stands)),
        )
    )
    return tuple(claims)


def _table(attack: str, lines: dict[str, list[Proportion]]) -> Table:
    return Table(
        f"Right under {attack}, made for the ANN alone",
        ("network", *(f"eps {eps:g}" for eps in EPS)),
        tuple((name, *(told(share) for share in shares)) for name, shares in lines.items()),
    )


def _own(own: dict[str, list[Proportion]]) -> Table:
    return Table(
        "Right when attacked itself: PGD, then Square where that failed",
        ("network", *(f"eps {eps:g}" for eps in DECIDE)),
        tuple((name, *(told(share) for share in shares)) for name, shares in own.items()),
        note="Gradients of the latency SNN are those of exact spike times.",
    )


def _chart(attack: str, lines: dict[str, list[Proportion]]) -> Chart:
    return Chart(
        f"Right under {attack}, made for the ANN alone",
        "eps",
        "right",
        tuple(line(name, EPS, shares) for name, shares in lines.items()),
    )


def _value(share: Proportion) -> float:
    return share.k / share.n


LATENCY_LOCAL = Recipe(
    name="latency-local",
    title="A latency SNN learned by local rules, under images made for an ANN",
    source="Leontev, Antonov and Sukhov, ITNT 2021, doi 10.1109/ITNT52450.2021.9649179",
    run=run,
)
