"""Moving events in time only.

Every pixel keeps its number of events of each polarity; an event may come up to ``max_shift``
bins earlier or later, never into an occupied cell. These are the budgets of Spike-Retiming (Yu et
al., ICLR 2026, arXiv 2602.03284): ``max_shift`` is its B-infinity, ``max_events`` its B-0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spikeproof.errors import InvalidThreat
from spikeproof.threats.base import Budget, best, check_budget, resolve_budget
from spikeproof.threats.sensor import Sensor
from spikeproof.threats.verdict import Verdict
from spikeproof.types import Cells, Counts, Flags, Gain, PerSample

_ROUNDS = 3  # of matching events to free cells; each round places the best of each conflict


@dataclass(frozen=True)
class Retime:
    """Move at most ``max_events`` events by at most ``max_shift`` time bins each.

    ``max_events`` is a whole number, a float share of the active cells, or None for no limit.
    Binary grids only.
    """

    max_shift: int = 2
    max_events: Budget = None
    sensor: Sensor | None = None

    def __post_init__(self) -> None:
        check_budget(self.max_events, "max_events")
        if self.max_shift < 1:
            raise InvalidThreat(f"max_shift is {self.max_shift}; moving needs at least 1 bin")

    def __str__(self) -> str:
        many = "any number of"
        if isinstance(self.max_events, float):
            many = f"at most {100 * self.max_events:g} % of the"
        elif self.max_events is not None:
            many = f"at most {self.max_events}"
        bins = "bin" if self.max_shift == 1 else "bins"
        return f"move {many} events in time, each by at most {self.max_shift} {bins}"

    def at(self, budget: Budget) -> Retime:
        """The same threat with another number of events."""
        return replace(self, max_events=budget)

    def limit(self, clean: Cells) -> Counts:
        """Moves allowed per sample (at most all active cells)."""
        most = resolve_budget(self.max_events, clean, "max_events")
        return torch.minimum(most, (clean > 0).flatten(1).sum(1))

    def cost(self, clean: Cells, adv: Cells) -> PerSample:
        """Events that left their cell, per sample."""
        return ((clean > 0) & (adv == 0)).flatten(1).sum(1).to(clean)

    def select(self, clean: Cells, gain: Gain, count: Counts | None = None) -> Cells:
        """``clean`` with its ``count`` best moves; a move gains what its two cells gain."""
        limit = self.limit(clean)
        room = limit if count is None else torch.minimum(count, limit)
        free = clean == 0
        if self.sensor is not None:
            free &= torch.isfinite(self.sensor.permit(clean, gain))
        movable = clean > 0
        adv = clean.clone()
        for _ in range(_ROUNDS):
            source, shift, value = self._best_moves(gain, movable, free)
            chosen = best(value, room) & source
            target = _place(chosen, shift)
            adv = torch.where(chosen, torch.zeros_like(adv), torch.where(target, 1.0, adv))
            room = room - chosen.flatten(1).sum(1)
            movable, free = movable & ~chosen, free & ~target
            if not bool(chosen.any()):
                break
        return adv

    def _best_moves(
        self, gain: Gain, movable: Tensor, free: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Moves no two of which share a source or a target: flags, shifts and values ``[NTPHW]``.

        Each event takes its best free cell; where several want one cell, the best of them gets it.
        """
        wish = gain.masked_fill(~free, -torch.inf)
        value = torch.full_like(gain, -torch.inf)
        shift = torch.zeros_like(gain, dtype=torch.long)
        for step in self._steps():
            there = _shifted(wish, step) + gain
            better = movable & (there > value)
            value = torch.where(better, there, value)
            shift = torch.where(better, step, shift)
        offered = torch.full_like(gain, -torch.inf)  # best value that wants each target
        for step in self._steps():
            arriving = torch.where(shift == step, value, -torch.inf)
            offered = torch.maximum(offered, _shifted(arriving, -step))
        wins = torch.zeros_like(movable)
        taken = torch.zeros_like(movable)
        for step in self._steps():
            mine = (shift == step) & (value > 0) & (value >= _shifted(offered, step))
            mine &= ~_shifted(taken, step, fill=True)
            taken |= _shifted(mine, -step, fill=False)
            wins |= mine
        return wins, shift, torch.where(wins, value, -torch.inf)

    def _steps(self) -> list[int]:
        return [s * sign for s in range(1, self.max_shift + 1) for sign in (1, -1)]

    def check(self, clean: Cells, adv: Cells) -> Verdict:
        """Judge by pairing, per pixel and polarity, events gone with events come, in time order.

        In one dimension the sorted pairing has the smallest largest shift, so if it is too long
        every pairing is.
        """
        gone, come = (clean > 0) & (adv == 0), (adv > 0) & (clean == 0)
        same_count = (gone.sum(1) == come.sum(1)).flatten(1).all(1)
        bins = clean.shape[1]
        far = (_sorted_times(gone) - _sorted_times(come)).abs().flatten(1).amax(1)
        moved = gone.flatten(1).sum(1)
        binary: Flags = ((clean == 0) | (clean == 1)).flatten(1).all(1)
        binary &= ((adv == 0) | (adv == 1)).flatten(1).all(1)
        broken = {
            "a cell is not 0 or 1": ~binary,
            "a pixel's number of events changed": ~same_count,
            f"an event moved by more than {self.max_shift} of {bins} bins": far > self.max_shift,
            "more events than the budget were moved": moved > self.limit(clean),
        }
        if self.sensor is not None:
            broken |= self.sensor.broken(clean, adv)
        return Verdict.of(broken)


def _shifted(x: Tensor, step: int, fill: float | bool = -torch.inf) -> Tensor:
    """``x`` seen from ``step`` bins earlier: ``out[:, t] = x[:, t + step]``."""
    out = torch.full_like(x, fill)
    t = x.shape[1]
    if abs(step) < t:
        out[:, max(0, -step) : t - max(0, step)] = x[:, max(0, step) : t + min(0, step)]
    return out


def _place(chosen: Tensor, shift: Tensor) -> Tensor:
    """The cells that the ``chosen`` events arrive in."""
    target = torch.zeros_like(chosen)
    for step in torch.unique(shift[chosen]).tolist():
        target |= _shifted(chosen & (shift == step), -step, fill=False)
    return target


def _sorted_times(cells: Tensor) -> Tensor:
    """Bins of the set cells per pixel and polarity, ascending, unused places at T."""
    bins = cells.shape[1]
    index = torch.arange(bins, device=cells.device).view(1, -1, 1, 1, 1)
    return torch.where(cells, index, bins).sort(dim=1).values
