"""A network of layers that spike once, one window after the other.

Pixels spike in ``[0, 1]``, the brighter the earlier: ``t = 1 - x``. The window in which a layer
spikes begins where that of the layer before ends, as all its inputs must have had their chance.
Logits are thus exactly those of the ReLU network as long as no value outgrows its window.

While the weights are trained, values grow. After each step windows are made wide enough for the
batch just seen, with room for the next (Stanojevic et al., Nature Communications 15:6793, 2024):

    length <- max(length, factor * (t_max - min_i t_i)),   factor 10
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch
from torch import Generator, Tensor, nn

from spikeproof.errors import InvalidModel
from spikeproof.models.activity import Activity, Ledger
from spikeproof.models.serializable import SerializableNetwork
from spikeproof.models.ttfs.description import made, told
from spikeproof.models.ttfs.layer import SpikingLayer, Synapses
from spikeproof.models.ttfs.noise import EXACT, Hardware
from spikeproof.types import Logits

KIND: Final = "first-spikes"
_PRECISIONS: Final = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class Trace:
    """What happened on the way to ``logits`` ``[N, K]``.

    ``times[0]`` holds the inputs' spikes and ``times[l]`` those of the l-th spiking layer,
    ``[N, ...]``; ``ends[l]`` is the end of that window, and the time of those that did not spike.
    """

    times: tuple[Tensor, ...]
    ends: tuple[Tensor, ...]
    logits: Logits

    @property
    def spikes(self) -> tuple[Tensor, ...]:
        """Which inputs and neurons spiked, flags shaped as ``times``."""
        return tuple(t < end for t, end in zip(self.times, self.ends, strict=True))

    @property
    def spikes_per_neuron(self) -> tuple[float, ...]:
        """Mean number of spikes of an input and of a neuron of each layer, between 0 and 1."""
        return tuple(float(flags.double().mean()) for flags in self.spikes)


class FirstSpikeNetwork(SerializableNetwork):
    """Maps images ``[N, C, H, W]`` or ``[N, 1, C, H, W]`` in [0, 1] to logits ``[N, K]``.

    Made by :func:`~spikeproof.models.ttfs.mapping.from_relu`. It computes in the precision of its
    weights; differences to the ReLU network of 1e-6 and less need ``float64``. With jitter its
    answers are random, drawn from torch's global generator unless one is given.
    """

    def __init__(
        self,
        layers: Sequence[nn.Module],
        readout: Synapses,
        hardware: Hardware = EXACT,
        *,
        input_shape: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.readout = readout
        self.hardware = hardware
        self.input_shape = input_shape
        self.n_classes = len(readout.weight)

    @property
    def description(self) -> dict[str, Any]:  # type: ignore[override]  # follows the precision
        """What is needed to build it again."""
        return {
            "kind": KIND,
            "input": list(self.input_shape),
            "layers": [told(layer) for layer in self.layers],
            "readout": told(self.readout),
            "hardware": asdict(self.hardware),
            "dtype": str(self.readout.weight.dtype).removeprefix("torch."),
        }

    @classmethod
    def from_description(cls, described: Mapping[str, Any]) -> FirstSpikeNetwork:
        """A network as ``described``, with weights of no meaning.

        Raises :class:`InvalidModel` for a layer or a precision that is unknown.
        """
        if described["dtype"] not in _PRECISIONS:
            raise InvalidModel(
                f"computes in {described['dtype']!r}; known are {', '.join(_PRECISIONS)}"
            )
        readout = made(described["readout"])
        if not isinstance(readout, Synapses):
            raise InvalidModel("has no read-out")
        channels, height, width = described["input"]
        network = cls(
            [made(words) for words in described["layers"]],
            readout,
            Hardware(**described["hardware"]),
            input_shape=(channels, height, width),
        )
        return network.to(_PRECISIONS[described["dtype"]])

    def forward(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Logits ``[N, K]``; intensities beyond [0, 1] count as 0 or 1."""
        return self.trace(x, generator).logits

    def trace(self, x: Tensor, generator: Generator | None = None) -> Trace:
        """The logits and all spike times; gradients flow through both."""
        end = self.readout.weight.new_ones(())
        times = end - image_of(x).to(end).clamp(0, 1)
        times = self.hardware.times(times, end - 1, end, generator)
        seen, ends = [times], [end]
        for layer in self.layers:
            if isinstance(layer, SpikingLayer):
                times = layer(times, end, self.hardware)
                start, end = end, end + layer.length
                times = self.hardware.times(times, start, end, generator)
                seen.append(times)
                ends.append(end)
            else:
                times = layer(times)
        logits = self.readout.drive(end - times, self.hardware)
        return Trace(tuple(seen), tuple(ends), logits)

    def times(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, ...]:
        """Spike times of the inputs and of each layer, ``inf`` for no spike."""
        with torch.no_grad():
            trace = self.trace(x, generator)
        told = zip(trace.times, trace.spikes, strict=True)
        return tuple(t.masked_fill(~spiked, torch.inf) for t, spiked in told)

    @torch.no_grad()
    def activity(self, x: Tensor) -> Activity:
        """Operations: a spike adds its weight to the slope of each membrane that it reaches.

        The read-out does not spike, so the answer stands when its window closes; time is in
        windows of the input.
        """
        trace, counted = self.trace(x), Ledger(len(x))
        after = zip(trace.times[1:], trace.ends[1:], strict=True)
        times, end = trace.times[0], trace.ends[0]
        for layer in self.layers:
            if isinstance(layer, SpikingLayer):
                counted.receives(times < end, layer.fan_out(times))
                times, end = next(after)
                counted.fires(times < end)
            else:
                times = layer(times)
        counted.receives(times < end, self.readout.fan_out(times))
        late = times.new_full((len(x),), self.latency)
        return counted.activity(self.latency, decided=late, unit="windows")

    def widen(self, trace: Trace, factor: float = 10.0) -> None:
        """Make windows ``factor`` times as long as the ``trace`` needs, none shorter than it is.

        To be called after each training step with the trace of its batch.
        """
        if factor < 1:
            raise InvalidModel(f"windows cannot be made {factor} times as long as needed; use 10")
        for layer, times, end in zip(self.spiking, trace.times[1:], trace.ends[1:], strict=True):
            if times.numel():
                needed = (end - times.min()).detach()
                layer.length = torch.maximum(layer.length, factor * needed)

    def on(self, hardware: Hardware) -> FirstSpikeNetwork:
        """This network, weights shared, on other ``hardware``."""
        other = FirstSpikeNetwork(
            list(self.layers), self.readout, hardware, input_shape=self.input_shape
        )
        return other.train(self.training)

    @property
    def spiking(self) -> list[SpikingLayer]:
        """The layers that have neurons."""
        return [layer for layer in self.layers if isinstance(layer, SpikingLayer)]

    @property
    def latency(self) -> float:
        """When the logits are read, where the input's window takes 1."""
        return 1.0 + sum(float(layer.length) for layer in self.spiking)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"hardware={self.hardware}"


def image_of(x: Tensor) -> Tensor:
    """Images ``[N, C, H, W]``; raises :class:`InvalidModel` for several time bins."""
    if x.dim() == 5 and x.shape[1] == 1:
        return x.squeeze(1)
    if x.dim() != 4:
        raise InvalidModel(
            f"first spikes are computed of images [N, C, H, W] or [N, 1, C, H, W], not"
            f" {list(x.shape)}; recordings of several time bins need another network"
        )
    return x
