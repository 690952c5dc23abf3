"""A spiking deep belief network beside an ordinary network of the same size, attacked by asking.

One stack of Boltzmann machines is learned without labels. The spiking network keeps it and learns
only a label layer on top, by a local rule; the ordinary one is trained on from there by
back-propagation. A greedy search without gradients, which changes squares of the image and keeps
what lowers the margin, attacks both with the same number of questions; the spiking network is
judged on other spikes than those that the search saw. Random noise of the same size stands beside.

The search of the paper is greedy over windows of pixels with random noise; ours is the square
attack, which is greedy over squares at the ends of the allowed range.

Marchisio et al., IJCNN 2020.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Generator

from spikeproof.adapters import ExpectationOverTransformation
from spikeproof.attacks import Square, Victim
from spikeproof.evaluate import answer, judge, proportion
from spikeproof.goals import Untargeted
from spikeproof.images import Images
from spikeproof.models import SerializableNetwork
from spikeproof.models.belief import BeliefNetwork, SpikingBelief
from spikeproof.recipes.base import Found, Recipe, RecipeContext
from spikeproof.recipes.operations import answers
from spikeproof.recipes.shares import above, line, right, told
from spikeproof.results import Proportion
from spikeproof.results.reproduction import Chart, Claim, Table
from spikeproof.threats import Linf
from spikeproof.training import (
    ContrastiveDivergence,
    TrainingConfig,
    fit,
    fit_stack,
    set_label_layer,
    set_stack,
)
from spikeproof.types import Cells, Model

SPIKING, DEEP = "spiking DBN", "DNN"
EPS = (0.05, 0.1, 0.15, 0.2, 0.3)
BOUNDED = 0.3  # eps at which the attack must succeed


@dataclass(frozen=True)
class SpikingDBNEffort:
    """Sizes, settings of contrastive divergence, epochs of back-propagation, images, questions."""

    sizes: tuple[int, ...] = (500, 500)
    machines: ContrastiveDivergence = field(default_factory=ContrastiveDivergence)
    epochs: int = 4
    steps: int = 32
    learn: int = 10**9
    tested: int = 10**9
    attacked: int = 200
    queries: int = 200


QUICK = SpikingDBNEffort(
    sizes=(100, 60),
    machines=ContrastiveDivergence(epochs=40, batch=10, rate=0.3),
    epochs=10,
    steps=16,
    learn=3000,
    tested=400,
    attacked=30,
    queries=60,
)


@dataclass(frozen=True)
class Attacked:
    """What the search did to one network: successes, mean change of a pixel, PSNR in dB.

    ``noise`` are the successes of random signs of the same ``eps``, ``noise_change`` their change.
    """

    fooled: Proportion
    change: float
    psnr: float
    noise: Proportion
    noise_change: float


def run(bench: RecipeContext) -> Found:
    """Learn the stack and both networks, then attack."""
    effort = QUICK if bench.quick else SpikingDBNEffort()
    learn = bench.data.learn.drawn(effort.learn, bench.seed)
    test = bench.data.test.drawn(effort.tested, bench.seed)
    spiking, deep = learned(learn, effort, bench)
    models: dict[str, Model] = {
        SPIKING: ExpectationOverTransformation(spiking, 1, bench.seed),
        DEEP: deep,
    }
    with bench.timed("clean images"):
        said = {name: answer(model, test.x, chunk=100).argmax(1) for name, model in models.items()}
    hit = {name: guess == test.labels for name, guess in said.items()}
    clean = {name: proportion(int(flags.sum()), len(test)) for name, flags in hit.items()}
    both = (hit[SPIKING] & hit[DEEP]).nonzero().squeeze(1)[: effort.attacked]
    images = test.subset(both.numpy())
    found: dict[str, list[Attacked]] = {}
    for name, model in models.items():
        with bench.timed(f"attacks on the {name}"):
            found[name] = [attacked(model, images, eps, effort.queries, bench.seed) for eps in EPS]
    with bench.timed("accuracy over time"):
        curve = over_time(spiking, test.drawn(500, bench.seed), bench.seed)
    described: dict[str, SerializableNetwork] = {"spiking-dbn": spiking, "dnn": deep}
    return Found(
        claims=_claims(bench, clean, found),
        tables=(
            answers(models, clean, test.x),
            *(_table(name, rows) for name, rows in found.items()),
        ),
        charts=(curve, _chart(found)),
        models=described,
    )


def learned(
    learn: Images, effort: SpikingDBNEffort, bench: RecipeContext
) -> tuple[SpikingBelief, BeliefNetwork]:
    """The spiking and the ordinary network, from the same stack."""
    channels, height, width = learn.x.shape[2:]
    shape, classes = (channels, height, width), len(learn.classes)
    with bench.timed("Boltzmann machines"):
        machines = replace(effort.machines, seed=bench.seed)
        stack = fit_stack(effort.sizes, learn.x.flatten(1), machines)
    torch.manual_seed(bench.seed)
    spiking = SpikingBelief(shape, effort.sizes, classes, steps=effort.steps)
    deep = BeliefNetwork(shape, effort.sizes, classes)
    with bench.timed("label layers"):
        for network in (spiking, deep):
            set_stack(network, stack)
            set_label_layer(network, learn.x, learn.labels, seed=bench.seed)
    with bench.timed("back-propagation, DNN only"):
        recipe = TrainingConfig(
            effort.epochs, 64, 1e-3, decay=0.0, smoothing=0.0, seed=bench.seed, augment=None
        )
        fit(deep, learn.x, learn.labels, recipe)
    return spiking, deep


def attacked(model: Model, images: Images, eps: float, queries: int, seed: int) -> Attacked:
    """Square with ``queries`` questions per image, and random signs, on images all answered right.

    A random model is judged with other draws than those of the search.
    """
    goal, threat = Untargeted(images.labels), Linf(eps)
    own = model.fresh(0) if isinstance(model, ExpectationOverTransformation) else model
    attack, rng = Square(queries=queries), Generator().manual_seed(seed)
    adv = attack(Victim(model, chunk=100), images.x, goal, threat, rng=rng)
    drawn = torch.randn(images.x.shape, generator=Generator().manual_seed(seed))
    noisy = threat.select(images.x, drawn)
    fell, noise = (judge(own, images.x, x, goal, threat).success for x in (adv, noisy))
    n = len(images)
    return Attacked(
        proportion(int(fell.sum()), n),
        float((adv - images.x).abs().mean()),
        psnr(images.x, adv),
        proportion(int(noise.sum()), n),
        float((noisy - images.x).abs().mean()),
    )


def psnr(clean: Cells, adv: Cells) -> float:
    """Peak signal-to-noise ratio in dB of intensities in [0, 1], of all images together."""
    return -10 * math.log10(max(float((adv - clean).square().mean()), 1e-12))


def over_time(spiking: SpikingBelief, images: Images, seed: int) -> Chart:
    """Accuracy against the number of time steps."""
    shares, steps = [], (1, 2, 4, 8, 16, 32, 64)
    d = spiking.description
    for count in steps:
        other = SpikingBelief(
            (d["input"][0], d["input"][1], d["input"][2]), d["hidden"], d["classes"], steps=count
        )
        other.load_state_dict(spiking.state_dict())
        shares.append(right(ExpectationOverTransformation(other.eval(), 1, seed), images))
    return Chart(
        "Accuracy of the spiking DBN over time", "steps", "right", (line(SPIKING, steps, shares),)
    )


def _claims(
    bench: RecipeContext, clean: dict[str, Proportion], found: dict[str, list[Attacked]]
) -> tuple[Claim, ...]:
    spiking, deep = (found[name][EPS.index(BOUNDED)] for name in (SPIKING, DEEP))
    apart = [
        eps
        for eps, a, b in zip(EPS, found[SPIKING], found[DEEP], strict=True)
        if above(a.fooled, b.fooled) or above(b.fooled, a.fooled)
    ]
    claims = [
        Claim(
            "spiking DBN: right on the test images",
            ours=clean[SPIKING],
            aim="≥ 94 %",
            holds=bench.settled(clean[SPIKING].k >= 0.94 * clean[SPIKING].n),
        ),
        Claim("DNN of the same size, trained on by back-propagation", ours=clean[DEEP]),
    ]
    for name, what in ((SPIKING, spiking), (DEEP, deep)):
        claims.append(
            Claim(
                f"{name} fooled without gradients, eps {BOUNDED:g}",
                ours=what.fooled,
                published="vulnerable",
                aim=f"≥ 80 %, random signs less ({told(what.noise)})",
                holds=bench.settled(
                    what.fooled.k >= 0.8 * what.fooled.n and what.noise.k < what.fooled.k
                ),
            )
        )
    claims.append(
        Claim(
            "sizes of noise at which the two networks fall to the attack unequally",
            figure=float(len(apart)),
            unit=f"of {len(EPS)}",
            published="they react differently",
            aim="≥ 1, by intervals that do not overlap",
            holds=bench.settled(bool(apart)),
        )
    )
    return tuple(claims)


def _table(name: str, rows: list[Attacked]) -> Table:
    return Table(
        f"{name}, asked without gradients",
        ("eps", "fooled", "mean change", "PSNR", "random signs fool", "their mean change"),
        tuple(
            (
                f"{eps:g}",
                told(row.fooled),
                f"{row.change:.4f}",
                f"{row.psnr:.1f} dB",
                told(row.noise),
                f"{row.noise_change:.4f}",
            )
            for eps, row in zip(EPS, rows, strict=True)
        ),
        note="On images that both networks get right; changes as a share of the range.",
    )


def _chart(found: dict[str, list[Attacked]]) -> Chart:
    lines = [line(name, EPS, [row.fooled for row in rows]) for name, rows in found.items()]
    lines += [
        line(f"{name}, random signs", EPS, [row.noise for row in rows])
        for name, rows in found.items()
    ]
    return Chart("Fooled without gradients", "eps", "fooled", tuple(lines))


SPIKING_DBN = Recipe(
    name="spiking-dbn",
    title="A spiking deep belief network and a DNN of the same size, attacked by asking",
    source="Marchisio et al., IJCNN 2020, arXiv 1902.01147",
    run=run,
)
