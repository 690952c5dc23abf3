"""Adversarial training: a part of every batch is attacked before the network learns from it.

The outer problem of adversarial training (Madry et al., ICLR 2018) is the training's; this is the
inner one, solved at a fixed budget by few steps of sparse flip, of images by projected steps of
half the budget. As there, the budget is that of the threat the network is meant to withstand. The
rest of the batch stays as it is, which keeps clean accuracy up; recordings that the network gets
wrong already are left alone. Gradients are those of the network's own surrogate: in so few steps a
narrower one, which wins in the end, fools fewer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from spikeproof.attacks.base import Attack
from spikeproof.attacks.events.sparse_flip import SparseFlip
from spikeproof.attacks.intensities.pgd import PGD
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Untargeted
from spikeproof.models.serializable import SerializableNetwork
from spikeproof.threats import Ball, Threat
from spikeproof.types import Cells, Labels


@dataclass(frozen=True)
class AdversarialBatch:
    """Within ``threat``, ``steps`` gradient steps on the first ``share`` of a batch.

    It is a ``perturb`` of :func:`spikeproof.training.fit`. Raises :class:`InvalidThreat` for a
    threat without a budget: adversarial recordings would then be as far away as there are.
    """

    threat: Threat
    steps: int = 3
    share: float = 0.5

    def __post_init__(self) -> None:
        if None in (getattr(self.threat, "budget", 0), getattr(self.threat, "eps", 0)):
            raise InvalidThreat(
                "adversarial training needs a budget; give a share of the active cells such as 2%"
            )

    def __str__(self) -> str:
        return f"{self.threat}; {self.steps} steps on {100 * self.share:g} % of each batch"

    def __call__(self, network: SerializableNetwork, x: Cells, labels: Labels) -> Cells:
        """``x`` ``[N, T, P, H, W]`` with its first recordings attacked."""
        first = round(self.share * len(x))
        attack: Attack
        if isinstance(self.threat, Ball):
            attack = PGD(steps=self.steps, size=0.5)
        else:
            attack = SparseFlip("budget", self.steps)
        victim = Victim(network, surrogate=None, chunk=max(1, first))
        goal = Untargeted(labels[:first])
        adv = attack(victim, x[:first], goal, self.threat, rng=torch.Generator())
        return torch.cat([adv, x[first:]])
