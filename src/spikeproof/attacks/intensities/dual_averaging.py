"""Dual averaging: the best point of the threat for the sum of all gradients so far.

    wish_k  = 0.9 wish_{k-1} + gradient at x_k / its sum of absolute values
    x_{k+1} = argmax over the threat of < wish_k, x' - x >,

(Nesterov, Math. Program. 120, 2009), which needs no step size and no projection. It is what
the sparse flip attack (:mod:`spikeproof.attacks.events.sparse_flip`) does with events: every step
starts again from the clean image, so that an early mistake can be undone. Where few
pixels may change it finds what projected steps miss: these spread a change over all pixels, and
the projection then cuts it to a few.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator

from spikeproof.attacks.intensities.climb import keep, lowest, restarted
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Goal, Loss, margin
from spikeproof.threats import Ball, Threat
from spikeproof.threats.ball import as_ball
from spikeproof.types import Cells, PerSample


@dataclass(frozen=True)
class DualAveraging:
    """``steps`` gradients of ``loss``; of an old gradient ``memory`` is left after each step.

    The first gradient is taken at a random point; what stands tries again, ``restarts`` in all.
    """

    loss: Loss = margin
    steps: int = 40
    memory: float = 0.9
    restarts: int = 1

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial images for ``x`` ``[N, 1, C, H, W]``; an image leaves once it is fooled.

        Raises :class:`InvalidThreat` for threats over events.
        """
        ball = as_ball(threat, "dual averaging")
        return restarted(self, victim, x, goal, ball, self.restarts, rng)

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
        live, at, wish = torch.arange(len(clean)), start, torch.zeros_like(clean)
        for _ in range(self.steps):
            reach, gradient = victim.gradient(at, goal[live], self.loss)
            keep(live, at, reach, found, deepest)
            stays = reach <= 0
            live, gradient = live[stays], gradient[stays]
            if not len(live):
                return found, deepest
            size = gradient.flatten(1).abs().sum(1).clamp(min=1e-30)
            wish = self.memory * wish[stays] + gradient / size.view(-1, 1, 1, 1, 1)
            at = ball.select(clean[live], wish, radius[live])
        keep(live, at, goal[live].margin(victim.logits(at)), found, deepest)
        return found, deepest
