"""Dash attack: two pixels beside each other run over the sensor.

From Marchisio et al., "DVS-Attacks" (IJCNN 2021, arXiv 2107.00415). Known: only two pixels are on
at a time, and they move along; the *mask-filter-aware* dash stays below the activity at which the
mask filter, a defence that removes pixels with more than so many events, would remove its pixels.
Decided: the two are neighbours in a row; they stay ``stay`` bins at a place, then go two pixels
on, from the end of a row to the start of the next; both polarities are on; the model is asked for
runs that start at the first row, at the second, and so on, until one fools it.

The mask attack of that paper is this dash with an ``activity`` limit, so it has no file of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Generator

from spikeproof.attacks.peers.pattern import adding, first_that_works
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal
from spikeproof.threats import Threat
from spikeproof.types import Cells, Mask


@dataclass(frozen=True)
class DashAttack:
    """Two pixels that move on after ``stay`` bins (None: they stay where they are).

    With an ``activity`` limit no event is added to a pixel that would then have more than so many
    active cells in the recording, those of the clean recording counted: the mask filter with this
    threshold finds nothing that it would not have found before. Deterministic.
    """

    stay: int | None = 1
    activity: int | None = None

    def __post_init__(self) -> None:
        if self.stay is not None and self.stay < 1:
            raise InvalidThreat(f"a dash stays at least 1 bin at a place, not {self.stay}")
        if self.activity is not None and self.activity < 0:
            raise InvalidThreat(f"the activity limit is {self.activity}; it cannot be negative")

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """``x`` with the first run that fools; :class:`InvalidThreat` if nothing may be added."""
        runs = [partial(self._run, row) for row in range(x.shape[-2])]
        return first_that_works(victim, x, goal, adding(threat, "dash"), runs)

    def _run(self, row: int, x: Cells) -> Mask:
        """The run that starts at the left end of a row."""
        bins, height, width = x.shape[1], x.shape[-2], x.shape[-1]
        moves = torch.zeros(bins, dtype=torch.long)
        if self.stay is not None:
            moves = torch.arange(bins) // self.stay
        pairs = max(width // 2, 1)  # in a row; an odd column at its end is left out
        rows = (row + moves // pairs) % height
        left = 2 * (moves % pairs)
        on = torch.zeros(bins, 1, height, width, dtype=torch.bool)
        for column in (left, (left + 1).clamp(max=width - 1)):
            on[torch.arange(bins), 0, rows, column] = True
        pattern = on.expand(x.shape)
        return pattern if self.activity is None else self._unnoticed(x, pattern, self.activity)

    @staticmethod
    def _unnoticed(x: Cells, pattern: Mask, activity: int) -> Mask:
        """The earliest cells of the pattern that keep each pixel within its activity limit."""
        before = (x > 0).sum((1, 2), keepdim=True)  # [N, 1, 1, H, W]
        missing = (pattern & (x == 0)).flatten(1, 2)
        nth = missing.cumsum(1).view(x.shape)
        return pattern & (x == 0) & (before + nth <= activity)
