"""Networks over binned recordings, spiking or not, built from one description.

The weighted layers see all time bins at once, folded into the batch; only the neurons run along
time. The read-out does not spike: logits are the mean over time of the last layer's currents, so
the class margin is a smooth function of the hidden spikes. The non-spiking twin has the same
weights in the same places and ReLUs where the neurons were.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from spikeproof.errors import InvalidModel
from spikeproof.models.neuron import NeuronSpec
from spikeproof.models.serializable import SerializableNetwork
from spikeproof.models.topology import compiled, parse, typed


class Network(SerializableNetwork):
    """Maps binned recordings ``[N, T, 2, H, W]`` to logits ``[N, K]``.

    Built by :func:`build`. ``description`` holds what is needed to build it again, ``n_classes``
    the number of classes K.
    """

    def __init__(
        self, layers: list[nn.Module], description: dict[str, Any], *, n_classes: int
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.description = description
        self.n_classes = n_classes
        self.input_shape = tuple(description["input"])  # P, H, W

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, K]`` of ``x`` ``[N, T, P, H, W]``; any number of time bins.

        Raises :class:`InvalidModel` if the recordings do not have the network's sensor size.
        """
        return self.over_time(x).mean(1)

    def over_time(self, x: Tensor) -> Tensor:
        """The currents of the read-out in every bin, ``[N, T, K]``."""
        if x.dim() != 5 or tuple(x.shape[2:]) != self.input_shape:
            p, h, w = self.input_shape
            raise InvalidModel(
                f"this network takes recordings [N, T, {p}, {h}, {w}], not {list(x.shape)}"
            )
        for layer in self.layers:
            x = layer(x)
        return x


def build(
    architecture: str,
    *,
    height: int,
    width: int,
    polarities: int = 2,
    spiking: bool = True,
    neuron: NeuronSpec | None = None,
) -> Network:
    """The network that ``architecture`` describes, with freshly drawn weights.

    ``architecture`` is a program of :mod:`~spikeproof.models.topology` or shorthand such as
    ``16c5-bn-p2-fc10``. ``spiking=False`` gives the non-spiking twin: same layers, same parameter
    names and shapes. Weights come from PyTorch's global generator: call ``torch.manual_seed`` to
    repeat a draw. Raises :class:`InvalidModel` for a program that cannot be read or does not fit
    the sensor; a note of the error shows the place.
    """
    neuron = neuron or NeuronSpec()
    program = typed(parse(architecture), (polarities, height, width))
    layers = compiled(program, neuron.build if spiking else nn.ReLU)
    description = {
        "architecture": architecture,
        "spiking": spiking,
        "input": [polarities, height, width],
        "neuron": neuron.to_dict(),
    }
    network = Network(layers, description, n_classes=program.gives[0])
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def twin(network: Network, *, neuron: NeuronSpec | None = None) -> Network:
    """The non-spiking twin of a spiking network (or the reverse), with the same weights.

    ``neuron`` replaces the one in the network's description.
    """
    d = network.description
    polarities, height, width = d["input"]
    other = build(
        d["architecture"],
        height=height,
        width=width,
        polarities=polarities,
        spiking=not d["spiking"],
        neuron=neuron or NeuronSpec.from_dict(d["neuron"]),
    )
    missing, unexpected = other.load_state_dict(network.state_dict(), strict=False)
    strange = [name for name in (*missing, *unexpected) if not name.endswith("activation.leak")]
    if strange:
        raise InvalidModel(f"the twin has other parameters: {', '.join(strange)}")
    return other.train(network.training)
