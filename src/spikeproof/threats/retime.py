"""Moving events in time only.

Every pixel keeps its number of events of each polarity; an event may come up to ``max_shift``
bins earlier or later, never into an occupied cell. These are the budgets of Spike-Retiming (Yu et
al., ICLR 2026, arXiv 2602.03284): ``max_shift`` is its B-infinity, ``max_total`` its B-1 and
``max_events`` its B-0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spikeproof.errors import InvalidThreat
from spikeproof.threats.base import Budget, active, best, check_budget, counted, resolve_budget
from spikeproof.threats.sensor import Sensor
from spikeproof.threats.validity import Validity
from spikeproof.types import Cells, Counts, Flags, Gain, PerSample

_ROUNDS = 3  # of matching events to free cells; each round places the best of each conflict


@dataclass(frozen=True)
class Retime:
    """Move at most ``max_events`` events by at most ``max_shift`` time bins each.

    All shifts together come to at most ``max_total`` bins. Both are a whole number, a float share
    of the active cells, or None for no limit. Binary grids only.
    """

    max_shift: int = 2
    max_events: Budget = None
    sensor: Sensor | None = None
    max_total: Budget = None

    def __post_init__(self) -> None:
        check_budget(self.max_events, "max_events")
        check_budget(self.max_total, "max_total")
        if self.max_shift < 1:
            raise InvalidThreat(f"max_shift is {self.max_shift}; moving needs at least 1 bin")

    def __str__(self) -> str:
        many = "any number of"
        if isinstance(self.max_events, float):
            many = f"at most {100 * self.max_events:g} % of the"
        elif self.max_events is not None:
            many = f"at most {self.max_events}"
        bins = "bin" if self.max_shift == 1 else "bins"
        text = f"move {many} events in time, each by at most {self.max_shift} {bins}"
        if self.max_total is None:
            return text
        if isinstance(self.max_total, float):
            return f"{text}, all together by at most {self.max_total:g} bins per active cell"
        return f"{text}, all together by at most {self.max_total} bins"

    def at(self, budget: Budget) -> Retime:
        """The same threat with another number of events."""
        return replace(self, max_events=budget)

    def limit(self, clean: Cells) -> Counts:
        """Moves allowed per sample (at most all active cells, and one per bin of the total)."""
        most = torch.minimum(self._most(clean), active(clean))
        return torch.minimum(most, self.total(clean))

    def _most(self, clean: Cells) -> Counts:
        return resolve_budget(self.max_events, clean, "max_events")

    def total(self, clean: Cells) -> Counts:
        """Bins that all shifts of a sample may come to."""
        if isinstance(self.max_total, int):  # which may be more than the grid has cells
            return torch.full((len(clean),), self.max_total, device=clean.device)
        if self.max_total is None:
            return active(clean) * self.max_shift
        return resolve_budget(self.max_total, clean, "max_total")

    def cost(self, clean: Cells, adv: Cells) -> PerSample:
        """Events that left their cell, per sample."""
        return counted((clean > 0) & (adv == 0)).to(clean)

    @property
    def steps(self) -> tuple[int, ...]:
        """Shifts on offer, in bins, the shortest first."""
        return tuple(s * sign for s in range(1, self.max_shift + 1) for sign in (1, -1))

    def select(self, clean: Cells, gain: Gain, count: Counts | None = None) -> Cells:
        """``clean`` with its ``count`` best moves; a move gains what its two cells gain.

        Where the total can run out, a move is worth what it gains per bin (the greedy rule for
        filling a knapsack). With a ``sensor``, an event's own old place counts as activity of its
        pixel, so moves that are short beside the refractory time are not offered.
        """
        wish = gain.reshape(-1)
        source, there, inside = self.places(clean)
        value = torch.where(inside, wish[source].unsqueeze(1) + wish[there], -torch.inf)
        if self.sensor is not None:
            allowed = torch.isfinite(self.sensor.permit(clean, gain)).view(-1)
            value = value.masked_fill(~allowed[there], -torch.inf)
        return self._moved(clean, source, there, value, count)

    def select_moves(self, clean: Cells, value: Tensor, count: Counts | None = None) -> Cells:
        """The same where every move has a ``value`` ``[E, S]`` of its own.

        Rows are the active cells of ``clean`` in their order, columns the shifts ``steps``.
        """
        source, there, inside = self.places(clean)
        value = value.masked_fill(~inside, -torch.inf)
        if self.sensor is not None:
            best_for = torch.full_like(clean, -torch.inf).view(-1)
            best_for.scatter_reduce_(0, there.view(-1), value.reshape(-1).to(clean), "amax")
            allowed = torch.isfinite(self.sensor.permit(clean, best_for.view_as(clean))).view(-1)
            value = value.masked_fill(~allowed[there], -torch.inf)
        return self._moved(clean, source, there, value, count)

    def places(self, clean: Cells) -> tuple[Tensor, Tensor, Tensor]:
        """Where events are and can go, as flat cells of the batch.

        Active cells ``[E]``, the cell of each of their moves ``[E, S]`` (their own for a move out
        of the recording), and flags ``[E, S]`` of moves to an empty cell of the recording.
        """
        bins, stride = clean.shape[1], math.prod(clean.shape[2:])
        source = (clean > 0).view(-1).nonzero()  # [E, 1]
        steps = torch.tensor(self.steps, device=clean.device)
        time = source // stride % bins + steps
        there = torch.where((time >= 0) & (time < bins), source + steps * stride, source)
        return source.squeeze(1), there, (clean == 0).view(-1)[there]

    def _moved(
        self, clean: Cells, source: Tensor, there: Tensor, value: Tensor, count: Counts | None
    ) -> Cells:
        """``clean`` after the best moves to ``there``, by ``value`` (both ``[E, S]``)."""
        limit, left = self.limit(clean), self.total(clean)
        room = limit if count is None else torch.minimum(count, limit)
        free = (clean == 0).view(-1)
        adv = clean.clone().view(-1)
        sample = source // max(clean[:1].numel(), 1)
        length = torch.tensor(self.steps, device=clean.device).abs()
        for _ in range(_ROUNDS):
            dear = (left < room * min(self.max_shift, clean.shape[1]))[sample].unsqueeze(1)
            now = torch.where(dear, value / length, value)
            now = now.masked_fill(~free[there] | (length > left[sample].unsqueeze(1)), -torch.inf)
            step, worth = _one_each(now, there, clean.numel())
            offer = torch.full(free.shape, -torch.inf, dtype=worth.dtype, device=clean.device)
            offer[source] = worth
            moved = best(offer.view_as(clean), room).view(-1)[source]
            far = length[step]
            moved &= _affordable(sample, worth.masked_fill(~moved, -torch.inf), far, left)
            if not bool(moved.any()):
                break
            target = there.gather(1, step.unsqueeze(1)).squeeze(1)[moved]
            adv[source[moved]], adv[target], free[target] = 0.0, 1.0, False
            value = value.masked_fill(moved.unsqueeze(1), -torch.inf)
            room = room.index_add(0, sample[moved], -torch.ones_like(sample[moved]))
            left = left.index_add(0, sample[moved], -far[moved])
        return adv.view_as(clean)

    def check(self, clean: Cells, adv: Cells) -> Validity:
        """Judge by pairing, per pixel and polarity, events gone with events come, in time order.

        In one dimension the sorted pairing has the smallest largest shift and the smallest sum of
        shifts, so if it is too long, or too long in all, every pairing is.
        """
        gone, come = (clean > 0) & (adv == 0), (adv > 0) & (clean == 0)
        same_count = (gone.sum(1) == come.sum(1)).flatten(1).all(1)
        bins = clean.shape[1]
        shifts = (_sorted_times(gone) - _sorted_times(come)).abs().flatten(1)
        far = shifts.amax(1)
        moved = counted(gone)
        binary: Flags = ((clean == 0) | (clean == 1)).flatten(1).all(1)
        binary &= ((adv == 0) | (adv == 1)).flatten(1).all(1)
        broken = {
            "a cell is not 0 or 1": ~binary,
            "a pixel's number of events changed": ~same_count,
            f"an event moved by more than {self.max_shift} of {bins} bins": far > self.max_shift,
            "more events than the budget were moved": moved > self._most(clean),
            "all shifts together come to more bins than the budget": (
                shifts.sum(1) > self.total(clean)
            ),
        }
        if self.sensor is not None:
            broken |= self.sensor.broken(clean, adv)
        return Validity.of(broken)


def _one_each(value: Tensor, there: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """Of moves ``[E, S]``, the best one of each event ``[E]`` and its value; ``-inf`` for none.

    Where several events want one of the ``cells``, the best of them gets it (the first, if they
    are equal), so no two moves meet.
    """
    worth, step = value.max(1)
    target = there.gather(1, step.unsqueeze(1)).squeeze(1)
    offered = worth.new_full((cells,), -torch.inf).scatter_reduce_(0, target, worth, "amax")
    wins = (worth > 0) & (worth == offered[target])
    order = torch.arange(len(worth), device=value.device)
    first = torch.full((cells,), len(worth), device=value.device)
    first.scatter_reduce_(0, target[wins], order[wins], "amin")
    wins &= first[target] == order
    return step, torch.where(wins, worth, -torch.inf)


def _affordable(sample: Tensor, value: Tensor, length: Tensor, left: Tensor) -> Tensor:
    """Of each sample's moves the most valuable ones whose ``length`` is ``left`` in all.

    Moves without value are not among them.
    """
    worth = value > -torch.inf
    order = value.argsort(descending=True, stable=True)
    order = order[sample[order].argsort(stable=True)]  # sample by sample, the best first
    spent = torch.where(worth, length, 0)[order].cumsum(0)
    whole = torch.zeros_like(left).index_add(0, sample, torch.where(worth, length, 0))
    before = (whole.cumsum(0) - whole)[sample[order]]
    fits = torch.zeros_like(worth)
    fits[order] = spent - before <= left[sample[order]]
    return fits & worth


def _sorted_times(cells: Tensor) -> Tensor:
    """Bins of the set cells per pixel and polarity, ascending, unused places at T."""
    bins = cells.shape[1]
    index = torch.arange(bins, device=cells.device).view(1, -1, 1, 1, 1)
    return torch.where(cells, index, bins).sort(dim=1).values
