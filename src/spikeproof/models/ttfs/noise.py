"""What hardware does to spike times and weights: jitter, a clock, weights of few bits.

The three imperfections that Stanojevic et al. (Nature Communications 15:6793, 2024) test networks
of first spikes with. Values stay those of an exact network; what it would compute is changed
where it is used, and gradients pass as if it were not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from spikeproof.errors import InvalidModel


@dataclass(frozen=True)
class Hardware:
    """Imperfections of a network; the default has none.

    ``jitter`` is the standard deviation of Gaussian noise on every spike's time, inputs too, in
    the unit in which intensities 0 and 1 lie 1 apart. ``time_bits``: spikes come at one of
    ``2**time_bits`` instants that divide the layer's window evenly, the last of which is no spike.
    ``weight_bits``: weights of a layer are whole multiples, up to ``2**(weight_bits-1) - 1`` of
    either sign, of one number; thresholds are not rounded. Raises :class:`InvalidModel` for
    settings that make no sense.
    """

    jitter: float = 0.0
    time_bits: int | None = None
    weight_bits: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.jitter < math.inf:
            raise InvalidModel(f"jitter must be a number and not negative, not {self.jitter}")
        if self.time_bits is not None and self.time_bits < 1:
            raise InvalidModel(f"a clock needs at least 1 time bit, not {self.time_bits}")
        if self.weight_bits is not None and self.weight_bits < 2:
            raise InvalidModel(f"signed weights need at least 2 bits, not {self.weight_bits}")

    def times(
        self, times: Tensor, t_min: Tensor, t_max: Tensor, generator: Generator | None = None
    ) -> Tensor:
        """When spikes arrive that were sent at ``times``; what did not spike still does not.

        Noise moves a spike to the end of its window at most (or to its beginning): past
        ``t_max``, the next layer has stopped listening. Without a ``generator`` it is drawn from
        torch's global one.
        """
        if self.jitter:
            noise = torch.empty_like(times).normal_(std=self.jitter, generator=generator)
            times = torch.where(times < t_max, _within(times + noise, t_min, t_max), times)
        if self.time_bits is not None:
            step = (t_max - t_min) / (2**self.time_bits - 1)
            at = (times.detach() - t_min).div(step).round() * step + t_min
            times = _as_if(torch.where(times < t_max, _within(at, t_min, t_max), t_max), times)
        return times

    def weights(self, weight: Tensor) -> Tensor:
        """Weights as they are stored."""
        if self.weight_bits is None:
            return weight
        step = weight.detach().abs().max() / (2 ** (self.weight_bits - 1) - 1)
        step = torch.where(step > 0, step, 1.0)
        return _as_if(weight.detach().div(step).round() * step, weight)


EXACT = Hardware()


def _within(times: Tensor, t_min: Tensor, t_max: Tensor) -> Tensor:
    return times.maximum(t_min).minimum(t_max)


def _as_if(value: Tensor, giver: Tensor) -> Tensor:
    """``value``, with the gradient of ``giver``."""
    return value.detach() + (giver - giver.detach())
