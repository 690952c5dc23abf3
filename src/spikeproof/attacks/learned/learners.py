"""The ensemble for attacks that are learned once: several learners, and the best is kept.

The counterpart of :mod:`spikeproof.attacks.ensemble.autospike` for universal perturbations and
patches. A surrogate that hides weaknesses hides them from a learned pattern too, so a
pattern is learned with surrogates that take turns and again with one that follows the membrane
potentials. The *judge*, the user's own model, says on learning recordings which of them fools more;
of patches the best is kept for each class by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

import torch
from torch import Generator, Tensor

from spikeproof.attacks.learned.patch import FitPatch, LearnedPatch
from spikeproof.attacks.learned.universal import FitUniversal, UniversalPattern
from spikeproof.attacks.victim import ALTERNATING_SURROGATES, Victim
from spikeproof.goals import Goal, Targeted, Untargeted
from spikeproof.models.surrogate import PotentialDependent
from spikeproof.results.stage_stats import StageStats
from spikeproof.threats import Patch, Universal
from spikeproof.types import Labels, Model, Pool

JUDGES = 200  # learning recordings that decide; a patch for each class is tried on fewer


class Learner(NamedTuple):
    """A way to learn: the victim brings its surrogate."""

    name: str
    victim: Victim


def standard_learners(victim: Victim) -> tuple[Learner, ...]:
    """Those of the standard evaluation."""
    return (
        Learner("gradients", replace(victim, surrogate=ALTERNATING_SURROGATES)),
        Learner("potential-dependent", replace(victim, surrogate=PotentialDependent())),
    )


_Learned = TypeVar("_Learned", UniversalPattern, LearnedPatch)
_Told = tuple[_Learned, Tensor, StageStats]


def best_pattern(
    fit: FitUniversal,
    learners: Sequence[Learner],
    judge: Model,
    cells: Pool,
    labels: Labels,
    threat: Universal,
    *,
    rng: Generator,
) -> tuple[UniversalPattern, tuple[StageStats, ...]]:
    """The pattern that fools ``judge`` most often, and what each learner came to.

    Learned and judged on ``cells`` ``[M, T, P, H, W]`` (any dtype) with ``labels`` ``[M]``.
    """
    chosen = torch.randperm(len(labels), generator=rng)[:JUDGES]
    chosen = chosen[_right(judge, cells[chosen], labels[chosen])]

    def learn(learner: Victim) -> UniversalPattern:
        return fit(learner, cells, labels, threat, rng=rng)

    def fooled(pattern: UniversalPattern, victim: Victim) -> Tensor:
        goal = Untargeted(labels[chosen])
        x = cells[chosen].float()
        adv = pattern(victim, x, goal, threat.holding(pattern.pattern), rng=rng)
        return _reached(judge, adv, goal, victim)

    told = _all(learners, learn, fooled)
    best = max(told, key=lambda one: int(one[1].sum()))
    return best[0], tuple(did for _, _, did in told)


def best_patches(
    fit: FitPatch,
    learners: Sequence[Learner],
    judge: Model,
    cells: Pool,
    labels: Labels,
    threat: Patch,
    n_classes: int,
    *,
    rng: Generator,
) -> tuple[LearnedPatch, tuple[StageStats, ...]]:
    """For each class the patch that fools ``judge`` most often, and what each learner came to."""
    each = max(JUDGES // n_classes, 1)
    targets = torch.arange(n_classes).repeat_interleave(each)
    chosen = torch.randint(len(labels), (len(targets),), generator=rng)
    fit_for = labels[chosen] != targets
    targets, chosen = targets[fit_for], chosen[fit_for]

    def learn(learner: Victim) -> LearnedPatch:
        return fit(learner, cells, labels, threat, n_classes, rng=rng)

    def fooled(sticker: LearnedPatch, victim: Victim) -> Tensor:
        goal = Targeted(targets)
        adv = sticker(victim, cells[chosen].float(), goal, threat, rng=rng)
        return _reached(judge, adv, goal, victim)

    told = _all(learners, learn, fooled)
    hits = torch.stack(
        [torch.bincount(targets[reached], minlength=n_classes) for _, reached, _ in told]
    )  # [learners, K]
    patches = torch.stack([sticker.patches for sticker, _, _ in told])
    best = patches[hits.argmax(0), torch.arange(n_classes)]
    return replace(told[0][0], patches=best), tuple(did for _, _, did in told)


def _all(
    learners: Sequence[Learner],
    learn: Callable[[Victim], _Learned],
    fooled: Callable[[_Learned, Victim], Tensor],
) -> list[_Told[_Learned]]:
    """What each learner learned, which recordings it fools, and the record of it."""
    told: list[_Told[_Learned]] = []
    before: Tensor | None = None
    for name, given in learners:
        victim = replace(given)  # whose turns begin anew, so that learning can be repeated
        began = time.perf_counter()
        asked = victim.queries.forwards, victim.queries.gradients
        learned = learn(victim)
        reached = fooled(learned, victim)
        first = reached if before is None else reached & ~before
        before = reached if before is None else reached | before
        did = StageStats(
            name=name,
            kind="white-box",
            attempted=len(reached),
            succeeded=int(reached.sum()),
            first_successes=int(first.sum()),
            improved=0,
            mean_cost=None,
            seconds=time.perf_counter() - began,
            forwards=victim.queries.forwards - asked[0],
            gradients=victim.queries.gradients - asked[1],
        )
        told.append((learned, reached, did))
    return told


def _right(judge: Model, cells: Tensor, labels: Labels) -> Tensor:
    with torch.no_grad():
        said = [judge(part.float()).argmax(1) for part in torch.split(cells, 16)]
    return torch.cat(said) == labels


def _reached(judge: Model, adv: Tensor, goal: Goal, victim: Victim) -> Tensor:
    victim.queries.forwards += len(adv)
    with torch.no_grad():
        return goal.reached(torch.cat([judge(x) for x in torch.split(adv, victim.chunk)]))
