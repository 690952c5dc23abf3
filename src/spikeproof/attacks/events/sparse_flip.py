"""Sparse flip: the white-box attack that edits cells directly and counts every edit.

Per step, the gradient of the margin at the current adversarial recording says how much each cell
wants to differ from the clean one (gradient times the direction of its only possible edit). These
wishes are summed over the steps and the k most wanted edits are made, always starting again from
the clean recording, so that an early mistake can be taken back. A sample that is fooled tries
again with smaller k, one that is not with larger k. Two modes:

* *minimum*: the fewest edits that reach the goal; the best result is then refined
  (:mod:`spikeproof.attacks.events.refine`).
* *budget*: k stays at the threat's limit; a sample leaves as soon as it is fooled.

Edits are never rounded: what the model sees is what is reported. The attack works under any
threat that selects by gain (flips, moves in time, a patch at a given place).

The idea of flipping the top cells of a gradient on binary events is that of the sparse dynamic
attack (Lun et al., CVPR 2025); accumulating the wishes and re-selecting from the clean recording
is ours, and takes the place of its greedy growth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor

from spikeproof.attacks.events.edits import direction
from spikeproof.attacks.events.refine import exhaust_small, prune
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal, Loss, margin
from spikeproof.threats import Ball, Threat, Universal
from spikeproof.types import Cells, Gain, PerSample


@dataclass(frozen=True)
class SparseFlip:
    """``steps`` gradient steps at most; ``first`` edits are tried first (minimum mode).

    ``grow`` and ``shrink`` are the factors on k after a miss and a hit, ``leap`` that after a miss
    before the first hit. A sample leaves the batch after ``patience`` steps without a smaller
    result, or when a single edit is enough. ``loss`` is what is climbed. With a ``start`` above 0
    the first wishes are drawn at random, with the weight of so many steps: a restart looks
    elsewhere. If it ``refines``, results are made cheaper in the end; whoever does that better can
    do without.
    """

    mode: Literal["minimum", "budget"] = "minimum"
    steps: int = 40
    first: int = 64
    grow: float = 1.15
    shrink: float = 0.85
    leap: float = 1.5
    patience: int = 15
    loss: Loss = margin
    start: float = 0.0
    refines: bool = True

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial recordings for ``x``; ``rng`` is used for a ``start`` only."""
        if isinstance(threat, Universal):
            raise InvalidThreat("sparse flip works recording by recording; use FitUniversal")
        if isinstance(threat, Ball):
            raise InvalidThreat("sparse flip edits events; move intensities with APGD or Smallest")
        search = self._minimum if self.mode == "minimum" else self._budget
        return search(victim, x, goal, threat, self._first_wish(x, rng))

    def _first_wish(self, x: Cells, rng: Generator) -> Gain:
        if not self.start:
            return torch.zeros_like(x)
        drawn = torch.randn(x.shape, generator=rng, dtype=x.dtype)
        return normalised(drawn) * self.start

    def _minimum(self, victim: Victim, x: Cells, goal: Goal, threat: Threat, wish: Gain) -> Cells:
        limit = threat.limit(x)
        found, cost = x.clone(), torch.full((len(x),), torch.inf)
        k = torch.minimum(torch.full_like(limit, self.first), limit)
        stale = torch.zeros_like(limit)
        live = torch.arange(len(x))
        cost[victim.reached(x, goal)] = 0
        live = live[cost > 0]
        clean, way, wished = x[live], direction(x[live]), wish[live]  # of those that are live
        adv = clean
        for step in range(self.steps):
            if not len(live):
                break
            reach, gradient = victim.gradient(adv, goal[live], self.loss)
            if step > 0:  # the first step only looks at the clean recording
                self._record(live, clean, adv, reach, threat, found, cost, stale)
                spent = cost[live].clamp(max=1e9).long()
                down = (torch.minimum(k[live], spent) * self.shrink).long()
                grow = torch.where(torch.isfinite(cost[live]), self.grow, self.leap)
                up = torch.minimum((k[live] * grow).ceil().long(), limit[live])
                k[live] = torch.where(reach > 0, down, torch.minimum(up, spent - 1)).clamp(min=1)
            wished += normalised(gradient * way)
            stays = (cost[live] > 1) & (stale[live] < self.patience)
            if not bool(stays.all()):
                wish[live] = wished
                live, clean, way, wished = live[stays], clean[stays], way[stays], wished[stays]
            adv = threat.select(clean, wished, k[live])
        wish[live] = wished
        if len(live):
            reach = goal[live].margin(victim.logits(adv))
            self._record(live, clean, adv, reach, threat, found, cost, stale)
        done = (torch.isfinite(cost) & (cost > 0)).nonzero().squeeze(1)
        if len(done) and self.refines:
            found[done] = prune(victim, x[done], found[done], goal[done], threat)
            found[done] = exhaust_small(
                victim, x[done], found[done], goal[done], threat, wish[done]
            )
        return found

    @staticmethod
    def _record(
        live: Tensor,
        clean: Cells,
        adv: Cells,
        reach: PerSample,
        threat: Threat,
        found: Tensor,
        cost: Tensor,
        stale: Tensor,
    ) -> None:
        """Keep what is fooled with fewer edits than before; count steps without improvement."""
        spent = threat.cost(clean, adv)
        better = (reach > 0) & (spent < cost[live])
        found[live[better]] = adv[better]
        cost[live[better]] = spent[better]
        stale[live] = torch.where(better | ~torch.isfinite(cost[live]), 0, stale[live] + 1)

    def _budget(self, victim: Victim, x: Cells, goal: Goal, threat: Threat, wish: Gain) -> Cells:
        found = x.clone()
        live = (~victim.reached(x, goal)).nonzero().squeeze(1)
        adv = x[live]
        for _ in range(self.steps):
            if not len(live):
                break
            reach, gradient = victim.gradient(adv, goal[live], self.loss)
            found[live] = adv
            wish[live] += normalised(gradient * direction(x[live]))
            live = live[reach <= 0]
            adv = threat.select(x[live], wish[live])
        if len(live):
            found[live] = adv
        return found


def normalised(gain: Gain) -> Gain:
    """Scaled so that each sample's absolute gains sum to 1 (steps count alike in a sum)."""
    size = gain.flatten(1).abs().sum(1).clamp(min=1e-30)
    return gain / size.view(-1, 1, 1, 1, 1)
