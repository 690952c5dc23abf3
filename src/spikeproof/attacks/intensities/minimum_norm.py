"""The smallest change that fools, image by image: a gradient attack in ever smaller balls.

Gradient attacks need a radius. Each round asks of every image for a little less than the smallest
cost so far,

    radius = (1 - cut) cost,    cut = 0.3 at first, halved after every round that fails,

and lets the attack climb there: in turn from the best result, drawn into the smaller ball, and from
a random point of it, because a result leads again to the class that it leads to, and another may
be nearer. What fools is drawn in further as long as it still does, by a bisection that only asks
for logits. A radius that failed is no proof that nothing is there: the costs are upper bounds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Generator

from spikeproof.attacks.intensities.apgd import APGD
from spikeproof.attacks.intensities.dual_averaging import DualAveraging
from spikeproof.attacks.intensities.pgd import PGD
from spikeproof.attacks.intensities.sparse_rs import SparseRS
from spikeproof.attacks.intensities.square import Square
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Goal
from spikeproof.threats import Ball, Threat
from spikeproof.threats.ball import as_ball
from spikeproof.types import Cells

_CUT = 0.3
_LEAST_CUT = 0.01
_PULLS = 5  # questions of the bisection that draws a result in


@dataclass(frozen=True)
class MinimumNorm:
    """``attack`` at the threat's limit, then ``rounds`` of it at most at smaller radii.

    An image leaves when its cost is not worth a search, or when it withstands a cut of 1 %. Without
    ``anew`` every climb begins at the best result.
    """

    attack: APGD | DualAveraging | PGD | SparseRS | Square = field(
        default_factory=lambda: APGD(steps=15)
    )
    rounds: int = 16
    anew: bool = True

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial images for ``x`` ``[N, 1, C, H, W]`` with the least change that was found.

        Raises :class:`InvalidThreat` for threats over events.
        """
        ball = as_ball(threat, "the search for the smallest change")
        found = self.attack(victim, x, goal, ball, rng=rng)
        return self._shrink(victim, x, found, goal, ball, rng)

    def refine(self, victim: Victim, clean: Cells, adv: Cells, goal: Goal, threat: Threat) -> Cells:
        """The same from ``adv``, the best of another search; always with the same draws."""
        ball = as_ball(threat, "the search for the smallest change")
        return self._shrink(victim, clean, adv.clone(), goal, ball, Generator().manual_seed(0))

    def _shrink(
        self, victim: Victim, x: Cells, found: Cells, goal: Goal, ball: Ball, rng: Generator
    ) -> Cells:
        live = victim.reached(found, goal).nonzero().squeeze(1)
        found[live] = shrunk(victim, x[live], found[live], goal[live], ball)
        cost, cut = ball.cost(x, found), torch.full((len(x),), _CUT)
        for turn in range(self.rounds):
            live = live[(cost[live] > ball.resolution) & (cut[live] > _LEAST_CUT)]
            if not len(live):
                break
            clean, aim, paid = x[live], goal[live], cost[live]
            radius = torch.minimum(paid * (1 - cut[live]), paid - ball.resolution)
            if self.anew and turn % 2:
                start = ball.start(clean, rng, radius)
            else:
                start = ball.project(clean, found[live], radius)
            at, reach = self.attack.climb(victim, clean, start, aim, ball, radius, rng)
            cut[live] = torch.where(reach > 0, cut[live], cut[live] / 2)
            fooled = (reach > 0).nonzero().squeeze(1)
            better = live[fooled]
            found[better] = shrunk(victim, clean[fooled], at[fooled], aim[fooled], ball)
            cost[better] = ball.cost(clean[fooled], found[better])
        return found


def shrunk(victim: Victim, clean: Cells, adv: Cells, goal: Goal, ball: Ball) -> Cells:
    """``adv``, which fools, projected onto the smallest ball in which it still does."""
    if not len(clean):
        return adv
    high = ball.cost(clean, adv)
    low = torch.zeros_like(high)
    for _ in range(_PULLS):
        middle = (low + high) / 2
        trial = ball.project(clean, adv, middle)
        fools = goal.margin(victim.logits(trial)) > 0
        adv = torch.where(fools.view(-1, 1, 1, 1, 1), trial, adv)
        low = torch.where(fools, low, middle)
        high = torch.where(fools, ball.cost(clean, adv), high)
    return adv
