"""Our attacks beside those of the literature, on the same recordings of the same network.

    python benchmarks/peers.py [--model net.safetensors] [--data recordings] [--recordings 24]
        [--picture peers.png]

Fewest flips, any number allowed. Of every attack: how many recordings it fools by the judge's
measure, with a 95 % interval, the median (with its interval) and mean of flips, seconds, forward
passes and gradients of one recording. Then AutoSpike and SparseFlip divided by the sparse dynamic
attack (SDA), with the surrogate of its paper and with ours, and by SpikeFool, where both fool, and
in time; and how soon one of ours, each longer than the one before, comes to 0.6 of their median.
The picture shows flips against time.

Where SpikingJelly can be imported (and snnTorch, for ``same_network.py``), SDA and SpikeFool also
run on a copy of the network in it: multi-step mode, one recording after the other, 64 trials at
once, which is how they were published. Seconds are given as they pass and as processors count
them; the second are what to compare on a machine that is shared.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from torch import Tensor

from spikeproof.adapters import adapt
from spikeproof.attacks import Attack, SparseFlip, Victim, confirmed
from spikeproof.attacks.ensemble.autospike import AutoSpike
from spikeproof.attacks.peers import RateAttack, SparseDynamic, SpikeCompatible, SpikeFool
from spikeproof.audit.settings import Settings
from spikeproof.evaluate import answer, judge, proportion, summary
from spikeproof.goals import Untargeted
from spikeproof.inputs.choice import DataChoice, ModelChoice
from spikeproof.inputs.load import subject_of
from spikeproof.models import HybridGradient
from spikeproof.models.network import Network
from spikeproof.threats import Flip
from spikeproof.types import Model

OURS = ("AutoSpike", "AutoSpike, quick", "SparseFlip")
SHORT = {f"SparseFlip, {steps} steps": steps for steps in (6, 10, 20)}
AIM = 0.6  # of the flips of a peer
SDA = ("SDA with PDSG", "SDA, our surrogate")
SPIKEFOOL = ("SpikeFool, lambda 2", "SpikeFool, lambda 1")
PUBLISHED: dict[str, Attack] = {
    "SDA in SpikingJelly": SparseDynamic(),
    "SpikeFool in SpikingJelly": SpikeFool(),
}
ATTACKS: dict[str, Attack] = {
    "AutoSpike": AutoSpike(),
    "AutoSpike, quick": AutoSpike(quick=True),
    "SparseFlip": SparseFlip(),
    **{name: SparseFlip(steps=steps) for name, steps in SHORT.items()},
    SDA[0]: SparseDynamic(),
    SDA[1]: SparseDynamic(surrogate=None),
    SPIKEFOOL[0]: SpikeFool(),
    SPIKEFOOL[1]: SpikeFool(1.0),
    "SCG": SpikeCompatible(),
    "RGA, FGSM": RateAttack(steps=1),
    "RGA, PGD": RateAttack(),
    "HART, PGD": RateAttack(HybridGradient()),
}


@dataclass(frozen=True, eq=False)
class Measured:
    """``cost`` ``[N]`` is infinite where the judge was not fooled; all else is a sum."""

    cost: Tensor
    seconds: float
    processors: float
    forwards: int
    gradients: int

    @property
    def median(self) -> float:
        """Median of flips; infinite where not all are fooled."""
        return math.inf if torch.isinf(self.cost).any() else float(self.cost.quantile(0.5))

    @property
    def each(self) -> float:
        """Seconds of a processor for a recording."""
        return self.processors / len(self.cost)


def measure(
    attack: Attack, searched: Model, judged: Model, x: Tensor, y: Tensor, seed: int
) -> Measured:
    victim, goal, threat = Victim(searched, fast=True), Untargeted(y), Flip()
    rng = torch.Generator().manual_seed(seed)
    began, worked = time.perf_counter(), time.process_time()
    adv = confirmed(attack, victim, judged, x, goal, threat, rng=rng)
    seconds, processors = time.perf_counter() - began, time.process_time() - worked
    outcome = judge(judged, x, adv, goal, threat)
    cost = torch.where(outcome.success, outcome.cost.float(), torch.inf)
    asked = victim.queries
    return Measured(cost, seconds, processors, asked.forwards, asked.gradients)


def as_published(attack: Attack, network: Network, x: Tensor, y: Tensor, seed: int) -> Measured:
    """The attack on the network in SpikingJelly, recording by recording; judged by our own."""
    from same_network import in_spikingjelly

    model = adapt(in_spikingjelly(network).eval(), x[:3])

    def one_by_one(
        victim: Victim, x: Tensor, goal: Untargeted, threat: Flip, *, rng: torch.Generator
    ) -> Tensor:
        victim.chunk = 64
        each = [
            attack(victim, x[i : i + 1], goal[torch.tensor([i])], threat, rng=rng)
            for i in range(len(x))
        ]
        return torch.cat(each)

    return measure(one_by_one, model, network, x, y, seed)  # type: ignore[arg-type]


def show(name: str, found: Measured) -> None:
    n = len(found.cost)
    fooled = torch.isfinite(found.cost)
    share, flips = proportion(int(fooled.sum()), n), summary(found.cost[fooled].tolist())
    success = f"{share.k}/{n} ({100 * (share.low or 0):.0f}-{100 * (share.high or 0):.0f} %)"
    median = "-" if flips.median is None else f"{flips.median:g} ({flips.low:g}-{flips.high:g})"
    mean = "-" if flips.mean is None else f"{flips.mean:.1f}"
    print(
        f"{name:26}{success:>18}{median:>18}{mean:>8}{found.seconds / n:>9.2f}"
        f"{found.processors / n:>7.2f}{found.forwards / n:>10.0f}{found.gradients / n:>11.0f}",
        flush=True,
    )


def compare(names: str, ours: Measured, theirs: Measured) -> None:
    """Medians, recordings and seconds, side by side."""
    both = torch.isfinite(ours.cost) & torch.isfinite(theirs.cost)
    a, b = ours.cost[both], theirs.cost[both]
    if not len(a):
        print(f"{names}: no recording is fooled by both")
        return
    medians = float(torch.quantile(a, 0.5) / torch.quantile(b, 0.5))
    each = summary((a / b).tolist())
    fewer, equal = int((a < b).sum()), int((a == b).sum())
    print(
        f"{names}: median of flips {medians:.2f}, mean {float(a.mean() / b.mean()):.2f},"
        f" of the recordings' ratios {each.median:.2f} ({each.low:.2f}-{each.high:.2f});"
        f" fewer {fewer}, equal {equal}, more {len(a) - fewer - equal} of {len(a)};"
        f" seconds {ours.seconds / theirs.seconds:.2f},"
        f" processor seconds {ours.processors / theirs.processors:.2f}"
    )


def soonest(found: dict[str, Measured], peer: str) -> None:
    """Which of ours comes to the aim first."""
    theirs = found[peer]
    ours = [name for name in (*OURS, *SHORT) if name in found]
    there = [name for name in ours if found[name].median <= AIM * theirs.median]
    if math.isinf(theirs.median) or not there:
        print(f"{peer}: none of ours has all at {AIM} of its median")
        return
    name = min(there, key=lambda name: found[name].each)
    print(
        f"{peer}: {AIM} of its median first by {name}: {found[name].median / theirs.median:.2f} of"
        f" its flips in {found[name].each / theirs.each:.3f} of its processor seconds"
    )


def draw(found: dict[str, Measured], path: Path) -> None:
    """Median of flips against seconds of a processor, of what fools all."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axis = figure.subplots()
    groups = {
        "ours": ((*SHORT, *reversed(OURS)), "#4477aa", "o"),
        "peers in the engine": ((*SDA, *SPIKEFOOL), "#cc6677", "s"),
        "peers as published": (tuple(PUBLISHED), "#aa3377", "D"),
    }
    for label, (names, colour, marker) in groups.items():
        told = [(name, found[name]) for name in names if name in found]
        told = [(name, one) for name, one in told if math.isfinite(one.median)]
        axis.plot(
            [one.each for _, one in told],
            [one.median for _, one in told],
            marker,
            color=colour,
            label=label,
        )
        for place, (name, one) in enumerate(told):  # many are near
            left = label == "ours"
            axis.annotate(
                name,
                (one.each, one.median),
                (-5 if left else 5, -11 if left or place % 2 else 5),
                textcoords="offset points",
                ha="right" if left else "left",
                fontsize=8,
            )
    axis.set(
        xscale="log",
        yscale="log",
        xlabel="seconds of a processor for a recording",
        ylabel="flips, median",
    )
    for scale in (axis.xaxis, axis.yaxis):
        scale.set_major_locator(LogLocator(subs=(1, 2, 5)))
        scale.set_major_formatter("{x:g}")
    axis.minorticks_off()
    axis.margins(x=0.22, y=0.1)
    axis.grid(color="#dddddd")
    axis.legend(frameon=False)
    figure.savefig(path, dpi=120)
    print(f"drawn in {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, default=None, help="default: the shipped network")
    parser.add_argument("--data", default=None, help="default: the embedded digits")
    parser.add_argument("--holdout", type=float, default=None, help="as the model was trained with")
    parser.add_argument("--recordings", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=(), help="some of the names of the table")
    parser.add_argument("--picture", type=Path, default=None, help="PNG of flips against time")
    options = parser.parse_args()
    holdout = options.holdout
    data = DataChoice(options.data, holdout=int(holdout) if holdout and holdout >= 1 else holdout)
    subject = subject_of(
        ModelChoice(options.model), data, Settings(recordings=options.recordings, seed=options.seed)
    )
    x, y = subject.clean(torch.arange(len(subject))), subject.labels
    right = answer(subject.model, x).argmax(1) == y
    x, y = x[right], y[right]
    model, seed = subject.model, options.seed
    runs: dict[str, Callable[[], Measured]] = {
        name: partial(measure, attack, model, model, x, y, seed) for name, attack in ATTACKS.items()
    }
    there = all(importlib.util.find_spec(name) for name in ("spikingjelly", "snntorch"))
    if there and isinstance(model, Network):
        for name, attack in PUBLISHED.items():
            runs[name] = partial(as_published, attack, model, x, y, seed)
    print(
        f"{len(x)} recordings that the network gets right, {int((x > 0).sum()) / len(x):.0f} active"
        f" of {x[0].numel()} cells; {torch.get_num_threads()} threads\n"
    )
    head = ("attack", "fooled", "median", "mean", "seconds", "CPU s", "forwards", "gradients")
    print("{:26}{:>18}{:>18}{:>8}{:>9}{:>7}{:>10}{:>11}".format(*head))
    SparseFlip(steps=2)(
        Victim(model, fast=True), x[:1], Untargeted(y[:1]), Flip(), rng=torch.Generator()
    )
    found = {}
    for name, run in runs.items():
        if not options.only or name in options.only:
            found[name] = run()
            show(name, found[name])
    print()
    for ours, theirs in product(OURS, (*SDA, *SPIKEFOOL, *PUBLISHED)):
        if ours in found and theirs in found:
            compare(f"{ours} / {theirs}", found[ours], found[theirs])
    for peer in (*SDA, *SPIKEFOOL, *PUBLISHED):
        if peer in found:
            soonest(found, peer)
    if options.picture is not None:
        draw(found, options.picture)


if __name__ == "__main__":
    main()
