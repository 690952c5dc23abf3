"""What a real sensor could have recorded: refractory time and event rate.

A pixel that has just fired is blind for its refractory time, and the read-out of a sensor carries
a limited number of events per second. A threat that carries a :class:`Sensor` only makes
additions that respect both; events that the recording already had are never held against it.
(That a binary cell holds no second event is part of every threat.)

On a grid the refractory time is judged in bins, on the safe side: an added cell keeps so many
bins from all other active cells of its pixel, of either polarity, that there is a legal
microsecond whatever the other events' exact times. A refractory time below a quarter of a bin
leaves room inside the bin; it is settled exactly when the stream is written
(:meth:`spikeproof.events.Grid.unbin`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from spikeproof.errors import InvalidThreat
from spikeproof.types import Cells, Flags, Gain


@dataclass(frozen=True)
class Sensor:
    """``bin_us`` is the width of a time bin, ``refractory`` in µs, ``max_rate`` in events/s.

    ``max_rate`` is for the whole sensor, judged in each time bin (one event per active cell).
    """

    bin_us: float
    refractory: int = 0
    max_rate: float | None = None

    def __post_init__(self) -> None:
        if not self.bin_us > 0:
            raise InvalidThreat(f"bin_us is {self.bin_us}; a time bin has a positive width")
        if self.refractory < 0:
            raise InvalidThreat(f"refractory is {self.refractory} µs; it cannot be negative")
        if self.max_rate is not None and not self.max_rate > 0:
            raise InvalidThreat(f"max_rate is {self.max_rate} events/s; it must be positive")

    @property
    def reach(self) -> int | None:
        """Bins on either side that must be free around an added cell; None: no constraint."""
        if 4 * self.refractory <= self.bin_us:
            return None
        return -int(-self.refractory // self.bin_us)

    @property
    def per_bin(self) -> int | None:
        """Most events in one time bin; None: no constraint."""
        return None if self.max_rate is None else int(self.max_rate * self.bin_us / 1e6)

    def permit(self, clean: Cells, gain: Gain) -> Gain:
        """``gain`` with ``-inf`` at additions such that all that remain may be made together."""
        if self.reach is not None:
            gain = self._thin_pixels(clean, gain, self.reach)
        if self.per_bin is not None:
            gain = self._thin_bins(clean, gain, self.per_bin)
        return gain

    def _thin_pixels(self, clean: Cells, gain: Gain, reach: int) -> Gain:
        """Of additions too close together in a pixel only the most wanted one stays."""
        adding = clean == 0
        busy = _near_activity(clean, reach)
        wish = gain.masked_fill(~adding | busy, -torch.inf)
        top = _over_time(wish, reach)
        both = torch.stack([wish[:, :, 0] >= wish[:, :, 1], wish[:, :, 1] > wish[:, :, 0]], 2)
        # Ties between bins: a later bin yields to an equal earlier one, so no two stay.
        earlier = _over_time(
            F.pad(wish, (0, 0, 0, 0, 0, 0, 1, 0), value=-torch.inf)[:, :-1], reach, past=True
        )
        stays = both & (wish >= top) & (wish > earlier)
        return torch.where(adding & ~stays, -torch.inf, gain)

    def _thin_bins(self, clean: Cells, gain: Gain, per_bin: int) -> Gain:
        """In each time bin only so many additions stay as the rate leaves room for."""
        adding = clean == 0
        room = (per_bin - (clean > 0).flatten(2).sum(2)).clamp(min=0)  # [N, T]
        wish = gain.masked_fill(~adding, -torch.inf).flatten(2)
        order = wish.argsort(dim=2, descending=True, stable=True)
        rank = torch.empty_like(order).scatter_(
            2, order, torch.arange(wish.shape[2], device=gain.device).expand_as(order)
        )
        stays = (rank < room.unsqueeze(2)).view_as(gain)
        return torch.where(adding & ~stays, -torch.inf, gain)

    def broken(self, clean: Cells, adv: Cells) -> dict[str, Flags]:
        """Which samples break which rule, in the form :class:`Verdict` takes."""
        rules = {}
        added = (clean == 0) & (adv > 0)
        if self.reach is not None:
            per_pixel = (adv > 0).sum(2)  # [N, T, H, W]: both polarities
            around = torch.zeros_like(per_pixel)
            reach = min(self.reach, per_pixel.shape[1] - 1)
            for shift in range(-reach, reach + 1):
                source = slice(max(0, shift), per_pixel.shape[1] + min(0, shift))
                target = slice(max(0, -shift), per_pixel.shape[1] + min(0, -shift))
                around[:, target] += per_pixel[:, source]
            crowded = added & (around > 1).unsqueeze(2)
            rules[f"an added event is within {self.refractory} µs of another of its pixel"] = (
                crowded.flatten(1).any(1)
            )
        if self.per_bin is not None:
            before = (clean > 0).flatten(2).sum(2)
            after = (adv > 0).flatten(2).sum(2)
            over = (after > before.clamp(min=self.per_bin)).any(1)
            rules[f"a time bin has more than {self.per_bin} events ({self.max_rate} per s)"] = over
        return rules


def _over_time(x: Tensor, reach: int, past: bool = False) -> Tensor:
    """Maximum of ``[N, T, P, H, W]`` over both polarities and ``reach`` bins around (or before)."""
    n, t, _, h, w = x.shape
    top = x.amax(2).permute(0, 2, 3, 1).reshape(n, h * w, t)
    if past:
        pooled = F.max_pool1d(
            F.pad(top, (max(reach - 1, 0), 0), value=-torch.inf), max(reach, 1), 1
        )
    else:
        pooled = F.max_pool1d(top, 2 * reach + 1, 1, reach)
    return pooled.view(n, h, w, t).permute(0, 3, 1, 2).unsqueeze(2)


def _near_activity(clean: Cells, reach: int) -> Tensor:
    """Cells within ``reach`` bins of an active cell of the same pixel, ``[N, T, 1, H, W]``."""
    return _over_time((clean > 0).to(clean), reach) > 0
