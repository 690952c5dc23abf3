"""The number of pixels: few of them change, and these to anything.

    #{ pixels whose channels are not all as they were } <= pixels,

with values free in [0, 1] (Papernot et al., EuroS&P 2016; Croce & Hein, ICCV 2019). A pixel is a
place in a time bin with all its channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from spikeproof.errors import InvalidThreat
from spikeproof.threats.ball import full, outside_box
from spikeproof.threats.base import best, counted
from spikeproof.threats.validity import Validity
from spikeproof.types import Cells, Gain, PerSample


@dataclass(frozen=True)
class L0:
    """At most ``pixels`` pixels change (None for no limit)."""

    pixels: int | None = None

    def __post_init__(self) -> None:
        if self.pixels is None:
            return
        if isinstance(self.pixels, bool) or not isinstance(self.pixels, int) or self.pixels < 0:
            raise InvalidThreat(f"pixels is {self.pixels}; give a whole number, 0 or more, or None")

    def __str__(self) -> str:
        many = "any number of" if self.pixels is None else f"at most {self.pixels}"
        return f"change {many} pixels to anything"

    @property
    def resolution(self) -> float:
        """One pixel."""
        return 1.0

    def at(self, pixels: int | None) -> L0:
        """The same threat with another budget."""
        return replace(self, pixels=pixels)

    def limit(self, clean: Cells) -> PerSample:
        """Pixels that may change; raises :class:`InvalidThreat` if the image has fewer."""
        there = math.prod(clean.shape[1:]) // max(1, clean.shape[2])
        if self.pixels is not None and self.pixels > there:
            raise InvalidThreat(
                f"pixels {self.pixels} is more than the image has, which are {there}; lower it"
            )
        return full(float(there if self.pixels is None else self.pixels), clean)

    def cost(self, clean: Cells, adv: Cells) -> PerSample:
        """Pixels that differ, per sample."""
        return counted((clean != adv).any(2)).to(clean)

    def select(self, clean: Cells, gain: Gain, count: PerSample | None = None) -> Cells:
        """The ``count`` pixels (default: the limit) with most to gain, every channel 0 or 1."""
        ends = (gain > 0).to(clean)
        moved = torch.where(gain == 0, clean, ends)
        return self._kept(clean, moved, (moved - clean) * gain, count)

    def project(self, clean: Cells, adv: Cells, radius: PerSample | None = None) -> Cells:
        """The nearest recording within the threat: the pixels that changed most stay."""
        moved = adv.clamp(0, 1)
        return self._kept(clean, moved, (moved - clean).square(), radius)

    def steepest(self, gradient: Gain) -> Cells:
        """The gradient, its absolute values adding up to 1 (Croce & Hein, ICCV 2019).

        The norm of this threat knows no length, so the length is that of the sum of changes.
        """
        total = gradient.abs().flatten(1).sum(1).clamp(min=1e-30)
        return gradient / total.view(-1, 1, 1, 1, 1)

    def start(self, clean: Cells, rng: Generator, radius: PerSample | None = None) -> Cells:
        """Random pixels, as many as are allowed, set to random values."""
        drawn = torch.rand(clean.shape, generator=rng, dtype=clean.dtype)
        places = torch.rand(clean[:, :, :1].shape, generator=rng, dtype=clean.dtype) + 1e-6
        return self._kept(clean, drawn, places, radius)

    def check(self, clean: Cells, adv: Cells) -> Validity:
        """Judge by counting pixels that are not exactly as they were."""
        same = (clean == adv).permute(0, 1, 3, 4, 2).flatten(1, 3).all(2)  # [N, pixels]
        most = same.shape[1] if self.pixels is None else self.pixels
        return Validity.of(
            {
                "an intensity is outside [0, 1]": outside_box(adv),
                f"more than {most} pixels were changed": same.shape[1] - same.sum(1) > most,
            }
        )

    def _kept(self, clean: Cells, adv: Cells, worth: Tensor, radius: PerSample | None) -> Cells:
        """``clean`` with the pixels of ``adv`` that are ``worth`` most, summed over channels."""
        limit = self.limit(clean)
        most = limit if radius is None else torch.minimum(radius.to(limit), limit)
        chosen = best(worth.sum(2, keepdim=True), most.floor().long())
        return torch.where(chosen, adv, clean)
