"""Where a search without gradients stands, and asking the model what groups of cells do there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spikeproof.attacks.queries.groups import Groups
from spikeproof.attacks.queries.starts import edited
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Goal
from spikeproof.threats import Threat
from spikeproof.types import Cells, Flags, PerSample

PIECES = 16  # that edits are cut into at first
_CELLS = 2**23  # of trials held in memory together
_TAKEN = 0.2  # of the edits asked about: a round that saves more tries larger groups next


@dataclass(frozen=True, eq=False)
class SearchState:
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
    def at(cls, clean: Cells, adv: Cells, margin: PerSample, cost: PerSample) -> SearchState:
        """Stand at ``adv``; nothing is known of its edits yet."""
        edits = (adv != clean).flatten(1)
        size = (edits.sum(1) // PIECES).clamp(min=1)
        few = torch.full_like(size, max(4, edits.shape[1] // 2000))
        in_size = torch.where(margin > 0, torch.full_like(size, 4), few)
        return cls(clean, edits, margin, cost, torch.zeros(edits.shape), size, in_size)

    def __getitem__(self, chosen: Tensor) -> SearchState:
        """Some of the recordings (indices or flags)."""
        return SearchState(
            self.clean[chosen],
            self.edits[chosen],
            self.margin[chosen],
            self.cost[chosen],
            self.worth[chosen],
            self.out_size[chosen],
            self.in_size[chosen],
        )

    def put(self, chosen: Tensor, other: SearchState) -> None:
        """Overwrite the recordings ``chosen`` (indices) with ``other``."""
        for name in ("edits", "margin", "cost", "worth", "out_size", "in_size"):
            getattr(self, name)[chosen] = getattr(other, name)

    def adv(self, threat: Threat) -> Cells:
        """The recordings as they stand, made by the threat."""
        return edited(threat, self.clean, self.edits.view_as(self.clean))


def tried(
    victim: Victim,
    here: SearchState,
    goal: Goal,
    threat: Threat,
    groups: Groups,
    chosen: Tensor,
    usable: Tensor,
) -> tuple[Tensor, Tensor]:
    """Margin and cost ``[N, C]`` after the choices of groups ``chosen`` ``[N, C, G]``.

    Only the ``usable`` ``[N, C]`` are asked; the others have a margin of ``-inf`` and cost ``inf``.
    """
    margin = torch.full(usable.shape, -torch.inf)
    cost = torch.full(usable.shape, torch.inf)
    places = usable.nonzero()
    for part in torch.split(places, at_once(here.clean)) if len(places) else ():
        who, which = part.unbind(1)
        trial = _made(here, threat, groups, who, chosen[who, which])
        margin[who, which] = goal[who].margin(victim.logits(trial)).float()
        cost[who, which] = threat.cost(here.clean[who], trial).float()
    return margin, cost


def at_once(cells: Cells) -> int:
    """How many recordings like ``cells`` are held in memory together."""
    return max(1, _CELLS // cells[0].numel())


def moved(
    here: SearchState,
    threat: Threat,
    groups: Groups,
    chosen: Tensor,
    margin: Tensor,
    cost: Tensor,
    value: Tensor,
) -> SearchState:
    """Go to the choice of the highest ``value`` ``[N, C]``; stay where all are ``-inf``."""
    top, pick = value.max(1)
    who = torch.isfinite(top).nonzero().squeeze(1)
    there = replace(
        here, edits=here.edits.clone(), margin=here.margin.clone(), cost=here.cost.clone()
    )
    if len(who):
        pick = pick[who]
        adv = _made(here, threat, groups, who, chosen[who, pick])
        there.edits[who] = (adv != here.clean[who]).flatten(1)
        there.margin[who], there.cost[who] = margin[who, pick], cost[who, pick]
    return there


def _made(here: SearchState, threat: Threat, groups: Groups, who: Tensor, chosen: Tensor) -> Cells:
    """The recordings ``who`` with their groups ``chosen`` ``[Q, G]`` edited or put back."""
    clean = here.clean[who]
    return edited(threat, clean, groups.turned(here.edits, who, chosen).view_as(clean))


def resized(before: SearchState, after: SearchState) -> SearchState:
    """``after`` with larger groups of edits where the round went well, smaller ones elsewhere."""
    size = before.out_size
    size = torch.where(went_well(before, after), (size * 1.5).ceil().long(), size * 6 // 10)
    most = (after.edits.sum(1) // PIECES).clamp(min=1)
    return replace(after, out_size=torch.minimum(size.clamp(min=1), most))


def went_well(before: SearchState, after: SearchState) -> Flags:
    """Whether much of what was asked about was put back, or the margin grew elsewhere."""
    asked = before.out_size * (before.edits.sum(1) // before.out_size).clamp(min=1, max=PIECES)
    saved = before.cost - after.cost >= _TAKEN * asked
    return torch.where(before.margin > 0, saved, after.margin > before.margin)
