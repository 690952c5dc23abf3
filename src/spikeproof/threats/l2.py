"""The Euclidean norm: intensities may move far, if few of them do.

    sum_i (x'_i - x_i)^2 <= eps^2,

the distance of the first adversarial examples (Szegedy et al., ICLR 2014).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from spikeproof.threats.ball import check_radius, exceeds, full, outside_box, widened
from spikeproof.threats.validity import Validity
from spikeproof.types import Cells, Gain, PerSample

_HALVINGS = 40  # of the scale of the gradient, in :meth:`L2.select`
_SPAN = 25.0  # e-folds between the smallest scale and the largest one that is tried


@dataclass(frozen=True)
class L2:
    """Changes of Euclidean length ``eps`` at most (None for no limit)."""

    eps: float | None = None

    def __post_init__(self) -> None:
        check_radius(self.eps, "eps")

    def __str__(self) -> str:
        if self.eps is None:
            return "change intensities, by any length"
        return f"change intensities by a length of at most {self.eps:g}"

    @property
    def resolution(self) -> float:
        """A hundredth of the range of one intensity."""
        return 0.01

    def at(self, eps: float | None) -> L2:
        """The same threat with another budget."""
        return replace(self, eps=eps)

    def limit(self, clean: Cells) -> PerSample:
        """``eps`` of each sample; without a limit the diagonal of the box."""
        diagonal = math.sqrt(clean[0].numel()) if len(clean) else 0.0
        return full(diagonal if self.eps is None else min(self.eps, diagonal), clean)

    def cost(self, clean: Cells, adv: Cells) -> PerSample:
        """Length of the change, per sample."""
        return (adv - clean).square().flatten(1).sum(1).sqrt()

    def select(self, clean: Cells, gain: Gain, count: PerSample | None = None) -> Cells:
        """The most that a linear loss gains within ``count`` (default: the limit) and the box.

        That is the gradient times a scale, cut to the box, with the largest scale whose change is
        short enough; it is found by bisection.
        """
        radius = self._radius(clean, count)
        wish = self.steepest(gain)
        low = radius.clamp(min=1e-12).log()  # no cut: this scale is right or too small
        high = low + _SPAN
        cut = self._cut(clean, wish * high.exp())
        fits = _length(cut) <= radius  # all that can be gained is within reach
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            short = _length(self._cut(clean, wish * middle.exp())) <= radius
            low, high = torch.where(short, middle, low), torch.where(short, high, middle)
        found = torch.where(fits, cut, self._cut(clean, wish * low.exp()))
        return self.project(clean, clean + found, radius.flatten())

    def project(self, clean: Cells, adv: Cells, radius: PerSample | None = None) -> Cells:
        """Cut to the box, then drawn straight towards the clean recording.

        Within the threat, but not always its nearest point.
        """
        room = self._radius(clean, radius)
        change = adv.clamp(0, 1) - clean
        scale = (room / _length(change).clamp(min=1e-30)).clamp(max=1.0)
        return (clean + change * scale).clamp(0, 1)

    def steepest(self, gradient: Gain) -> Cells:
        """The gradient, of length 1."""
        return gradient / _length(gradient).clamp(min=1e-30)

    def start(self, clean: Cells, rng: Generator, radius: PerSample | None = None) -> Cells:
        """Moved by ``radius`` (default: the limit) in a direction drawn uniformly, and cut."""
        drawn = torch.randn(clean.shape, generator=rng, dtype=clean.dtype)
        moved = clean + self._radius(clean, radius) * self.steepest(drawn)
        return self.project(clean, moved, radius)

    def check(self, clean: Cells, adv: Cells) -> Validity:
        """Judge in double precision, with :data:`~spikeproof.threats.ball.TOLERANCE`."""
        squares = (adv.double() - clean.double()).square().flatten(1).sum(1)
        limit = math.inf if self.eps is None else self.eps
        return Validity.of(
            {
                "an intensity is outside [0, 1]": outside_box(adv),
                f"the change is longer than {limit:g}": exceeds(
                    squares.sqrt(), squares.new_tensor(limit)
                ),
            }
        )

    @staticmethod
    def _cut(clean: Cells, change: Tensor) -> Tensor:
        return (clean + change).clamp(0, 1) - clean

    def _radius(self, clean: Cells, radius: PerSample | None) -> Tensor:
        limit = self.limit(clean)
        return widened(limit if radius is None else torch.minimum(radius.to(limit), limit), clean)


def _length(change: Tensor) -> Tensor:
    return change.square().flatten(1).sum(1).sqrt().view(-1, 1, 1, 1, 1)
