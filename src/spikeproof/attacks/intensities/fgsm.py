"""One step: the best point of the threat, if the model were linear.

The fast gradient sign method (Goodfellow et al., ICLR 2015) moves every intensity by ``eps`` in the
direction of its gradient; in other norms the same idea is another step,

    x' = argmax over the threat of < gradient of the loss at x, x' - x >,

which is what a ball's ``select`` does.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator

from spikeproof.attacks.victim import Victim
from spikeproof.goals import Goal, Loss, cross_entropy
from spikeproof.threats import Threat
from spikeproof.threats.ball import as_ball
from spikeproof.types import Cells


@dataclass(frozen=True)
class FGSM:
    """One step along the gradient of ``loss``, as long as the threat allows."""

    loss: Loss = cross_entropy

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial images for ``x`` ``[N, 1, C, H, W]``; ``rng`` is not used.

        Raises :class:`InvalidThreat` for threats over events.
        """
        ball = as_ball(threat, "FGSM")
        adv = x.clone()
        live = (~victim.reached(x, goal)).nonzero().squeeze(1)
        if len(live):
            _, gradient = victim.gradient(x[live], goal[live], self.loss)
            adv[live] = ball.select(x[live], gradient)
        return adv
