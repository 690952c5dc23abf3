"""SSTDP: neurons that spike once, taught by the times of their spikes.

A dense network learns by the rule of Liu et al. (Front. Neurosci. 15:756876, 2021) with the
library's settings. An answer counts only if the label's neuron spikes before all others: the paper
takes a shared first place for right, and the figure counted that way stands beside ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from spikeproof.evaluate import proportion
from spikeproof.images import Images
from spikeproof.models.once import SpikeOnceNetwork, spike_once_network
from spikeproof.recipes.base import Bench, Found, Recipe
from spikeproof.recipes.operations import answers
from spikeproof.results import Proportion
from spikeproof.results.reproduction import Chart, Claim, Series
from spikeproof.training.sstdp import SSTDP, Epoch, leads, learn

AT_ONCE = 500  # images whose spikes are held together
WHY = (
    "Rule and sizes are the paper's, other settings ours; what its 98.1 % needs beyond the facts"
    " that we have is not known to us. Hidden neurons fall silent in longer trainings."
)


@dataclass(frozen=True)
class Effort:
    """Hidden neurons and epochs."""

    hidden: int = 400
    epochs: int = SSTDP.epochs


QUICK = Effort(hidden=100, epochs=20)


@dataclass(frozen=True)
class Spoken:
    """What a network says of the test images: right alone, right or tied, when on average."""

    right: Proportion
    tied: Proportion
    step: float


def run(bench: Bench) -> Found:
    """Teach the network and measure it."""
    effort = QUICK if bench.quick else Effort()
    with bench.timed("learning"):
        network, history = taught(bench, effort)
    with bench.timed("test images"):
        said = spoken(network, bench.data.test)
    accuracy = tuple(epoch.accuracy for epoch in history)
    line = Series("dense", tuple(float(epoch.epoch) for epoch in history), accuracy)
    title = "Right on images to learn from, as they come"
    return Found(
        claims=_claims(bench, said, history),
        tables=(answers({"dense": network}, {"dense": said.right}, bench.data.test.x),),
        charts=(Chart(title, "epoch", "right", (line,)),),
        models={"dense": network},
    )


def taught(bench: Bench, effort: Effort) -> tuple[SpikeOnceNetwork, list[Epoch]]:
    """A network of spike-once neurons that the rule has taught, and its history."""
    images = bench.data.learn
    channels, height, width = images.x.shape[2:]
    torch.manual_seed(bench.seed)
    network = spike_once_network(
        f"fc{effort.hidden}-fc{len(images.classes)}",
        (channels, height, width),
        active=float((images.x > 0).float().mean()),
    )
    rule = SSTDP(epochs=effort.epochs, seed=bench.seed)
    return network, learn(network, images.x, images.labels, rule)


def spoken(network: SpikeOnceNetwork, images: Images) -> Spoken:
    """The network's answers; ties at the first spike are no right answers."""
    with torch.no_grad():
        parts = torch.split(images.x, AT_ONCE)
        times = torch.cat([network.trace(part)[-1] for part in parts])
    first = times.amin(1)
    own = times.gather(1, images.labels.unsqueeze(1)).squeeze(1)
    alone = int(leads(times, images.labels).sum())
    shared = int(((own == first) & (first < network.steps)).sum())
    n = len(images)
    return Spoken(proportion(alone, n), proportion(shared, n), float(first.mean()))


def _claims(bench: Bench, said: Spoken, history: list[Epoch]) -> tuple[Claim, ...]:
    reached = (said.right.value or 0.0) >= 0.975
    seconds = sum(epoch.seconds for epoch in history) / len(history)
    per_set = seconds * 60_000 / len(bench.data.learn)
    return (
        Claim(
            "right; ties are errors",
            ours=said.right,
            published="98.1 % (a tie counts as right)",
            aim="≥ 97.5 %",
            holds=bench.settled(reached),
            why="" if reached else WHY,
        ),
        Claim("right if a tie counts as right", ours=said.tied, published="98.1 %"),
        Claim("first output spike, of 255", figure=said.step, unit="steps"),
        Claim(
            "an epoch of 60,000 images",
            figure=per_set,
            unit="s",
            aim="≤ 120 s",
            holds=bench.settled(per_set <= 120),
        ),
    )


SSTDP_RECIPE = Recipe(
    "sstdp",
    "Spike-once neurons taught by the times of spikes",
    "Liu, Zhao, Chen, Wang and Dai, Front. Neurosci. 15:756876, 2021",
    run,
)
