"""A network of spike-once neurons as a classifier: the class whose neuron spikes first.

Pixels spike once, the brighter the earlier, in step ``round((1 - x) * (T - 1))``. The last step,
T - 1, which is that of black pixels, is not computed: black is silent. Spikes reach the next layer
within the step. A logit is minus the time of an output spike, in steps, so that the largest logit
is the first spike; outputs that spike together, or not at all, are equal.

The gradient is that of the spike-timing rule (:mod:`~spikeproof.models.once.layer`), a surrogate:
true times are steps of their inputs. Rounding passes it straight through.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from spikeproof.errors import InvalidModel
from spikeproof.models.activity import Activity, Ledger, fan_out
from spikeproof.models.once.layer import EarliestSpikePool, Neuron, SamePadding, SpikeOnce
from spikeproof.models.serializable import SerializableNetwork
from spikeproof.models.topology import Conv, Dense, PoolTerm, parse, typed
from spikeproof.models.topology.sizes import Part, Shape, number

_FIRST, _NEXT = (-0.75, 4.5), (0.0, 20.0)  # times 2 * threshold / spiking inputs, see below


class SpikeOnceNetwork(SerializableNetwork):
    """Maps images ``[N, 1, C, H, W]`` in [0, 1] to logits ``[N, K]``: minus the output times."""

    def __init__(
        self, layers: Sequence[nn.Module], description: dict[str, Any], n_classes: int
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.description = description
        self.n_classes = n_classes
        self.input_shape = tuple(description["input"])
        self.steps = int(description["neuron"]["steps"])

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, K]``; intensities beyond [0, 1] count as 0 or 1."""
        return -self.trace(x)[-1]

    def trace(self, x: Tensor) -> tuple[Tensor, ...]:
        """Spike times of the pixels and of what each layer gives, T for no spike.

        Raises :class:`InvalidModel` if images do not have the network's size.
        """
        times = [self.encoded(x)]
        for layer in self.layers:
            times.append(layer(times[-1]))
        return tuple(times)

    def encoded(self, x: Tensor) -> Tensor:
        """Times ``[N, C, H, W]`` of the pixels."""
        if x.dim() != 5 or tuple(x.shape[1:]) != (1, *self.input_shape):
            c, h, w = self.input_shape
            raise InvalidModel(
                f"this network takes images [N, 1, {c}, {h}, {w}], not {list(x.shape)}"
            )
        due = (1 - x.squeeze(1).to(self.spiking[0].weight).clamp(0, 1)) * (self.steps - 1)
        step = due.detach().round()
        step = torch.where(step < self.steps - 1, step, self.steps)
        return due + (step - due.detach())

    @torch.no_grad()
    def activity(self, x: Tensor) -> Activity:
        """Operations: a spike adds its weight to each membrane; the first output spike decides.

        Black pixels do not spike, so the last step is not run.
        """
        trace, counted = self.trace(x), Ledger(len(x))
        for came, layer, times in zip(trace, self.layers, trace[1:], strict=False):
            if isinstance(layer, SpikeOnce):
                reach = layer.weight.shape[1] * fan_out(layer.patches, came)
                counted.receives(came < self.steps, reach)
                counted.fires(times < self.steps)
        decided = (trace[-1].amin(1) + 1).clamp(max=self.steps - 1)
        return counted.activity(self.steps - 1, decided=decided)

    @property
    def spiking(self) -> list[SpikeOnce]:
        """The layers that have neurons."""
        return [layer for layer in self.layers if isinstance(layer, SpikeOnce)]


def spike_once_network(
    architecture: str,
    shape: Shape,
    *,
    neuron: Neuron | None = None,
    active: float = 0.19,
    spreads: Sequence[Sequence[float]] | None = None,
) -> SpikeOnceNetwork:
    """The network that ``architecture`` describes, for images of ``shape`` ``(C, H, W)``.

    ``architecture`` is a program of :mod:`~spikeproof.models.topology`, or shorthand such as
    ``fc400-fc10``, of dense layers, convolutions and max pooling, without batch norm. Weights of
    the l-th layer are drawn evenly from ``spreads[l]``, (lowest, highest), by torch's global
    generator. By default they are mostly positive, so that before learning few of the spikes of an
    image with a share ``active`` of pixels that are not black make everything spike: about (-1, 6)
    and (0, 10) for 784-400-10 on MNIST. Raises :class:`InvalidModel` for programs that cannot be
    read or hold other layers.
    """
    neuron = neuron or Neuron()
    program = typed(parse(architecture), shape)
    given = None if spreads is None else [(float(low), float(high)) for low, high in spreads]
    layers: list[nn.Module] = []
    drawn: list[tuple[float, float]] = []
    came = shape
    for part in program.parts:
        inputs, units, sliding, came = _sizes(part, came)
        if inputs == 0:
            layers.append(EarliestSpikePool(units))
            continue
        unit = 2 * neuron.threshold / (inputs if drawn else active * inputs)
        low, high = _NEXT if drawn else _FIRST
        spread = (low * unit, high * unit)
        if given is not None and len(drawn) < len(given):
            spread = given[len(drawn)]
        drawn.append(spread)
        layers.append(SpikeOnce(inputs, units, neuron, spread, sliding))
    if given is not None and len(given) != len(drawn):
        raise InvalidModel(
            f"{len(given)} spreads for {len(drawn)} layers of neurons; give one for each"
        )
    description = {
        "kind": "spike-once",
        "architecture": architecture,
        "input": list(shape),
        "neuron": asdict(neuron),
        "spreads": [list(spread) for spread in drawn],
    }
    return SpikeOnceNetwork(layers, description, program.gives[0])


def described(description: Mapping[str, Any]) -> SpikeOnceNetwork:
    """The network of a ``description``, for checkpoints."""
    return spike_once_network(
        description["architecture"],
        tuple(description["input"]),
        neuron=Neuron(**description["neuron"]),
        spreads=description["spreads"],
    )


def _sizes(part: Part, came: Shape) -> tuple[int, int, SamePadding | None, Shape]:
    """Inputs of a neuron (0: none, a pooling), neurons or size, kernel, and the shape given."""
    match part:
        case Dense(norm=False):
            units = number(part.units)
            return math.prod(came), units, None, (units,)
        case Conv(norm=False):
            channels, kernel, stride = map(number, (part.channels, part.kernel, part.stride))
            rows, columns = ((side - 1) // stride + 1 for side in came[1:])
            sliding = SamePadding(kernel, stride, (rows, columns))
            return came[0] * kernel**2, channels, sliding, (channels, rows, columns)
        case PoolTerm(maximum=True):
            size = number(part.size)
            return 0, size, None, (came[0], came[1] // size, came[2] // size)
    raise InvalidModel(
        f"{part} is nothing that neurons which spike once can do; use dense (fc400), conv (16c5)"
        " and maxpool (mp2), without norm (bn)"
    )
