"""Transfer: search on another model, ask the victim only for its answer.

Adversarial recordings of one model often fool another one that learned the same task (Papernot et
al., AsiaCCS 2017). An attack with gradients runs on a *proxy*; what it finds barely fools the
proxy and rarely the victim, so the goal must be reached more and more firmly there, until the
victim falls: by a share of how far apart the proxy's largest and smallest logits are on the clean
recording. Then the proxy's gradient says in which order edits are taken back, and the victim how
many can be; of images the victim says how far the change can be drawn in.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Generator

from spikeproof.attacks.base import Attack
from spikeproof.attacks.events.refine import prune
from spikeproof.attacks.events.sparse_flip import SparseFlip
from spikeproof.attacks.intensities.minimum_norm import shrunk
from spikeproof.attacks.victim import NARROW_SURROGATE, Victim
from spikeproof.goals import Goal, WithConfidence
from spikeproof.models.surrogate import Surrogate
from spikeproof.threats import Ball, Threat
from spikeproof.types import Cells, Model


@dataclass(frozen=True, eq=False)
class Transfer:
    """``attack`` on ``proxy`` with its gradients; the victim is only asked.

    ``firmness`` are the margins that must be to spare on the proxy, as shares of the span of its
    logits on the clean recording, tried in order on recordings that do not fool the victim yet.
    ``rounds`` are those of taking edits back. What is asked of the proxy is not counted as queries.
    """

    proxy: Model
    attack: Attack = field(default_factory=SparseFlip)
    surrogate: Surrogate | None = NARROW_SURROGATE
    firmness: tuple[float, ...] = (0.0, 0.1, 0.25, 0.5, 1.0)
    rounds: int = 3

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial recordings for ``x``; the clean one where nothing fooled the victim."""
        helper = Victim(self.proxy, self.surrogate, victim.chunk)
        adv, cost = x.clone(), torch.full((len(x),), torch.inf)
        left = (~victim.reached(x, goal)).nonzero().squeeze(1)
        if not len(left):
            return adv
        logits = helper.logits(x).float()
        span = logits.amax(1) - logits.amin(1)
        least = threat.resolution if isinstance(threat, Ball) else 1.0
        for share in self.firmness:
            aim = WithConfidence(goal[left], share * span[left]) if share else goal[left]
            trial = self.attack(helper, x[left], aim, threat, rng=rng)
            fooled = victim.reached(trial, goal[left]) & threat.check(x[left], trial).ok
            adv[left[fooled]] = trial[fooled]
            cost[left[fooled]] = threat.cost(x[left], trial)[fooled].float()
            left = left[~fooled]
            if not len(left):
                break
        found = (torch.isfinite(cost) & (cost > least)).nonzero().squeeze(1)
        if len(found):
            adv[found] = self._cheaper(victim, helper, x[found], adv[found], goal[found], threat)
        return adv

    def _cheaper(
        self, victim: Victim, helper: Victim, clean: Cells, adv: Cells, goal: Goal, threat: Threat
    ) -> Cells:
        if isinstance(threat, Ball):
            return shrunk(victim, clean, adv, goal, threat)
        return prune(victim, clean, adv, goal, threat, self.rounds, helper)
