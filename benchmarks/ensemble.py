"""Does any single attack beat AutoSpike, on any of several victims, at any budget?

    python benchmarks/ensemble.py [--recordings 24] [--budgets 0.5%,1%,2%,4%,8%] [--cache FOLDER]
        [--victims NAME,…] [--threat flip|add|remove|retime] [--standing]
        [--model net.safetensors --data recordings --holdout 200]

Attacks recordings that a victim of ``victims.py`` gets right, within shares of their active cells:
with sparse flip under each surrogate gradient and each loss, with all the other attacks that there
are, with random edits; and with AutoSpike at the same budgets. Success is what the judge says. Per
victim a table of success in % and, in brackets, the difference to AutoSpike in percentage points;
above zero the single attack is better. At the end the worst of them, with the recordings behind it
and the interval of Bonett & Price (J. Educ. Behav. Stat. 37(4), 2012) for paired shares.

A ``--model`` of yours is attacked in place of these victims. With ``--standing`` single attacks
only see the recordings that AutoSpike did not fool; those that it did count as fooled by all. Where
they do better than AutoSpike is thus all found, in a fraction of the time, and where they do worse
is not looked for.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from spikeproof.attacks import Attack, RandomEdits, SparseFlip, Victim, confirmed
from spikeproof.attacks.catalogue import CATALOGUE
from spikeproof.attacks.ensemble.autospike import AutoSpike
from spikeproof.attacks.events.unconstrained_start import UnconstrainedStart
from spikeproof.attacks.victim import NARROW_SURROGATE
from spikeproof.audit.settings import Settings
from spikeproof.cli.common import shares_of
from spikeproof.errors import InvalidThreat
from spikeproof.evaluate import answer, judge, proportion
from spikeproof.goals import LOSSES, Untargeted
from spikeproof.inputs.choice import DataChoice, ModelChoice
from spikeproof.inputs.load import subject_of
from spikeproof.models import (
    ArcTan,
    FastSigmoid,
    PiecewiseQuadratic,
    PotentialDependent,
    Surrogate,
)
from spikeproof.threats import Flip, Retime
from spikeproof.types import Cells, Model

sys.path.insert(0, str(Path(__file__).parent))
from victims import Victims, choice, parser, victims  # the file beside this one

Z = 1.959963984540054  # 97.5 % point of the normal distribution
THREATS: dict[str, Flip | Retime] = {
    "flip": Flip(),
    "add": Flip(remove=False),
    "remove": Flip(add=False),
    "retime": Retime(),
}


@dataclass(frozen=True)
class Entry:
    """A single attack with the surrogate it brings (None: the model's own)."""

    attack: Attack
    surrogate: Surrogate | None = NARROW_SURROGATE


@dataclass(frozen=True)
class Gap:
    """A single attack beside AutoSpike: recordings that only one of them fooled, of ``n``."""

    where: str
    single: int
    auto: int
    n: int

    @property
    def points(self) -> float:
        """Percentage points by which the single attack is better."""
        return 100 * (self.single - self.auto) / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """95 % of ``points``."""
        more, less, n = self.single + 1, self.auto + 1, self.n + 2
        middle = (more - less) / n
        half = Z * math.sqrt(((more + less) / n - middle**2) / n)
        return 100 * max(-1.0, middle - half), 100 * min(1.0, middle + half)


def entries(steps: int) -> dict[str, Entry]:
    """All single attacks by name."""
    found = {"random edits": Entry(RandomEdits())}
    surrogates = (
        None,
        ArcTan(2.0),
        NARROW_SURROGATE,
        ArcTan(8.0),
        FastSigmoid(),
        PiecewiseQuadratic(0.5),
    )
    for surrogate in (*surrogates, PotentialDependent()):
        name = "the model's own" if surrogate is None else repr(surrogate)
        found[f"sparse flip, {name}"] = Entry(SparseFlip("budget", steps), surrogate)
    for name, loss in LOSSES.items():
        if name != "margin":
            found[f"sparse flip, {name}"] = Entry(SparseFlip("budget", steps, loss=loss))
    found["sparse flip, restart"] = Entry(SparseFlip("budget", steps, start=3.0))
    found["sparse flip, fewest edits"] = Entry(SparseFlip("minimum", steps))
    found["from beyond"] = Entry(UnconstrainedStart(SparseFlip("minimum", steps)))
    return found | {name: Entry(make()) for name, make in CATALOGUE.items()}


def main() -> None:
    options = parser()
    options.description = __doc__.splitlines()[0]
    options.add_argument("--recordings", type=int, default=24, help="of each victim")
    options.add_argument("--budgets", default="0.5%,1%,2%,4%,8%", help="shares of active cells")
    options.add_argument("--steps", type=int, default=40, help="gradient steps of each sparse flip")
    options.add_argument("--threat", choices=THREATS, default="flip", help="edits (default: flip)")
    options.add_argument("--victims", help="some of them by name (default: all)")
    options.add_argument("--model", type=Path, help="a network to attack in place of the victims")
    options.add_argument("--standing", action="store_true", help="attack what AutoSpike leaves")
    said = options.parse_args()
    made = victims(choice(said)) if said.model is None else given(said)
    names = said.victims.split(",") if said.victims else list(made.models)
    gaps: list[Gap] = []
    for name in names:
        x, labels = drawn(made.models[name], made.cells, made.labels, said.recordings)
        print(f"\n{name}: {len(x)} of {made.source}, all got right; success in %")
        print(THREATS[said.threat], flush=True)
        threats = {share: THREATS[said.threat].at(share) for share in shares_of(said.budgets)}
        gaps += table(name, made, x, labels, threats, said.steps, said.standing)
    worst = max(gaps, key=lambda gap: gap.points)
    low, high = worst.interval
    print(
        f"\nworst of {len(gaps)} comparisons: {worst.where}: {worst.points:+.1f} points, 95 %"
        f" {low:+.1f} to {high:+.1f}; of {worst.n} recordings {worst.single} fell to it alone,"
        f" {worst.auto} to AutoSpike alone"
    )
    over = sum(gap.points > 1 for gap in gaps)
    print(f"better than AutoSpike by more than 1 point: {over} of {len(gaps)}")


def given(said: argparse.Namespace) -> Victims:
    """The network and the test recordings that the options name."""
    n = said.recordings + said.recordings // 4 + 2  # some are got wrong
    data = DataChoice(said.data, holdout=said.holdout if said.data else None)
    subject = subject_of(ModelChoice(said.model), data, Settings(recordings=n, learn=1))
    models = {"yours": subject.model}
    cells = subject.clean(torch.arange(len(subject)))
    return Victims(models, models, cells, subject.labels, subject.data.name)


def drawn(model: Model, cells: Cells, labels: Tensor, n: int) -> tuple[Cells, Tensor]:
    """``n`` recordings that the model gets right, drawn by a fixed seed."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    kept: list[Tensor] = []
    for some in order.split(32):
        right = answer(model, cells[some].float()).argmax(1) == labels[some]
        kept.append(some[right])
        if sum(map(len, kept)) >= n:
            break
    chosen = torch.cat(kept)[:n]
    return cells[chosen].float(), labels[chosen]


def table(
    name: str,
    made: Victims,
    x: Cells,
    labels: Tensor,
    threats: dict[float, Flip | Retime],
    steps: int,
    standing: bool,
) -> list[Gap]:
    """Attack one victim, and print a line for each attack."""
    model, search = made.models[name], made.search[name]

    def fooled(entry: Entry, share: float, some: Tensor) -> Tensor:
        """Which recordings; all but ``some`` are taken to be."""
        hit = torch.ones(len(x), dtype=torch.bool)
        if not len(some):
            return hit
        rng, goal, threat = (
            torch.Generator().manual_seed(0),
            Untargeted(labels[some]),
            threats[share],
        )
        victim = Victim(search, entry.surrogate, fast=True)
        try:
            adv = confirmed(entry.attack, victim, model, x[some], goal, threat, rng=rng)
            hit[some] = judge(model, x[some], adv, goal, threat).success
        except InvalidThreat:  # an attack of another kind of edits
            hit[some] = False
        return hit

    auto = Entry(AutoSpike("budget", judge=model))
    everything = torch.arange(len(x))
    gaps: list[Gap] = []
    lines = {label: "" for label in ("AutoSpike", *entries(steps))}
    took = dict.fromkeys(lines, 0.0)
    for share in threats:
        best = everything < 0
        for label, entry in {"AutoSpike": auto, **entries(steps)}.items():
            began = time.perf_counter()
            left = (~best).nonzero().flatten() if standing else everything
            hit = fooled(entry, share, left)
            took[label] += time.perf_counter() - began
            success = proportion(int(hit.sum()), len(x))
            if label == "AutoSpike":
                best = hit
                beside = f"{100 * success.low:.0f}-{100 * success.high:.0f}"
            else:
                where = f"{label} on {name} at {100 * share:g} %"
                gap = Gap(where, int((hit & ~best).sum()), int((best & ~hit).sum()), len(x))
                gaps.append(gap)
                beside = f"{gap.points:+.1f}"
            lines[label] += f"{f'{100 * success.value:.1f} ({beside})':>15}"
            print(
                f"{name}, {100 * share:g} %, {label}: {lines[label]}", file=sys.stderr, flush=True
            )
    print(f"{'':46}" + "".join(f"{100 * b:>13g} %" for b in threats) + f"{'s':>7}")
    for label, line in lines.items():
        print(f"{label:46}{line}{took[label]:7.1f}", flush=True)
    return gaps


if __name__ == "__main__":
    main()
