"""Where a search without gradients stands, and asking the model what groups of cells do there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spikeproof.attacks.queries.groups import Groups
from spikeproof.attacks.queries.starts import edited
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Goal
from spikeproof.threats import Threat
from spikeproof.types import Cells, PerSample

_AT_ONCE = 256  # trials held in memory together


@dataclass(frozen=True, eq=False)
class Standing:
    """``edits``, ``worth`` ``[N, D]``, ``margin``, ``cost`` ``[N]`` of recordings ``clean``.

    ``worth`` is what an edit of a cell was measured to add to the margin, a running mean.
    ``out_size`` and ``in_size`` ``[N]`` are the cells in a group of the next round.
    """

    clean: Cells
    edits: Tensor
    margin: PerSample
    cost: PerSample
    worth: Tensor
    out_size: Tensor
    in_size: Tensor

    @classmethod
    def at(cls, clean: Cells, adv: Cells, margin: PerSample, cost: PerSample) -> Standing:
        """Stand at ``adv``; nothing is known of its edits yet."""
        edits = (adv != clean).flatten(1)
        size = (edits.sum(1) // 16).clamp(min=1)
        few = torch.full_like(size, max(4, edits.shape[1] // 2000))
        in_size = torch.where(margin > 0, torch.full_like(size, 4), few)
        return cls(clean, edits, margin, cost, torch.zeros(edits.shape), size, in_size)

    def __getitem__(self, chosen: Tensor) -> Standing:
        """Some of the recordings (indices or flags)."""
        return Standing(
            self.clean[chosen],
            self.edits[chosen],
            self.margin[chosen],
            self.cost[chosen],
            self.worth[chosen],
            self.out_size[chosen],
            self.in_size[chosen],
        )

    def put(self, chosen: Tensor, other: Standing) -> None:
        """Overwrite the recordings ``chosen`` (indices) with ``other``."""
        for name in ("edits", "margin", "cost", "worth", "out_size", "in_size"):
            getattr(self, name)[chosen] = getattr(other, name)

    def adv(self, threat: Threat) -> Cells:
        """The recordings as they stand, made by the threat."""
        return edited(threat, self.clean, self.edits.view_as(self.clean))


@dataclass(frozen=True, eq=False)
class Trials:
    """What became of ``Q`` trials: ``margin``, ``cost`` ``[Q]`` and whether the goal is reached."""

    margin: PerSample
    cost: PerSample
    reached: Tensor


def tried(
    victim: Victim,
    here: Standing,
    goal: Goal,
    threat: Threat,
    groups: Groups,
    who: Tensor,
    chosen: Tensor,
) -> Trials:
    """Turn the groups ``chosen`` ``[Q, G]`` of the recordings ``who`` ``[Q]`` and ask the model."""
    found = Trials(torch.zeros(len(who)), torch.zeros(len(who)), torch.zeros(len(who)) > 0)
    for part in torch.split(torch.arange(len(who)), _AT_ONCE):
        trial = made(here, threat, groups, who[part], chosen[part])
        logits = victim.logits(trial)
        found.margin[part] = goal[who[part]].margin(logits).float()
        found.reached[part] = goal[who[part]].reached(logits)
        found.cost[part] = threat.cost(here.clean[who[part]], trial).float()
    return found


def made(here: Standing, threat: Threat, groups: Groups, who: Tensor, chosen: Tensor) -> Cells:
    """The recordings ``who`` with their groups ``chosen`` turned: edited, or put back."""
    wanted = groups.turned(here.edits, who, chosen)
    clean = here.clean[who]
    return edited(threat, clean, wanted.view_as(clean))
