r"""Networks of integrate-and-fire neurons that compute with rates, as conversion makes them.

A neuron adds up its input and, at its threshold :math:`\theta`, spikes and loses :math:`\theta`;
its spike weighs :math:`\theta`. After :math:`T` steps of a constant input :math:`x` that is

.. math::
    \frac{\theta}{T} \sum_t s_t
    = \frac{\theta}{T} \left\lfloor \frac{T x}{\theta} + v_0 \right\rfloor
    \qquad (0 \le x \le \theta),

a staircase along the ReLU. The membrane starts at :math:`v_0\,\theta`: with 0 the staircase lies
below the ReLU, with a half its mean error is zero (Deng & Gu, ICLR 2021; Bu et al., AAAI 2022).

Neurons that all start alike err alike: after one step all that get more than half a threshold have
spiked, and then they pause together, which starves the layers behind. Membranes that are
:data:`SPREAD` over the threshold, another one for each neuron, break that. Each staircase is then
moved by its own :math:`v_0`, and the mean over neurons still has no error.

The largest of several rates is not the rate of "any of them spikes". :class:`RateMaxPool` keeps
count and passes on what the largest count grows by, which is again at most one spike per step, and
whose sum is the largest count at any time. (Rueckauer et al., 2017, let the spikes of the unit
through whose rate is estimated to be the largest.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spikeproof.errors import InvalidModel
from spikeproof.models.modules import Pooling, Weighted
from spikeproof.models.network import Network, build
from spikeproof.models.neuron import NeuronSpec

Start: TypeAlias = float | Literal["spread"]
"""Where membranes start: all at a share of the threshold, or spread evenly over it."""

SPREAD: Literal["spread"] = "spread"
_GOLDEN = 0.6180339887498949  # its multiples fill the unit interval evenly, neighbours far apart


class RateNeurons(nn.Module):
    """Integrate-and-fire neurons with a soft reset, whose membranes begin at ``start`` thresholds.

    With ``channels`` there is a ``threshold`` ``[C]`` for each, which is also what a spike weighs;
    without, both are 1.
    """

    threshold: Tensor | None

    def __init__(self, neuron: NeuronSpec, start: Start, channels: int | None = None) -> None:
        super().__init__()
        if start != SPREAD and not (isinstance(start, int | float) and 0 <= start < 1):
            raise InvalidModel(
                f"membranes start at 0 to below 1 threshold, or {SPREAD!r} over it; not at {start}"
            )
        self.neurons = neuron.build()
        self.start = start
        self.register_buffer("threshold", None if channels is None else torch.ones(channels))

    def forward(self, current: Tensor) -> Tensor:
        """Weighted spikes ``[N, T, C, ...]`` of input ``[N, T, C, ...]``."""
        if self.threshold is None:
            return self._spikes(current.clone())
        threshold = self.threshold.view(-1, *[1] * (current.dim() - 3))
        return self._spikes(current / threshold) * threshold

    def _spikes(self, drive: Tensor) -> Tensor:
        # nothing leaks, so this is where the membrane starts
        drive[:, 0] += spread(drive[0, 0]) if isinstance(self.start, str) else self.start
        spikes: Tensor = self.neurons(drive)
        return spikes

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"start={self.start}"


def spread(neurons: Tensor) -> Tensor:
    """A share of the threshold for each of the ``neurons``, the same whenever it is asked for."""
    place = torch.arange(neurons.numel(), dtype=torch.float64, device=neurons.device)
    return ((place + 0.5) * _GOLDEN % 1).to(neurons).view_as(neurons)


class RateMaxPool(nn.Module):
    """What the largest count of a square grows by in each step; see the module."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """``[N, T, C, H // size, W // size]`` from ``[N, T, C, H, W]``."""
        counts = x.cumsum(1).flatten(0, 1)
        most = F.max_pool2d(counts, self.size).unflatten(0, x.shape[:2])  # type: ignore[no-untyped-call]
        return torch.cat([most[:, :1], most.diff(dim=1)], 1)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"size={self.size}"


def rate_network(description: Mapping[str, Any]) -> Network:
    """The network that ``description`` (of kind "rate") says, with weights of no meaning.

    It has ``architecture``, without norms, ``input`` ``[C, H, W]``, ``neuron`` (integrate-and-fire
    with a soft reset and threshold 1), ``start``, and ``balance``, with which "threshold" means a
    threshold for each channel. Raises :class:`InvalidModel` for others.
    """
    neuron = NeuronSpec.from_dict(dict(description["neuron"]))
    if (neuron.kind, neuron.reset, neuron.threshold) != ("if", "soft", 1.0):
        raise InvalidModel("rates need neurons of kind if, with soft reset and threshold 1")
    channels, height, width = description["input"]
    network = build(
        description["architecture"],
        height=height,
        width=width,
        polarities=channels,
        spiking=False,
        neuron=neuron,
    )
    start, own = description["start"], description["balance"] == "threshold"
    _make_spike(network, lambda channels: RateNeurons(neuron, start, channels if own else None))
    network.description = {**description, "kind": "rate", "spiking": True}
    return network


def _make_spike(module: nn.Module, neurons: Callable[[int], RateNeurons]) -> None:
    """Put ``neurons`` (of a number of channels) in place of every ReLU inside ``module``."""
    for name, child in module.named_children():
        if isinstance(child, Weighted):
            if child.norm is not None:
                raise InvalidModel("a network of rates has no batch norm; fold it first")
            if isinstance(child.activation, nn.ReLU):
                child.activation = neurons(len(child.weight.weight))
        elif isinstance(child, Pooling) and child.maximum:
            setattr(module, name, RateMaxPool(child.size))
        else:
            _make_spike(child, neurons)
