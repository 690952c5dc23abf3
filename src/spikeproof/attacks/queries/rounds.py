"""One round of the score-based search: measure groups alone, then try them together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spikeproof.attacks.queries.groups import Draw, Groups, grouped, nearness
from spikeproof.attacks.queries.plans import PLANS, plans
from spikeproof.attacks.queries.search_state import SearchState, moved, resized, tried, went_well
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Goal
from spikeproof.threats import Threat

_OFTEN = 0.1  # of the rounds in which groups of new cells become larger again
_AGAIN = 6  # cells in these


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
        here: SearchState,
        goal: Goal,
        threat: Threat,
        allowed: Tensor,
        draw: Draw,
    ) -> SearchState:
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
        alone = torch.eye(real.shape[1], dtype=torch.bool).expand(len(real), -1, -1)
        margin, _ = tried(victim, here, goal, threat, groups, alone, real)
        change = torch.where(real, margin - here.margin.unsqueeze(1), torch.nan)
        known = replace(here, worth=_learned(here.worth, groups, change))
        return _sized(here, self._together(victim, known, goal, threat, groups, change), draw)

    def _together(
        self,
        victim: Victim,
        here: SearchState,
        goal: Goal,
        threat: Threat,
        groups: Groups,
        change: Tensor,
    ) -> SearchState:
        """The best of the plans; where none is better all stays as it is."""
        chosen, usable = plans(here.margin, change, groups)
        margin, cost = tried(victim, here, goal, threat, groups, chosen, usable)
        saved, before = here.cost.unsqueeze(1) - cost, here.margin.unsqueeze(1)
        cheaper = (margin > 0) & ((saved > 0) | ((saved == 0) & (margin > before)))
        value = torch.where(before > 0, saved + 0.5 * torch.sigmoid(margin), margin)
        better = torch.where(before > 0, cheaper, margin > before)
        value = torch.where(better, value, -torch.inf)
        return moved(here, threat, groups, chosen, margin, cost, value)


def _learned(worth: Tensor, groups: Groups, change: Tensor) -> Tensor:
    """Measured changes shared among the cells of a group, averaged with what was known."""
    per_cell = torch.nan_to_num(change) / groups.size.clamp(min=1)
    per_cell[:, : groups.outs] *= -1
    padded = torch.nn.functional.pad(per_cell, (1, 0))
    return torch.where(
        groups.label >= 0, 0.5 * worth + 0.5 * padded.gather(1, groups.label + 1), worth
    )


def _sized(before: SearchState, after: SearchState, draw: Draw) -> SearchState:
    """Larger groups of new cells after a success, smaller ones after a failure."""
    inside = before.margin > 0
    went = went_well(before, after)
    larger = torch.where(inside, before.in_size, 2 * before.in_size)
    size = torch.where(went, larger, before.in_size * 7 // 10)
    size = size.clamp(min=1, max=after.edits.shape[1] // 64 + 1)
    if bool(draw.noise[0] < _OFTEN):
        size = torch.where(inside, (after.edits.sum(1) // 8).clamp(min=1, max=_AGAIN), size)
    return replace(resized(before, after), in_size=size)
