"""Solve without the budget, then shrink the solution until it fits.

A search within a budget crosses inputs that the model classifies correctly and follows gradients
there. With more edits than the budget allows, the model misclassifies soon. From there the boundary
walk (:mod:`spikeproof.attacks.events.boundary_walk`) removes and exchanges edits, each measured on
the model, until the budget is met. Attacks without any budget work alike (SpikeFool, Büchel et al.,
*Front. Neurosci.* 16:1068193, 2022; SparseFool, Modas et al., CVPR 2019); this one stops at the
budget.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Generator

from spikeproof.attacks.events.boundary_walk import BoundaryWalk
from spikeproof.attacks.events.refine import exhaust
from spikeproof.attacks.events.sparse_flip import SparseFlip
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Goal
from spikeproof.threats import Threat, unlimited
from spikeproof.types import Cells


@dataclass(frozen=True)
class UnconstrainedStart:
    """``search`` for fewest edits without a budget, then ``walk``."""

    search: SparseFlip = field(default_factory=SparseFlip)
    walk: BoundaryWalk = field(default_factory=BoundaryWalk)

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial recordings for ``x``; the clean one where the budget was not reached."""
        free, limit = unlimited(threat), threat.limit(x)
        adv = self.search(victim, x, goal, free, rng=rng)
        adv = self.walk(victim, x, adv, goal, free, limit)
        adv = exhaust(victim, x, adv, goal, free)
        over = threat.cost(x, adv) > limit
        adv[over] = x[over]
        return adv
