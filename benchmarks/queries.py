"""How many queries do attacks without gradients need, and what do they find with these?

    python benchmarks/queries.py [--model net.safetensors] [--data recordings] [--recordings 24]
        [--queries 250 1000]

Fewest flips on the same recordings: sparse flip with gradients first, then each attack that only
asks, with so many forward passes per recording.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from spikeproof.attacks.base import Attack
from spikeproof.attacks.events.sparse_flip import SparseFlip
from spikeproof.attacks.queries import Decision, Evolution, Greedy
from spikeproof.attacks.victim import Victim
from spikeproof.audit.settings import Settings
from spikeproof.evaluate import answer, judge, summary
from spikeproof.goals import Untargeted
from spikeproof.inputs.choice import DataChoice, ModelChoice
from spikeproof.inputs.load import subject_of
from spikeproof.threats import Flip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, default=None, help="default: the shipped network")
    parser.add_argument("--data", default=None, help="default: the embedded digits")
    parser.add_argument("--holdout", type=int, default=None, help="as the model was trained with")
    parser.add_argument("--recordings", type=int, default=24)
    parser.add_argument("--queries", type=int, nargs="*", default=(1000,), help="of each recording")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    n, seed = given.recordings, given.seed
    settings = Settings(recordings=n + n // 4 + 2, learn=1, seed=seed)  # some are got wrong
    data = DataChoice(given.data, holdout=given.holdout)
    subject = subject_of(ModelChoice(given.model), data, settings)
    x, labels = subject.clean(torch.arange(len(subject))), subject.labels
    right = (answer(subject.model, x).argmax(1) == labels).nonzero().squeeze(1)[:n]
    x, labels = x[right], labels[right]
    runs: list[tuple[str, Attack]] = [("sparse flip (gradients)", SparseFlip())]
    for most in given.queries:
        runs += [
            (f"greedy, {most}", Greedy(queries=most)),
            (f"decision, {most}", Decision(queries=most)),
            (f"evolution, {most}", Evolution(queries=most)),
        ]
    head = f"{'attack':26}{'fooled':>8}{'median':>8}{'95 %':>14}{'mean':>8}{'forwards':>10}"
    print(f"{head}{'gradients':>11}{'seconds':>9}")
    for name, attack in runs:
        began, victim = time.perf_counter(), Victim(subject.model, fast=True)
        rng = torch.Generator().manual_seed(seed)
        adv = attack(victim, x, Untargeted(labels), Flip(), rng=rng)
        outcome = judge(subject.model, x, adv, Untargeted(labels), Flip())
        flips = summary(outcome.cost[outcome.success].tolist())
        fooled = f"{int(outcome.success.sum())}/{len(x)}"
        sure = f"{flips.low:.1f}-{flips.high:.1f}" if flips.n else "-"
        asked = victim.queries
        print(
            f"{name:26}{fooled:>8}{flips.median or 0:8.1f}{sure:>14}{flips.mean or 0:8.1f}"
            f"{asked.forwards / len(x):10.0f}{asked.gradients / len(x):11.1f}"
            f"{time.perf_counter() - began:9.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
