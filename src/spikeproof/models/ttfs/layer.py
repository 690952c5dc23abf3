"""Neurons that spike at most once, with a constant slope at threshold.

The B1 model of Stanojevic et al. (Nature Communications 15:6793, 2024; arXiv 2306.08744). A layer
listens from ``opens`` until ``t_min``, in which time each of its inputs ``j`` may spike once, at
``t_j``. A spike adds its weight to the slope of the membrane; at ``t_min`` these currents are
replaced by one of 1, the same for all neurons. The neuron spikes when it reaches its threshold, up
to ``t_max = t_min + length``:

    dV/dt = sum_j W_ij H(t - t_j)   for t < t_min,      dV/dt = 1   for t_min <= t <= t_max

    theta_i = length - D_i

    t_i = t_min + theta_i - sum_j W_ij (t_min - t_j)

With ``x_j = t_min - t_j`` and ``x_i = t_max - t_i`` this is ``x_i = relu(W x + D)_i``: earlier is
larger, and who would spike after ``t_max`` does not. Before ``t_min`` nobody can spike; who is
above threshold by then spikes at ``t_min``, so values saturate at ``length``. The slope of ``V`` at
threshold does not depend on the weights, which is why gradients are those of the ReLU network.

The last layer does not spike: its membrane at ``t_min``, which started from ``D``, is the logit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spikeproof.models.activity import fan_out
from spikeproof.models.ttfs.noise import EXACT, Hardware


@dataclass(frozen=True)
class Sliding:
    """How a kernel slides over its inputs; zero padding stands for inputs that never spike."""

    stride: tuple[int, ...] = (1, 1)
    padding: tuple[int, ...] | str = (0, 0)
    dilation: tuple[int, ...] = (1, 1)
    groups: int = 1

    def __call__(self, x: Tensor, kernel: Tensor) -> Tensor:
        """The sums ``[N, C', H', W']`` of ``x`` ``[N, C, H, W]``."""
        return F.conv2d(x, kernel, None, self.stride, self.padding, self.dilation, self.groups)


class Synapses(nn.Module):
    """Weights ``[K, F]``, or ``[K, C, h, w]`` of a kernel that slides, and offsets ``D``.

    ``bias`` is what broadcasts to the outputs: ``[K]``, ``[K, 1, 1]`` or, where it differs along
    the border (see ``mapping``), ``[K, H', W']``.
    """

    def __init__(self, weight: Tensor, bias: Tensor, sliding: Sliding | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone())
        self.bias = nn.Parameter(bias.detach().clone())
        self.sliding = sliding

    def charge(self, early: Tensor, weight: Tensor) -> Tensor:
        """``W x`` of inputs that spiked ``early = t_min - t_j`` before their window closed."""
        return F.linear(early, weight) if self.sliding is None else self.sliding(early, weight)

    def drive(self, early: Tensor, hardware: Hardware = EXACT) -> Tensor:
        """``W x + D``."""
        return self.charge(early, hardware.weights(self.weight)) + self.bias

    def most(self, early: Tensor) -> Tensor:
        """The largest ``W x + D`` that inputs between 0 and ``early`` can give."""
        return self.charge(early, self.weight.clamp(min=0)) + self.bias

    def fan_out(self, times: Tensor) -> Tensor:
        """Outgoing connections of each input, shaped as ``times`` of one sample, ``[1, ...]``."""
        return fan_out(lambda probe: self.charge(probe, torch.ones_like(self.weight)), times)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"weight={list(self.weight.shape)}, sliding={self.sliding}"


class SpikingLayer(Synapses):
    """Neurons that spike in a window of ``length``, once or never."""

    length: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, sliding: Sliding | None = None) -> None:
        super().__init__(weight, bias, sliding)
        self.register_buffer("length", weight.new_ones(()))

    def forward(self, times: Tensor, t_min: Tensor, hardware: Hardware = EXACT) -> Tensor:
        """Spike times in ``[t_min, t_max]`` from those of the inputs; ``t_max`` is no spike."""
        t_max = t_min + self.length
        threshold = self.length - self.bias
        due = t_min + threshold - self.charge(t_min - times, hardware.weights(self.weight))
        due = torch.where(due > t_min, due, t_min)
        return torch.where(due < t_max, due, t_max)  # at t_max no gradient, as of ReLU at 0


class EarliestSpike(nn.Module):
    """Max pooling: of the spikes in a square, the first goes on. It has no neurons of its own.

    Where batch norm with a negative scale lies between, the largest value is the smallest
    activation: channels in ``latest`` let the last spike pass, or none if one neuron had none.
    """

    latest: Tensor

    def __init__(self, pool: nn.MaxPool2d, latest: Tensor) -> None:
        super().__init__()
        self.pool = pool
        self.register_buffer("latest", latest)

    def forward(self, times: Tensor) -> Tensor:
        """Times ``[N, C, H', W']`` of times ``[N, C, H, W]``."""
        if not self.latest.any():
            return -self.pool(-times)  # type: ignore[no-any-return]
        sign = torch.where(self.latest, 1.0, -1.0).to(times)[:, None, None]
        return sign * self.pool(sign * times)  # type: ignore[no-any-return]
