"""A small region of the sensor that the attacker owns.

Inside the region, for its duration, the attacker decides every cell; outside nothing changes. It
is what a flickering object or display in the scene can do: what it covers is not seen any more.
(Patches on event data: Büchel et al. 2022; as images, Brown et al., arXiv 1712.09665.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spikeproof.errors import InvalidThreat
from spikeproof.threats.base import best, counted, flipped
from spikeproof.threats.sensor import Sensor
from spikeproof.threats.validity import Validity, not_cells
from spikeproof.types import Cells, Counts, Gain, PerSample


@dataclass(frozen=True)
class Patch:
    """Free content in ``height`` x ``width`` pixels for ``duration`` bins (None: all of them).

    ``place`` is the (row, column) of the upper left corner and ``start`` the first bin. With
    ``place`` None the attacker may choose one place per recording.
    """

    height: int
    width: int
    place: tuple[int, int] | None = None
    start: int = 0
    duration: int | None = None
    sensor: Sensor | None = None

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise InvalidThreat(f"a patch of {self.height}x{self.width} pixels has no content")
        if self.start < 0 or (self.duration is not None and self.duration < 1):
            raise InvalidThreat(
                f"a patch from bin {self.start} for {self.duration} bins is never there"
            )

    def __str__(self) -> str:
        where = (
            "anywhere" if self.place is None else f"at row {self.place[0]}, column {self.place[1]}"
        )
        when = "" if self.duration is None else f" for {self.duration} bins"
        return f"free content in {self.height}x{self.width} pixels {where}{when}"

    def at_place(self, place: tuple[int, int]) -> Patch:
        """The same patch fixed to one place."""
        return replace(self, place=place)

    def region(self, clean: Cells) -> Tensor:
        """The owned cells as a mask ``[T, 1, H, W]``; raises if the patch leaves the sensor."""
        if self.place is None:
            raise InvalidThreat("this patch has no place; fix one with at_place((row, column))")
        end = self._end(clean)
        bins, _, h, w = clean.shape[1:]
        row, column = self.place
        if not (0 <= row <= h - self.height and 0 <= column <= w - self.width):
            raise InvalidThreat(
                f"a patch of {self.height}x{self.width} pixels at row {row}, column {column}"
                f" leaves the sensor, which has {h}x{w} pixels"
            )
        mask = torch.zeros(bins, 1, h, w, dtype=torch.bool, device=clean.device)
        mask[self.start : end, :, row : row + self.height, column : column + self.width] = True
        return mask

    def _end(self, clean: Cells) -> int:
        """First bin after the patch; raises if it can be nowhere on the grid."""
        bins, _, h, w = clean.shape[1:]
        end = bins if self.duration is None else self.start + self.duration
        if self.height > h or self.width > w or self.start >= bins or end > bins:
            raise InvalidThreat(
                f"a patch of {self.height}x{self.width} pixels, bins {self.start} to {end}, does"
                f" not fit into {h}x{w} pixels and {bins} bins"
            )
        return end

    def limit(self, clean: Cells) -> Counts:
        """Cells the attacker owns, per sample; raises if the patch does not fit into the grid."""
        end = self._end(clean)
        owned = (end - self.start) * clean.shape[2] * self.height * self.width
        return torch.full((len(clean),), owned, dtype=torch.long, device=clean.device)

    def cost(self, clean: Cells, adv: Cells) -> PerSample:
        """Cells that differ, per sample."""
        return counted(clean != adv).to(clean)

    def select(self, clean: Cells, gain: Gain, count: Counts | None = None) -> Cells:
        """``clean`` with its ``count`` most wanted changes inside the region (fixed place only)."""
        gain = gain.masked_fill(~self.region(clean), -torch.inf)
        if self.sensor is not None:
            gain = self.sensor.permit(clean, gain)
        limit = self.limit(clean)
        count = limit if count is None else torch.minimum(count, limit)
        return torch.where(best(gain, count), flipped(clean), clean)

    def check(self, clean: Cells, adv: Cells) -> Validity:
        """Judge by the smallest box around all changes."""
        changed = clean != adv
        end = self._end(clean)
        rows = changed.flatten(1, 2).any(1).any(2)  # [N, H]
        columns = changed.flatten(1, 2).any(1).any(1)  # [N, W]
        first_row, last_row = _extent(rows)
        first_column, last_column = _extent(columns)
        wide = (last_row - first_row >= self.height) | (last_column - first_column >= self.width)
        times = changed.flatten(2).any(2)  # [N, T]
        early_or_late = times[:, : self.start].any(1) | times[:, end:].any(1)
        broken = {
            "a cell is neither as it was nor 0 or 1": not_cells(clean, adv),
            "changes do not fit into the patch": wide,
            "a change is outside the patch's duration": early_or_late,
        }
        if self.place is not None:
            row, column = self.place
            outside = (first_row < row) | (last_row >= row + self.height)
            outside |= (first_column < column) | (last_column >= column + self.width)
            broken["a change is outside the patch's place"] = outside & rows.any(1)
        if self.sensor is not None:
            broken |= self.sensor.broken(clean, adv)
        return Validity.of(broken)


def _extent(used: Tensor) -> tuple[Tensor, Tensor]:
    """First and last set index per row of ``[N, L]``; (0, 0) where none is set."""
    length = used.shape[1]
    first = used.int().argmax(1)
    last = length - 1 - used.flip(1).int().argmax(1)
    return first, torch.where(used.any(1), last, 0)
