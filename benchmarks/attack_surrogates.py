"""Which surrogate gradient finds the smallest perturbations?

    python benchmarks/attack_surrogates.py net.safetensors recordings [number of recordings]

Sparse flip (fewest flips, 40 steps) on the same recordings with different surrogates. Spikes and
verdicts do not depend on the surrogate, only the search does.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from spikeproof.attacks.events.sparse_flip import SparseFlip
from spikeproof.attacks.victim import Victim
from spikeproof.audit.settings import Settings
from spikeproof.evaluate import answer, judge, summary
from spikeproof.goals import Untargeted
from spikeproof.inputs.choice import DataChoice, ModelChoice
from spikeproof.inputs.load import subject_of
from spikeproof.models.surrogate import (
    ArcTan,
    FastSigmoid,
    PiecewiseQuadratic,
    PotentialDependent,
)
from spikeproof.threats import Flip

SURROGATES = [
    None,
    ArcTan(1.0),
    ArcTan(2.0),
    ArcTan(4.0),
    ArcTan(8.0),
    FastSigmoid(4.0),
    PiecewiseQuadratic(1.0),
    PiecewiseQuadratic(0.5),
    PotentialDependent(),
]


def main(model: str, data: str, recordings: int = 50) -> None:
    settings = Settings(recordings=recordings)
    subject = subject_of(ModelChoice(Path(model)), DataChoice(data), settings)
    x, labels = subject.clean(torch.arange(len(subject))), subject.labels
    right = answer(subject.model, x).argmax(1) == labels
    x, goal = x[right], Untargeted(labels[right])
    print(f"{'surrogate':40}{'fooled':>8}{'median':>8}{'95 %':>12}{'mean':>8}{'seconds':>9}")
    for surrogate in SURROGATES:
        began = time.perf_counter()
        victim = Victim(subject.model, surrogate)
        adv = SparseFlip()(victim, x, goal, Flip(), rng=torch.Generator())
        outcome = judge(subject.model, x, adv, goal, Flip())
        flips = summary(outcome.cost[outcome.success].tolist())
        name = "the model's own" if surrogate is None else repr(surrogate)
        fooled = f"{int(outcome.success.sum())}/{len(x)}"
        seconds = time.perf_counter() - began
        sure = f"{flips.low:.1f}-{flips.high:.1f}"
        print(
            f"{name:40}{fooled:>8}{flips.median:8.1f}{sure:>12}{flips.mean:8.1f}{seconds:9.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:4]))
