"""Networks over binned recordings, spiking or not, built from one architecture line.

The weighted layers see all time bins at once, folded into the batch; only the neurons run along
time. The read-out does not spike: logits are the mean over time of the last layer's currents, so
the class margin is a smooth function of the hidden spikes. The non-spiking twin has the same
weights in the same places and ReLUs where the neurons were.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spikeproof.errors import InvalidModel
from spikeproof.models import architecture as arch
from spikeproof.models.neuron import NeuronSpec


class Weighted(nn.Module):
    """A convolution or linear layer with optional batch norm, then a non-linearity.

    ``forward`` maps ``[N, T, ...]`` to ``[N, T, ...]``. In evaluation mode the batch norm is
    folded into the weights, which saves a pass over memory.
    """

    def __init__(self, weight: nn.Conv2d | nn.Linear, norm: bool, activation: nn.Module) -> None:
        super().__init__()
        self.weight = weight
        channels = weight.weight.shape[0]
        self.norm = _OverTime(channels) if norm else None
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Output ``[N, T, C, H, W]`` or ``[N, T, F]``."""
        steps = x.shape[:2]
        y = x.flatten(0, 1)  # [N*T, ...]
        if self.norm is None:
            y = self.weight(y)
        elif self.training:
            y = self.norm(self.weight(y))
        else:
            y = self._folded(y)
        out: Tensor = self.activation(y.unflatten(0, steps))  # type: ignore[no-untyped-call]
        return out

    def _folded(self, y: Tensor) -> Tensor:
        assert self.norm is not None
        scale, shift = self.norm.scale_and_shift()
        kernel = self.weight.weight
        kernel = kernel * scale.view(-1, *[1] * (kernel.dim() - 1))
        bias = shift if self.weight.bias is None else self.weight.bias * scale + shift
        if isinstance(self.weight, nn.Conv2d):
            return F.conv2d(y, kernel, bias, self.weight.stride, self.weight.padding)
        return F.linear(y, kernel, bias)


class _OverTime(nn.BatchNorm2d):
    """Batch norm whose statistics run over samples, time and space together."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (2, 4):
            raise ValueError(f"expected [N*T, C] or [N*T, C, H, W], got {list(input.shape)}")

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Scale and shift per channel that evaluation mode applies."""
        assert self.running_mean is not None
        assert self.running_var is not None
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        return scale, self.bias - self.running_mean * scale


class _Pool(nn.Module):
    def __init__(self, layer: arch.Pool) -> None:
        super().__init__()
        self.size, self.maximum = layer.size, layer.maximum

    def forward(self, x: Tensor) -> Tensor:
        pool = F.max_pool2d if self.maximum else F.avg_pool2d
        y: Tensor = pool(x.flatten(0, 1), self.size)
        return y.unflatten(0, x.shape[:2])  # type: ignore[no-any-return,no-untyped-call]

    def extra_repr(self) -> str:
        return f"size={self.size}, maximum={self.maximum}"


class _Dropout(nn.Module):
    """One mask per sample, the same in all time bins (a unit is there or is not)."""

    def __init__(self, percent: int) -> None:
        super().__init__()
        self.keep = 1.0 - percent / 100

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        mask = torch.empty_like(x[:, :1]).bernoulli_(self.keep).div_(self.keep)
        return x * mask


class Network(nn.Module):
    """Maps binned recordings ``[N, T, 2, H, W]`` to logits ``[N, K]``.

    Built by :func:`build`. ``description`` holds what is needed to build it again.
    """

    def __init__(self, layers: list[nn.Module], description: dict[str, Any]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.description = description
        self.input_shape = tuple(description["input"])  # P, H, W

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, K]`` of ``x`` ``[N, T, P, H, W]``; any number of time bins.

        Raises :class:`InvalidModel` if the recordings do not have the network's sensor size.
        """
        if x.dim() != 5 or tuple(x.shape[2:]) != self.input_shape:
            p, h, w = self.input_shape
            raise InvalidModel(
                f"this network takes recordings [N, T, {p}, {h}, {w}], not {list(x.shape)}"
            )
        for layer in self.layers:
            if x.dim() == 5 and isinstance(layer, Weighted) and isinstance(layer.weight, nn.Linear):
                x = x.flatten(2)
            x = layer(x)
        return x.mean(1)

    @property
    def n_classes(self) -> int:
        """Number of classes K."""
        return int(self.layers[-1].weight.weight.shape[0])  # type: ignore[union-attr,index]

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.parameters())


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

    ``spiking=False`` gives the non-spiking twin: same layers, same parameter names and shapes.
    Weights come from PyTorch's global generator: call ``torch.manual_seed`` to repeat a draw.
    Raises :class:`InvalidModel` for a line that cannot be parsed or does not fit the sensor.
    """
    neuron = neuron or NeuronSpec()
    words = arch.parse(architecture)
    channels, h, w = polarities, height, width
    layers: list[nn.Module] = []
    flat: int | None = None
    for place, word in enumerate(words):
        readout = place == len(words) - 1
        activation = nn.Identity() if readout else neuron.build() if spiking else nn.ReLU()
        match word:
            case arch.Conv(channels=c, kernel=k, stride=s, norm=norm):
                conv = nn.Conv2d(channels, c, k, stride=s, padding=k // 2, bias=not norm)
                layers.append(Weighted(conv, norm, activation))
                channels, h, w = c, (h - 1) // s + 1, (w - 1) // s + 1
            case arch.Pool(size=size):
                layers.append(_Pool(word))
                h, w = h // size, w // size
                if h < 1 or w < 1:
                    raise InvalidModel(
                        f"architecture {architecture!r} pools a {height}x{width} sensor to nothing;"
                        " use fewer or smaller poolings"
                    )
            case arch.Dropout(percent=percent):
                layers.append(_Dropout(percent))
            case arch.Dense(units=units, norm=norm):
                before = channels * h * w if flat is None else flat
                layers.append(Weighted(nn.Linear(before, units, bias=not norm), norm, activation))
                flat = units
    description = {
        "architecture": architecture,
        "spiking": spiking,
        "input": [polarities, height, width],
        "neuron": neuron.to_dict(),
    }
    return Network(layers, description).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def twin(network: Network) -> Network:
    """The non-spiking twin of a spiking network (or the reverse), with the same weights."""
    d = network.description
    polarities, height, width = d["input"]
    other = build(
        d["architecture"],
        height=height,
        width=width,
        polarities=polarities,
        spiking=not d["spiking"],
        neuron=NeuronSpec.from_dict(d["neuron"]),
    )
    missing, unexpected = other.load_state_dict(network.state_dict(), strict=False)
    strange = [name for name in (*missing, *unexpected) if not name.endswith("activation.leak")]
    if strange:
        raise InvalidModel(f"the twin has other parameters: {', '.join(strange)}")
    return other.train(network.training)
