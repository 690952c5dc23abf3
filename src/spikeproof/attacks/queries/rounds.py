"""One round of the score-based search: measure groups alone, then try them together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spikeproof.attacks.queries.groups import Draw, Groups, grouped, nearness
from spikeproof.attacks.queries.plans import PLANS, plans
from spikeproof.attacks.queries.standing import Standing, made, tried
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Goal
from spikeproof.threats import Threat

_TAKEN = 0.2  # of the edits asked about: a round that saves more tries larger groups next
_AGAIN = 6  # new cells in a group, from time to time, after they had become fewer


@dataclass(frozen=True)
class Round:
    """``outs`` groups of edits and ``ins`` groups of new cells are measured."""

    outs: int
    ins: int

    @property
    def queries(self) -> int:
        """Most queries of a recording."""
        return self.outs + self.ins + PLANS

    def __call__(
        self,
        victim: Victim,
        here: Standing,
        goal: Goal,
        threat: Threat,
        allowed: Tensor,
        draw: Draw,
    ) -> Standing:
        """Where all stand next: cheaper if they were fooled, with a larger margin if not.

        New cells are taken from the ``allowed`` ``[N, D]``.
        """
        wishes = nearness(here.clean, here.edits, here.worth)
        wishes = wishes.masked_fill(here.edits | ~allowed, -torch.inf)
        groups = grouped(
            here.edits,
            here.worth,
            wishes,
            draw,
            (here.out_size, here.in_size),
            (self.outs, self.ins),
        )
        real = groups.size > 0
        who, which = real.nonzero(as_tuple=True)
        alone = torch.zeros(len(who), real.shape[1], dtype=torch.bool)
        alone[torch.arange(len(who)), which] = True
        change = torch.full(real.shape, torch.nan)
        change[who, which] = tried(victim, here, goal, threat, groups, who, alone).margin
        change -= here.margin.unsqueeze(1)
        known = replace(here, worth=_learned(here.worth, groups, change))
        there = self._together(victim, known, goal, threat, groups, change)
        return _sized(here, there, self.outs, draw)

    @staticmethod
    def _together(
        victim: Victim, here: Standing, goal: Goal, threat: Threat, groups: Groups, change: Tensor
    ) -> Standing:
        """The best of the plans; where none is better all stays as it is."""
        chosen, usable = plans(here.margin, change, groups)
        who, which = usable.nonzero(as_tuple=True)
        found = tried(victim, here, goal, threat, groups, who, chosen[who, which])
        cost, margin = (torch.full(usable.shape, torch.nan) for _ in range(2))
        cost[who, which], margin[who, which] = found.cost, found.margin
        saved, before = here.cost.unsqueeze(1) - cost, here.margin.unsqueeze(1)
        cheaper = (margin > 0) & ((saved > 0) | ((saved == 0) & (margin > before)))
        value = torch.where(before > 0, saved + 0.5 * torch.sigmoid(margin), margin)
        better = torch.where(before > 0, cheaper, margin > before)
        top, pick = torch.where(better, value, -torch.inf).max(1)
        moved = torch.isfinite(top).nonzero().squeeze(1)
        there = replace(
            here, edits=here.edits.clone(), margin=here.margin.clone(), cost=here.cost.clone()
        )
        if len(moved):
            adv = made(here, threat, groups, moved, chosen[moved, pick[moved]])
            there.edits[moved] = (adv != here.clean[moved]).flatten(1)
            there.margin[moved] = margin[moved, pick[moved]]
            there.cost[moved] = cost[moved, pick[moved]]
        return there


def _learned(worth: Tensor, groups: Groups, change: Tensor) -> Tensor:
    """Measured changes shared among the cells of a group, averaged with what was known."""
    per_cell = torch.nan_to_num(change) / groups.size.clamp(min=1)
    per_cell[:, : groups.outs] *= -1
    padded = torch.nn.functional.pad(per_cell, (1, 0))
    return torch.where(
        groups.label >= 0, 0.5 * worth + 0.5 * padded.gather(1, groups.label + 1), worth
    )


def _sized(before: Standing, after: Standing, outs: int, draw: Draw) -> Standing:
    """Larger groups after a success, smaller ones after a failure."""
    edits = after.edits.sum(1)
    inside = before.margin > 0
    asked = before.out_size * torch.minimum(
        torch.full_like(edits, outs), before.edits.sum(1) // before.out_size
    ).clamp(min=1)
    went = torch.where(
        inside,
        before.cost - after.cost >= _TAKEN * asked,
        after.margin > before.margin,
    )
    out_size = torch.where(went, (before.out_size * 1.5).ceil().long(), before.out_size * 6 // 10)
    out_size = torch.minimum(out_size.clamp(min=1), (edits // outs).clamp(min=1))
    smaller = before.in_size * 7 // 10
    larger = torch.where(inside, before.in_size, before.in_size * 2)
    in_size = torch.where(went, larger, smaller).clamp(min=1, max=after.edits.shape[1] // 64 + 1)
    if bool(draw.noise[0] < 0.1):
        again = (edits // 8).clamp(min=1, max=_AGAIN)
        in_size = torch.where(inside, again, in_size)
    return replace(after, out_size=out_size, in_size=in_size)
