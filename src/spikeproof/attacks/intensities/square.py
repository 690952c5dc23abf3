"""Square: random squares, kept where the margin grows. No gradient is asked for.

Andriushchenko et al., ECCV 2020. The search stays on the surface of the ball, as good points are
found there. Each query changes one square of the image, whose share of the pixels falls from
``share`` in a fixed schedule, and the change stays if the margin grew.

* Maximum norm: the start is vertical stripes of ``+eps`` and ``-eps``; in a square, every channel
  is set to one of the two.
* Euclidean norm: the start is tiles of bumps. In a square a bump is added to what is there, and
  its length is paid for by a second square, which is emptied, and by what the box left unused.

By itself it tells whether gradients were hidden: what it finds and a gradient attack does not, is a
doubt about the gradient. Begun where a gradient attack gave up (``first``) it finds what neither
finds alone, as the gradient of spikes is one of a stand-in, and the margin is not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator

from spikeproof.attacks.intensities.apgd import APGD
from spikeproof.attacks.intensities.climb import keep
from spikeproof.attacks.intensities.dual_averaging import DualAveraging
from spikeproof.attacks.intensities.pgd import PGD
from spikeproof.attacks.intensities.square_moves import stripes, swap_bumps, tiles, turn_square
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal
from spikeproof.threats import L2, Ball, Linf, Threat
from spikeproof.types import Cells, PerSample

_HALVE_AT = (10, 50, 200, 1000, 2000, 4000, 6000, 8000)  # of 10 000 queries, as published


@dataclass(frozen=True)
class Square:
    """At most ``queries`` answers of the model per image; ``share`` of the pixels at first.

    ``first`` is an attack whose best point is where the search begins.
    """

    queries: int = 1000
    share: float = 0.8
    first: APGD | DualAveraging | PGD | None = None

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial images for ``x`` ``[N, 1, C, H, W]``; an image leaves once it is fooled.

        Raises :class:`InvalidThreat` for threats other than Linf and L2.
        """
        ball = _surface(threat)
        found = x.clone()
        if self.first is not None:
            found = self.first(victim, x, goal, threat, rng=rng)
        deepest = goal.margin(victim.logits(found))
        live = (deepest <= 0).nonzero().squeeze(1)
        if not len(live):
            return found
        clean, radius, start = x[live], ball.limit(x[live]), found[live]
        if self.first is None:
            start = (stripes if isinstance(ball, Linf) else tiles)(clean, radius, rng)
        at, reach = self.climb(victim, clean, start, goal[live], ball, radius, rng)
        keep(live, at, reach, found, deepest)
        return found

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
        """One search within ``radius`` ``[N]`` from ``start``: the last points and their margins.

        Raises :class:`InvalidThreat` for threats other than Linf and L2.
        """
        _surface(ball)
        move = turn_square if isinstance(ball, Linf) else swap_bumps
        found = ball.project(clean, start, radius)
        deepest = goal.margin(victim.logits(found))
        live = torch.arange(len(clean))
        for query in range(2, self.queries):
            live = live[deepest[live] <= 0]
            if not len(live):
                break
            side = self._side(query, clean.shape[-2] * clean.shape[-1])
            trial = move(clean[live], found[live], radius[live], side, rng)
            trial = ball.project(clean[live], trial, radius[live])
            keep(live, trial, goal[live].margin(victim.logits(trial)), found, deepest)
        return found, deepest

    def _side(self, query: int, pixels: int) -> int:
        """Side of the square at a query."""
        published = query / self.queries * 10_000
        halvings = sum(published > when for when in _HALVE_AT)
        share = self.share / (1 << halvings)
        return max(1, round(math.sqrt(share * pixels)))


def _surface(threat: Threat) -> Linf | L2:
    """``threat``; raises :class:`InvalidThreat` if it has no surface to walk on."""
    if isinstance(threat, Linf | L2):
        return threat
    raise InvalidThreat(
        f"Square walks on the surface of Linf and L2, not of {type(threat).__name__}"
    )
