"""Projected gradient ascent with a fixed step (Madry et al., ICLR 2018).

    x_{k+1} = P( x_k + size * limit * s(gradient at x_k) )

with P the projection onto the threat and s the steepest step of its norm (the sign, for the maximum
norm), from a random point of it. Auto-PGD (:mod:`spikeproof.attacks.intensities.apgd`) adapts the
step size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator

from spikeproof.attacks.intensities.climb import keep, lowest, restarted
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Goal, Loss, cross_entropy
from spikeproof.threats import Ball, Threat
from spikeproof.threats.ball import as_ball, widened
from spikeproof.types import Cells, PerSample


@dataclass(frozen=True)
class PGD:
    """``steps`` gradients of ``loss``; steps are ``size`` times the threat's limit.

    With ``restarts`` above 1, what stands tries again from another random point.
    """

    loss: Loss = cross_entropy
    steps: int = 40
    size: float = 0.1
    restarts: int = 1

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial images for ``x`` ``[N, 1, C, H, W]``; an image leaves once it is fooled.

        Raises :class:`InvalidThreat` for threats over events.
        """
        return restarted(self, victim, x, goal, as_ball(threat, "PGD"), self.restarts, rng)

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
        """One run within ``radius`` ``[N]`` from ``start``: the best points and their margins.

        ``rng`` is not used.
        """
        found, deepest = start.clone(), lowest(clean)
        live, at = torch.arange(len(clean)), start
        for _ in range(self.steps):
            reach, gradient = victim.gradient(at, goal[live], self.loss)
            keep(live, at, reach, found, deepest)
            stays = reach <= 0
            live, at, gradient = live[stays], at[stays], gradient[stays]
            if not len(live):
                return found, deepest
            step = self.size * widened(radius[live], at) * ball.steepest(gradient)
            at = ball.project(clean[live], at + step, radius[live])
        keep(live, at, goal[live].margin(victim.logits(at)), found, deepest)
        return found, deepest
