"""Adding and removing events: the L0 threat on cells.

A flip empties an occupied cell or puts one event into an empty one; its cost is one. On a binary
grid this is the Hamming distance used by SpikeFool (Büchel et al., Front. Neurosci. 16:1068193,
2022) and the sparse dynamic attack (Lun et al., CVPR 2025).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from spikeproof.errors import InvalidThreat
from spikeproof.threats.base import (
    Budget,
    best,
    check_budget,
    counted,
    flipped,
    resolve_budget,
)
from spikeproof.threats.sensor import Sensor
from spikeproof.threats.validity import Validity, not_cells
from spikeproof.types import Cells, Counts, Gain, PerSample


@dataclass(frozen=True)
class Flip:
    """Add and/or remove events, at most ``budget`` cells of them.

    ``budget`` is a whole number of cells, or a float share of the recording's active cells, or
    None for no limit.
    """

    budget: Budget = None
    add: bool = True
    remove: bool = True
    sensor: Sensor | None = None

    def __post_init__(self) -> None:
        check_budget(self.budget, "flip budget")
        if not (self.add or self.remove):
            raise InvalidThreat("a flip threat that may neither add nor remove allows nothing")

    def __str__(self) -> str:
        what = " and ".join(w for w, on in (("add", self.add), ("remove", self.remove)) if on)
        if self.budget is None:
            return f"{what} events, any number"
        if isinstance(self.budget, float):
            return f"{what} events, at most {100 * self.budget:g} % of the active cells"
        return f"{what} events, at most {self.budget} cells"

    def at(self, budget: Budget) -> Flip:
        """The same threat with another budget."""
        return replace(self, budget=budget)

    def limit(self, clean: Cells) -> Counts:
        """Flips allowed per sample; raises :class:`InvalidThreat` if the grid has fewer cells."""
        return resolve_budget(self.budget, clean, "flip budget")

    def cost(self, clean: Cells, adv: Cells) -> PerSample:
        """Cells that differ, per sample."""
        return counted(clean != adv).to(clean)

    def select(self, clean: Cells, gain: Gain, count: Counts | None = None) -> Cells:
        """``clean`` with its ``count`` most wanted flips that this threat allows."""
        limit = self.limit(clean)
        count = limit if count is None else torch.minimum(count, limit)
        if not self.add:
            gain = gain.masked_fill(clean == 0, -torch.inf)
        if not self.remove:
            gain = gain.masked_fill(clean > 0, -torch.inf)
        if self.sensor is not None:
            gain = self.sensor.permit(clean, gain)
        return torch.where(best(gain, count), flipped(clean), clean)

    def check(self, clean: Cells, adv: Cells) -> Validity:
        """Judge by counting what was added and removed."""
        added = counted((clean == 0) & (adv != 0))
        removed = counted((clean != 0) & (adv == 0))
        broken = {"a cell is neither as it was nor 0 or 1": not_cells(clean, adv)}
        if not self.add:
            broken["an event was added"] = added > 0
        if not self.remove:
            broken["an event was removed"] = removed > 0
        changed = counted(clean != adv)
        broken["an occupied cell was changed but not emptied"] = changed > added + removed
        broken["more cells than the budget were changed"] = changed > self.limit(clean)
        if self.sensor is not None:
            broken |= self.sensor.broken(clean, adv)
        return Validity.of(broken)
