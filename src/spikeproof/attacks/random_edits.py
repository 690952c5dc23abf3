"""Random controls: the same edits, chosen by chance.

No figure of an attack means anything without the figure of its control, which has the same
budget under the same threat and is judged the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator

from spikeproof.attacks.learned.patch import LearnedPatch
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Goal
from spikeproof.threats import Ball, Threat, Universal
from spikeproof.types import Cells, Counts


@dataclass(frozen=True, eq=False)
class RandomEdits:
    """Random edits the threat allows: ``count`` ``[N]`` per sample, or as many as it allows.

    Of a ball over intensities it is a random point, and ``count`` the radius.
    """

    count: Counts | None = None

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """``x`` with edits drawn at random (the model is not asked)."""
        if isinstance(threat, Ball):
            return threat.start(x, rng, self.count)
        gain = torch.rand(x.shape, generator=rng) + 1e-6
        return threat.select(x, gain, self.count)


def random_pattern(
    like: torch.Tensor, threat: Universal, bins: int, rng: Generator
) -> torch.Tensor:
    """A random pattern with as many additions and removals as ``like`` ``[L, P, H, W]``."""
    wish = torch.rand(like.shape, generator=rng) + 1e-6
    adds, removes = int((like > 0).sum()), int((like < 0).sum())
    order = wish.flatten().argsort(descending=True)
    pattern = torch.zeros(like.numel())
    pattern[order[:adds]] = 1.0
    pattern[order[adds : adds + removes]] = -1.0
    pattern = pattern.view_as(like)
    if threat.sensor is None:
        return pattern
    return threat.draw(torch.stack([wish * (pattern > 0), wish * (pattern < 0)]), bins)


def random_patches(like: LearnedPatch, rng: Generator) -> LearnedPatch:
    """Patches of random cells, as dense as each of those they stand beside."""
    density = like.patches.mean((1, 2, 3, 4), keepdim=True)
    drawn = torch.rand(like.patches.shape, generator=rng) < density
    return LearnedPatch(drawn.float(), like.free_time)
