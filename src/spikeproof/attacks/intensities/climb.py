"""What gradient attacks on intensities share: runs from random points, the best point kept."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Generator, Tensor

from spikeproof.attacks.victim import Victim
from spikeproof.goals import Goal
from spikeproof.threats import Ball
from spikeproof.types import Cells, PerSample


class Climber(Protocol):
    """An attack that climbs a loss within a ball, from anywhere in it."""

    def climb(
        self,
        victim: Victim,
        clean: Cells,
        start: Cells,
        goal: Goal,
        ball: Ball,
        radius: PerSample,
        rng: Generator,
    ) -> tuple[Cells, PerSample]:
        """One run within ``radius`` ``[N]`` from ``start``: the best points and their margins."""
        ...


def restarted(
    climber: Climber,
    victim: Victim,
    x: Cells,
    goal: Goal,
    ball: Ball,
    restarts: int,
    rng: Generator,
) -> Cells:
    """For each image of ``x`` the point of the highest margin of ``restarts`` runs at most.

    Each run begins at another random point; images whose goal is reached leave.
    """
    found, deepest = x.clone(), goal.margin(victim.logits(x))
    live = (deepest <= 0).nonzero().squeeze(1)
    for _ in range(restarts):
        if not len(live):
            break
        clean = x[live]
        start = ball.start(clean, rng)
        at, reach = climber.climb(victim, clean, start, goal[live], ball, ball.limit(clean), rng)
        keep(live, at, reach, found, deepest)
        live = live[deepest[live] <= 0]
    return found


def keep(live: Tensor, at: Cells, reach: PerSample, found: Cells, deepest: PerSample) -> None:
    """Write what reaches further than what was ``found`` for the images ``live``."""
    further = reach > deepest[live]
    found[live[further]] = at[further]
    deepest[live[further]] = reach[further].to(deepest)


def lowest(clean: Cells) -> PerSample:
    """Margins of nothing found yet."""
    return torch.full((len(clean),), -torch.inf, dtype=clean.dtype)
