"""The maximum norm: every intensity may move by ``eps``, and each of them may.

The standard threat of adversarial examples on images (Goodfellow et al., ICLR 2015; Madry et al.,
ICLR 2018),

    max_i |x'_i - x_i| <= eps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from spikeproof.threats.ball import check_radius, exceeds, full, outside_box, widened
from spikeproof.threats.validity import Validity
from spikeproof.types import Cells, Gain, PerSample


@dataclass(frozen=True)
class Linf:
    """Every intensity moves by at most ``eps`` (of the range [0, 1]; None for no limit)."""

    eps: float | None = None

    def __post_init__(self) -> None:
        check_radius(self.eps, "eps")

    def __str__(self) -> str:
        if self.eps is None:
            return "change intensities, by any amount"
        return f"change every intensity by at most {self.eps:g}"

    @property
    def resolution(self) -> float:
        """A quarter of the 1/255 that images are stored in."""
        return 0.25 / 255

    def at(self, eps: float | None) -> Linf:
        """The same threat with another budget."""
        return replace(self, eps=eps)

    def limit(self, clean: Cells) -> PerSample:
        """``eps`` of each sample."""
        return full(1.0 if self.eps is None else min(self.eps, 1.0), clean)

    def cost(self, clean: Cells, adv: Cells) -> PerSample:
        """The largest change of an intensity, per sample."""
        return (adv - clean).abs().flatten(1).amax(1)

    def select(self, clean: Cells, gain: Gain, count: PerSample | None = None) -> Cells:
        """Every intensity moved by ``count`` (default: the limit) as the sign of ``gain`` says."""
        radius = self._radius(clean, count)
        return (clean + radius * gain.sign()).clamp(0, 1)

    def project(self, clean: Cells, adv: Cells, radius: PerSample | None = None) -> Cells:
        """The nearest recording within the threat: every intensity cut to its interval."""
        room = self._radius(clean, radius)
        return adv.clamp(clean - room, clean + room).clamp(0, 1)

    def steepest(self, gradient: Gain) -> Cells:
        """The sign of the gradient."""
        return gradient.sign()

    def start(self, clean: Cells, rng: Generator, radius: PerSample | None = None) -> Cells:
        """Every intensity moved by a uniform draw from its interval."""
        drawn = 2 * torch.rand(clean.shape, generator=rng, dtype=clean.dtype) - 1
        return self.project(clean, clean + self._radius(clean, radius) * drawn, radius)

    def check(self, clean: Cells, adv: Cells) -> Validity:
        """Judge in double precision, with :data:`~spikeproof.threats.ball.TOLERANCE`."""
        before, after = clean.double(), adv.double()
        eps = 1.0 if self.eps is None else self.eps
        inside = exceeds((after - before).abs(), after.new_tensor(eps))
        return Validity.of(
            {
                "an intensity is outside [0, 1]": outside_box(adv),
                f"an intensity was changed by more than {eps:g}": inside.flatten(1).any(1),
            }
        )

    def _radius(self, clean: Cells, radius: PerSample | None) -> Tensor:
        limit = self.limit(clean)
        return widened(limit if radius is None else torch.minimum(radius.to(limit), limit), clean)
