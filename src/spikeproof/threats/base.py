"""What a threat is: the recordings an attacker can reach from a clean one, and at what price.

A threat owns four answers. ``limit`` and ``cost`` count edits; ``select`` makes the best edits
for an attack that only says how much it wants each cell changed; ``check`` decides, by rules
written independently of ``select``, whether a recording is within the threat.
"""

from __future__ import annotations

import math
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from spikeproof.errors import InvalidThreat
from spikeproof.threats.validity import Validity
from spikeproof.types import Cells, Counts, Gain, Mask, PerSample

Budget = int | float | None
"""Edits allowed: an ``int`` in cells, a ``float`` as a share of the active cells, or no limit."""


@runtime_checkable
class Threat(Protocol):
    """A threat model over binned recordings. All threats are immutable values."""

    def limit(self, clean: Cells) -> Counts:
        """Edits allowed per sample."""
        ...

    def cost(self, clean: Cells, adv: Cells) -> PerSample:
        """Edits between ``clean`` and ``adv`` per sample."""
        ...

    def select(self, clean: Cells, gain: Gain, count: Counts | None = None) -> Cells:
        """``clean`` with its best edits by ``gain``, at most ``count`` (default: the limit).

        Only cells with a positive gain are touched.
        """
        ...

    def check(self, clean: Cells, adv: Cells) -> Validity:
        """Whether each ``adv`` can be reached from its ``clean`` under this threat."""
        ...


def check_budget(budget: Budget, what: str) -> None:
    """Raise :class:`InvalidThreat` for a budget that makes no sense."""
    if budget is None:
        return
    if isinstance(budget, bool) or not isinstance(budget, int | float):
        raise InvalidThreat(f"{what} must be a whole number of cells, a share or None")
    if not 0 <= budget < math.inf:
        raise InvalidThreat(f"{what} is {budget}; it must be a number and not negative")
    if isinstance(budget, float) and budget > 1:
        raise InvalidThreat(
            f"{what} {budget} is a share of the active cells and above 1; for a number of cells"
            f" write the whole number {round(budget)}"
        )


def resolve_budget(budget: Budget, clean: Cells, what: str) -> Counts:
    """Edits allowed per sample; shares are rounded down.

    Raises :class:`InvalidThreat` for more edits than the grid has cells.
    """
    n, cells = len(clean), clean[0].numel() if len(clean) else 0
    if budget is None:
        return torch.full((n,), cells, dtype=torch.long, device=clean.device)
    if isinstance(budget, float):
        return (active(clean).double() * budget + 1e-6).floor().long()  # 0.13 of 900 is 117
    if n and budget > cells:
        raise InvalidThreat(
            f"{what} {budget} is larger than the grid, which has {cells} cells; lower it"
        )
    return torch.full((n,), budget, dtype=torch.long, device=clean.device)


def active(cells: Cells) -> Counts:
    """Number of active cells per sample."""
    return counted(cells > 0)


def counted(flags: Tensor) -> Counts:
    """Number of true entries of ``flags`` ``[N, ...]`` per sample.

    On the CPU by NumPy, in a tenth of the time of a sum of booleans in PyTorch.
    """
    if flags.device.type != "cpu":
        return flags.flatten(1).sum(1)
    return torch.from_numpy(np.count_nonzero(flags.flatten(1).numpy(), axis=1))


def best(gain: Gain, count: Counts) -> Mask:
    """Per sample the ``count`` cells with the highest gain, among those with a positive one.

    Of equal cells the first ones are taken, so a sample's choice does not depend on its batch.
    """
    flat = gain.flatten(1)
    most = min(int(count.max()), flat.shape[1]) if len(count) else 0
    if most == 0:
        return torch.zeros_like(gain, dtype=torch.bool)
    wanted = flat > 0
    if bool((counted(wanted) <= count).all()):
        return wanted.view_as(gain)
    count = count.unsqueeze(1)
    last = flat.topk(most, dim=1).values.gather(1, (count - 1).clamp(0, most - 1))
    last = torch.where(count > 0, last.clamp(min=0), torch.inf)  # 0: all that are wanted
    chosen, level = flat > last, flat == torch.where(last > 0, last, torch.nan)
    room = count - counted(chosen).unsqueeze(1)
    tied = (counted(level).unsqueeze(1) > room).squeeze(1)
    if bool(tied.any()):
        level[tied] &= level[tied].cumsum(1) <= room[tied]
    return chosen.logical_or_(level).view_as(gain)


def flipped(clean: Tensor) -> Tensor:
    """Every cell edited: occupied ones emptied, empty ones given one event."""
    return (clean == 0).to(clean)
