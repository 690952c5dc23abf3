"""Layers of first crossings, from the times of pixels to logits.

Pixels spike at ``horizon * (1 - x)``, black ones too, at the horizon: so times, and with them the
logits, follow the image without a jump where a pixel leaves zero. The class is that of the output
neuron that spikes first,

    logit_k = -t_k / tau,

and of those that do not spike until ``end`` the one whose membrane is highest
(see :mod:`~spikeproof.models.crossing.times`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from spikeproof.errors import InvalidModel
from spikeproof.models.activity import Activity, Ledger
from spikeproof.models.crossing.times import crossing_times
from spikeproof.models.serializable import SerializableNetwork
from spikeproof.models.surrogate import PiecewiseQuadratic, Surrogate
from spikeproof.types import Logits


@dataclass(frozen=True)
class Crossings:
    """``times[l]`` of layer l ``[N, units]``, of the pixels first; at ``end`` or later: silent."""

    times: tuple[Tensor, ...]
    end: float
    logits: Logits

    @property
    def spikes_per_neuron(self) -> tuple[float, ...]:
        """Mean number of spikes of a pixel and of a neuron of each layer, between 0 and 1."""
        return tuple(float((t < self.end).double().mean()) for t in self.times)


class CrossingNetwork(SerializableNetwork):
    """Maps images ``[N, 1, C, H, W]`` in [0, 1] to logits ``[N, K]`` by the times of single spikes.

    ``input_shape`` is ``(C, H, W)``, ``units`` the sizes of the layers, the last being K. Weights
    are drawn from PyTorch's global generator with a positive mean, so that most neurons spike.
    Raises :class:`InvalidModel` for settings that make no sense.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        units: Sequence[int] = (400, 10),
        *,
        horizon: float = 1.0,
        end: float = 2.0,
        tau: float = 0.1,
    ) -> None:
        super().__init__()
        if not 0 < horizon < end or tau <= 0:
            raise InvalidModel(
                f"pixels spike up to a horizon, before the end, and tau is positive, not {horizon},"
                f" {end} and {tau}"
            )
        if len(input_shape) != 3 or not units or min(*input_shape, *units) < 1:
            raise InvalidModel(
                f"a network of first crossings needs an input (C, H, W) and at least one layer, not"
                f" {list(input_shape)} and {list(units)}"
            )
        self.input_shape = tuple(input_shape)
        self.n_classes = units[-1]
        self.horizon, self.end, self.tau = horizon, end, tau
        self.reach = 0.0
        self.description = {
            "kind": "first-crossing",
            "input": list(input_shape),
            "units": list(units),
            "horizon": horizon,
            "end": end,
            "tau": tau,
        }
        sizes = (prod(input_shape), *units)
        self.weights = nn.ParameterList(_drawn(i, o) for i, o in pairwise(sizes))

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, K]``; intensities beyond [0, 1] count as 0 or 1."""
        return self.crossings(x).logits

    def crossings(self, x: Tensor) -> Crossings:
        """The logits with all times, through which gradients flow.

        Raises :class:`InvalidModel` for anything but images of the network's size.
        """
        if x.dim() != 5 or tuple(x.shape[1:]) != (1, *self.input_shape):
            c, h, w = self.input_shape
            raise InvalidModel(
                f"this network takes images [N, 1, {c}, {h}, {w}], not {list(x.shape)}"
            )
        times = [self.horizon * (1 - x.flatten(1).clamp(0, 1))]
        for weight in self.weights:
            times.append(crossing_times(times[-1], weight, self.end, reach=self.reach))
        return Crossings(tuple(times), self.end, -times[-1] / self.tau)

    @torch.no_grad()
    def activity(self, x: Tensor) -> Activity:
        """Operations: a spike adds its weight to the slope of each membrane, up to the end.

        Time is in windows of the pixels; the first output spike decides.
        """
        found, counted = self.crossings(x), Ledger(len(x))
        for times, weight in zip(found.times, self.weights, strict=False):
            counted.receives(times < self.end, times.new_tensor(len(weight)))
        for times in found.times[1:]:
            counted.fires(times < self.end)
        decided = found.times[-1].amin(1).clamp(max=self.end) / self.horizon
        return counted.activity(self.end / self.horizon, decided=decided, unit="windows")

    def reaching(self, reach: float) -> CrossingNetwork:
        """A network of the same logits, weights shared, whose gradient tells of later inputs too.

        For attacks: those that come up to ``reach`` after a spike have a gradient as if they came
        before. What fools it fools this network.
        """
        other = copy(self)
        other.reach = reach
        return other

    @contextmanager
    def using_surrogate(self, surrogate: Surrogate) -> Iterator[None]:
        """For a while, let gradients ``reach`` a tenth of a triangle's width; of others, no change.

        The gradient of spike times needs no surrogate, but an attack that tries several, as
        AutoSpike does, should try one that sees what the exact gradient hides.
        """
        before = self.reach
        if isinstance(surrogate, PiecewiseQuadratic):
            self.reach = 0.1 * surrogate.width * self.horizon
        try:
            yield
        finally:
            self.reach = before

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"horizon={self.horizon:g}, end={self.end:g}, tau={self.tau:g}"


def crossing_network(description: Mapping[str, Any]) -> CrossingNetwork:
    """The network of a ``description``."""
    return CrossingNetwork(
        description["input"],
        description["units"],
        horizon=description["horizon"],
        end=description["end"],
        tau=description["tau"],
    )


def _drawn(inputs: int, units: int) -> nn.Parameter:
    """Weights ``[units, inputs]`` whose sum over the inputs is about 5."""
    return nn.Parameter(torch.randn(units, inputs) / inputs**0.5 + 5 / inputs)
