"""One event pattern for every input.

A pattern says of each cell: add an event (+1), remove it (-1) or leave it (0); applied to a
recording, additions fall only into empty cells and removals only on occupied ones. A *periodic*
pattern is as long as its period and repeats over the whole recording, starting at any point of
the period: its attacker is not synchronised with the sensor, and can only add.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spikeproof.errors import InvalidThreat
from spikeproof.threats.base import best, check_budget, counted
from spikeproof.threats.sensor import Sensor
from spikeproof.threats.validity import Validity, not_cells
from spikeproof.types import Cells, Counts, Flags, Gain, PerSample


@dataclass(frozen=True)
class Universal:
    """The same pattern of at most ``budget`` cells for every input.

    ``budget`` counts the set cells of the pattern over the whole grid (for a periodic one, of
    all its repetitions). ``period`` is in bins, None for a pattern as long as the grid. Once an
    attacker has committed to a ``pattern`` ``[T or period, P, H, W]`` in {-1, 0, +1}, ``check``
    holds every recording to exactly that pattern.
    """

    budget: int
    add: bool = True
    remove: bool = False
    period: int | None = None
    sensor: Sensor | None = None
    pattern: Tensor | None = None

    def __post_init__(self) -> None:
        check_budget(self.budget, "universal budget")
        if not isinstance(self.budget, int):
            raise InvalidThreat("a universal budget is a whole number of cells")
        if not (self.add or self.remove):
            raise InvalidThreat("a universal threat that may neither add nor remove is empty")
        if self.period is not None and (self.period < 1 or self.remove):
            raise InvalidThreat("a periodic pattern needs a period of at least 1 bin and only adds")

    def __str__(self) -> str:
        what = " and ".join(w for w, on in (("add", self.add), ("remove", self.remove)) if on)
        often = "" if self.period is None else f", repeated every {self.period} bins, any start"
        return f"{what} one pattern of at most {self.budget} cells, the same for all{often}"

    def holding(self, pattern: Tensor) -> Universal:
        """The threat of an attacker who has committed to ``pattern``."""
        return replace(self, pattern=pattern)

    def repeats(self, bins: int) -> int:
        """How often the pattern occurs, fully or in part, in ``bins`` time bins."""
        return 1 if self.period is None else -(-bins // self.period)

    def limit(self, clean: Cells) -> Counts:
        """Cells of the pattern; raises :class:`InvalidThreat` if the grid has fewer."""
        cells = clean[0].numel() if len(clean) else self.budget
        if self.budget > cells:
            raise InvalidThreat(
                f"universal budget {self.budget} is larger than the grid, which has {cells} cells;"
                " lower it"
            )
        return torch.full((len(clean),), self.budget, dtype=torch.long, device=clean.device)

    def cost(self, clean: Cells, adv: Cells) -> PerSample:
        """Cells that differ, per sample (where a pattern meets its like, nothing changes)."""
        return counted(clean != adv).to(clean)

    def draw(self, wish: Tensor, bins: int) -> Tensor:
        """The best pattern ``[L, P, H, W]`` within the budget on a grid of ``bins`` time bins.

        ``wish[0]`` (``[2, L, P, H, W]``) says how much each cell wants an event added, ``wish[1]``
        how much it wants one removed; L is ``bins`` or the period.
        """
        to_add, to_remove = wish
        if self.sensor is not None:
            nothing = torch.zeros_like(to_add).unsqueeze(0)
            to_add = self.sensor.permit(nothing, to_add.unsqueeze(0))[0]
        never = torch.full_like(to_add, -torch.inf)
        to_add = to_add if self.add else never
        to_remove = to_remove if self.remove else never
        sign = torch.where(to_add >= to_remove, 1.0, -1.0)
        wanted = torch.maximum(to_add, to_remove)
        chosen = best(
            wanted.unsqueeze(0), torch.tensor([self.budget // self.repeats(bins)])
        ).squeeze(0)
        return torch.where(chosen, sign, torch.zeros_like(sign))

    def select(self, clean: Cells, gain: Gain, count: Counts | None = None) -> Cells:
        """Apply to all of ``clean`` the one pattern that the mean gain of the batch wants most.

        ``count`` is ignored: a pattern cannot differ between samples. Raises
        :class:`InvalidThreat` for a periodic threat, which needs an offset per sample.
        """
        if self.period is not None:
            raise InvalidThreat("draw() a periodic pattern and apply() it at chosen offsets")
        empty = clean == 0
        wish = torch.stack([(gain * empty).mean(0), (gain * ~empty).mean(0)])
        return apply(clean, self.draw(wish, clean.shape[1]), sensor=self.sensor)

    def check(self, clean: Cells, adv: Cells) -> Validity:
        """Judge by the changes: they must be one pattern, or the committed one at some offset."""
        added = (clean == 0) & (adv > 0)
        removed = (clean > 0) & (adv == 0)
        broken = {"a cell is neither as it was nor 0 or 1": not_cells(clean, adv)}
        if self.pattern is None:
            adds, removes = added.any(0), removed.any(0)
            broken["the recordings do not share one pattern"] = (
                ((added != self._fits(clean, adds)) | (removed != removes & (clean > 0)))
                .flatten(1)
                .any(1)
            )
            both = bool((adds & removes).any())
            broken["a cell is both added and removed"] = _flags(clean, both)
            size = int((adds | removes).sum())
        else:
            adds, removes = self.pattern > 0, self.pattern < 0
            fits = torch.zeros(len(clean), dtype=torch.bool, device=clean.device)
            for offset in range(self.period or 1):
                index = (torch.arange(clean.shape[1]) + offset) % len(self.pattern)
                same = (added == self._fits(clean, adds[index])) & (
                    removed == (removes[index] & (clean > 0))
                )
                fits |= same.flatten(1).all(1)
            broken["the changes are not those of the committed pattern"] = ~fits
            size = int((adds | removes).sum()) * self.repeats(clean.shape[1])
        broken["the pattern has more cells than the budget"] = _flags(clean, size > self.budget)
        broken["an event was added"] = _flags(clean, bool(adds.any()) and not self.add)
        broken["an event was removed"] = _flags(clean, bool(removes.any()) and not self.remove)
        if self.sensor is not None:
            broken |= self.sensor.broken(clean, adv)
        return Validity.of(broken)

    def _fits(self, clean: Cells, adds: Tensor) -> Tensor:
        """Where a recording shows the additions ``adds`` ``[T, P, H, W]`` of the pattern."""
        wanted = adds & (clean == 0)
        if self.sensor is None:
            return wanted
        return wanted & torch.isfinite(self.sensor.permit(clean, _wish(wanted)))


def apply(
    clean: Cells, pattern: Tensor, offsets: Tensor | None = None, sensor: Sensor | None = None
) -> Cells:
    """``clean`` under ``pattern`` ``[L, P, H, W]``, repeated over time from ``offsets`` ``[N]``.

    Bin t of sample n meets row ``(t + offsets[n]) % L`` of the pattern (offsets default to 0).
    Additions that a ``sensor`` could not have recorded beside the recording's own events are lost.
    """
    bins = torch.arange(clean.shape[1], device=clean.device)
    if offsets is None:
        laid = pattern[bins % len(pattern)].unsqueeze(0)
    else:
        laid = pattern[(bins + offsets.unsqueeze(1)) % len(pattern)]  # [N, T, P, H, W]
    adds = (laid > 0) & (clean == 0)
    if sensor is not None:
        adds = adds & torch.isfinite(sensor.permit(clean, _wish(adds)))
    added = torch.where(adds, torch.ones_like(clean), clean)
    return torch.where(laid < 0, torch.zeros_like(clean), added)


def _wish(wanted: Tensor) -> Tensor:
    return torch.where(wanted, 1.0, -torch.inf)


def _flags(clean: Cells, value: bool) -> Flags:
    return torch.full((len(clean),), value, dtype=torch.bool, device=clean.device)
