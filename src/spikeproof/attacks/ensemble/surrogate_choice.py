"""Which surrogate should the attack bring? Measured, not assumed.

A surrogate that trained a network well can hide its weaknesses, and none is best for all
networks. So a few are tried on a few recordings with a short search for the fewest edits
(:mod:`spikeproof.attacks.events.sparse_flip`). The one with the most successes is taken; among
equals, the one with the fewest edits. All that was measured is handed back for the report.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator

from spikeproof.attacks.ensemble.event_stages import single
from spikeproof.attacks.victim import NARROW_SURROGATE, Victim
from spikeproof.goals import Goal
from spikeproof.models.rules import HybridGradient, RateGradient
from spikeproof.models.surrogate import (
    ArcTan,
    FastSigmoid,
    PiecewiseQuadratic,
    PotentialDependent,
    Surrogate,
)
from spikeproof.models.swap import takes
from spikeproof.threats import Threat
from spikeproof.types import Cells, Model

CANDIDATES: tuple[Surrogate | None, ...] = (
    NARROW_SURROGATE,
    None,
    ArcTan(2.0),
    ArcTan(8.0),
    FastSigmoid(4.0),
    PiecewiseQuadratic(0.5),
    PiecewiseQuadratic(1.0),
    PotentialDependent(),
    RateGradient(),
    HybridGradient(),
)
"""What is tried where the model takes it; None is its own. Of equally good the first is taken."""


@dataclass(frozen=True)
class SurrogateTrial:
    """One candidate: how many of the ``recordings`` fell, and the mean edits of those that did.

    ``edits`` is None if none fell. ``forwards`` and ``gradients`` are what the search asked.
    """

    surrogate: Surrogate | None
    successes: int
    recordings: int
    edits: float | None
    forwards: int
    gradients: int


def choose_surrogate(
    model: Model,
    x: Cells,
    goal: Goal,
    threat: Threat,
    *,
    candidates: tuple[Surrogate | None, ...] = CANDIDATES,
    steps: int = 12,
    chunk: int = 16,
) -> tuple[Surrogate | None, tuple[SurrogateTrial, ...]]:
    """The best surrogate to attack ``model`` with on ``x`` ``[N, T, P, H, W]``, and the table.

    Deterministic. The answer is None, the model's own, with an empty table, where surrogates make
    no difference (no spiking layers, or none that are known) or nothing is there to measure.
    """
    candidates = tuple(s for s in candidates if takes(model, s))
    if not len(x) or not candidates or not _matters(model, x, goal, chunk):
        return None, ()
    table = tuple(_measure(model, x, goal, threat, s, steps, chunk) for s in candidates)
    best = min(table, key=_rank)
    return (best.surrogate if best.successes else candidates[0]), table


def _matters(model: Model, x: Cells, goal: Goal, chunk: int) -> bool:
    """Whether the gradients at ``x`` differ between two very different surrogates."""
    narrow, wide = (
        Victim(model, surrogate, chunk).gradient(x, goal)[1]
        for surrogate in (PiecewiseQuadratic(0.25), ArcTan(1.0))
    )
    return not torch.equal(narrow, wide)


def _measure(
    model: Model,
    x: Cells,
    goal: Goal,
    threat: Threat,
    surrogate: Surrogate | None,
    steps: int,
    chunk: int,
) -> SurrogateTrial:
    victim = Victim(model, surrogate, chunk)
    adv = single(threat, "minimum", steps)(victim, x, goal, threat, rng=Generator())
    asked = victim.queries.forwards, victim.queries.gradients
    fell = victim.reached(adv, goal) & threat.check(x, adv).ok
    edits = threat.cost(x, adv)[fell]
    return SurrogateTrial(
        surrogate=surrogate,
        successes=int(fell.sum()),
        recordings=len(x),
        edits=float(edits.mean()) if len(edits) else None,
        forwards=asked[0],
        gradients=asked[1],
    )


def _rank(tried: SurrogateTrial) -> tuple[int, float]:
    return -tried.successes, torch.inf if tried.edits is None else tried.edits
