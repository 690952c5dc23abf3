r"""The spike-compatible gradient: a gradient turned into flips by chance.

Liang et al., IEEE TNNLS 2021 (arXiv 2001.01587). In every step, with :math:`g` the gradient of the
loss (cross-entropy) at the present recording:

* gradient to spikes (G2S): :math:`m \sim \mathrm{Bernoulli}\big((|g| - \min|g|) / (\max|g| -
  \min|g|)\big)`, and :math:`x \leftarrow x + m\, \mathrm{sign}(g)` wherever that is still 0 or 1
  (the overflow-aware transformer);
* restricted spike flipper (RSF): where :math:`g` vanishes altogether, each cell is flipped with a
  probability of :math:`\gamma = 0.05`;

until the model errs.

Decided here, as the text leaves it open: 25 steps at most, and no step size, as a flip is whole.
What the paper does against vanishing gradients during training (another threshold in the last
layer) is not the attacker's to do. Under a budget those cells stay flipped whose flip was most
probable when it was made.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator

from spikeproof.attacks.peers.single_cell import cell_by_cell, editable, turned, worth
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal, Loss, cross_entropy
from spikeproof.threats import Threat
from spikeproof.types import Cells, Gain


@dataclass(frozen=True)
class SpikeCompatible:
    """``steps`` at most; ``chance`` is the probability of a flip where there is no gradient."""

    steps: int = 25
    chance: float = 0.05
    loss: Loss = cross_entropy

    def __post_init__(self) -> None:
        if not 0 < self.chance <= 1:
            raise InvalidThreat(f"the chance of a flip is above 0 and at most 1, not {self.chance}")

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial recordings for ``x``, the clean one where all steps failed.

        ``rng`` draws the flips. Raises :class:`InvalidThreat` for a threat whose edits do not
        stand alone.
        """
        free = cell_by_cell(threat, "the spike-compatible gradient")
        may = editable(threat, x)
        adv, wish = x.clone(), torch.full_like(x, -torch.inf)
        reached = torch.zeros(len(x), dtype=torch.bool)
        live = (~victim.reached(x, goal) & (threat.limit(x) > 0)).nonzero().squeeze(1)
        for _ in range(self.steps):
            if not len(live):
                break
            drawn = torch.rand(x.shape, generator=rng)[live]  # whatever else has left by now
            clean, now = x[live], adv[live]
            _, gradient = victim.gradient(now, goal[live], self.loss)
            chance = self._chances(clean, now, gradient).masked_fill(~may[live], 0)
            after = turned(clean, now, drawn < chance)
            probable = torch.where(now != clean, wish[live], chance)
            wish[live] = probable.masked_fill(after == clean, -torch.inf)
            adv[live] = free.select(clean, wish[live])
            reached[live] = victim.reached(adv[live], goal[live])
            live = live[~reached[live]]
        adv[~reached] = x[~reached]
        adv[reached] = threat.select(x, wish)[reached]
        return adv

    def _chances(self, clean: Cells, now: Cells, gradient: Gain) -> Gain:
        """The probability of each cell's flip."""
        size = gradient.abs()
        low, high = (
            f(size.flatten(1), dim=1).view(-1, 1, 1, 1, 1) for f in (torch.amin, torch.amax)
        )
        spread = (size - low) / (high - low).clamp(min=1e-30)
        spread = spread.masked_fill(worth(clean, now, gradient) <= 0, 0)
        return torch.where(high == 0, self.chance, spread)
