"""Square: random squares, kept where the margin grows. No gradient is asked for.

Andriushchenko et al., ECCV 2020. The search stays on the surface of the ball, as good points are
found there. Each query changes one square of the image, whose share of the pixels falls from
``share`` in a fixed schedule, and the change stays if the margin grew.

* Maximum norm: the start is vertical stripes of ``+eps`` and ``-eps``; in a square, every channel
  is set to one of the two.
* Euclidean norm: the start is tiles of bumps. In a square a bump is added to what is there, and
  its length is paid for by a second square, which is emptied, and by what the box left unused.

It tells whether gradients were hidden: what it finds and a gradient attack does not, is a doubt
about the gradient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator

from spikeproof.attacks.climb import keep
from spikeproof.attacks.square_moves import stripes, swap_bumps, tiles, turn_square
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal
from spikeproof.threats import L2, Linf, Threat
from spikeproof.types import Cells

_HALVE_AT = (10, 50, 200, 1000, 2000, 4000, 6000, 8000)  # of 10 000 queries, as published


@dataclass(frozen=True)
class Square:
    """At most ``queries`` answers of the model per image; ``share`` of the pixels at first."""

    queries: int = 1000
    share: float = 0.8

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial images for ``x`` ``[N, 1, C, H, W]``; an image leaves once it is fooled.

        Raises :class:`InvalidThreat` for threats other than Linf and L2.
        """
        if not isinstance(threat, Linf | L2):
            raise InvalidThreat(
                f"Square walks on the surface of Linf and L2, not of {type(threat).__name__}"
            )
        found, deepest = x.clone(), goal.margin(victim.logits(x))
        live = (deepest <= 0).nonzero().squeeze(1)
        if not len(live) or self.queries < 2:
            return found
        clean, radius = x[live], threat.limit(x[live])
        begin = stripes if isinstance(threat, Linf) else tiles
        at = threat.project(clean, begin(clean, radius, rng))
        reach = goal[live].margin(victim.logits(at))
        keep(live, at, reach, found, deepest)
        for query in range(2, self.queries):
            stays = reach <= 0
            live, at, reach = live[stays], at[stays], reach[stays]
            if not len(live):
                break
            clean, radius = x[live], threat.limit(x[live])
            side = self._side(query, x.shape[-2] * x.shape[-1])
            move = turn_square if isinstance(threat, Linf) else swap_bumps
            trial = threat.project(clean, move(clean, at, radius, side, rng))
            told = goal[live].margin(victim.logits(trial))
            better = told > reach
            at = torch.where(better.view(-1, 1, 1, 1, 1), trial, at)
            reach = torch.where(better, told, reach)
            keep(live, at, reach, found, deepest)
        return found

    def _side(self, query: int, pixels: int) -> int:
        """Side of the square at a query."""
        published = query / self.queries * 10_000
        halvings = sum(published > when for when in _HALVE_AT)
        share = self.share / (1 << halvings)
        return max(1, round(math.sqrt(share * pixels)))
