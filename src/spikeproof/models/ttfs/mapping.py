"""The exact mapping of a ReLU network to first spikes.

Weights and biases stay what they are (Stanojevic et al., Nature Communications 15:6793, 2024, with
constant slope at threshold); only windows have to be chosen. What stands between the layers is
taken up by them:

* batch norm after a weighted layer scales its rows; elsewhere it is ``s x + b`` per channel on the
  inputs of the next layer, which become ``W s`` and ``D + W b``. Zero padding pads what comes out
  of the batch norm, so along the border fewer ``b`` are added: ``D`` then has a value per place.
* max pooling is the earliest spike. Before the ReLU it may as well come after it, and batch norm
  with a negative scale behind it turns earliest into latest.
* average pooling needs neurons, with weights ``1/k**2``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from spikeproof.errors import InvalidModel
from spikeproof.models.modules import Dropped, Pooling, Weighted
from spikeproof.models.network import Network
from spikeproof.models.ttfs.layer import EarliestSpike, Sliding, SpikingLayer, Synapses
from spikeproof.models.ttfs.network import FirstSpikeNetwork, image_of

Windows: TypeAlias = Literal["seen", "certain"]
_Pair: TypeAlias = tuple[int, int]

_CHUNK = 128  # images that go through the network together


def from_relu(
    network: nn.Module, calibration: Tensor, *, windows: Windows = "seen", margin: float = 1.5
) -> FirstSpikeNetwork:
    """The network of first spikes with the logits of ``network``, in the same precision.

    ``network`` is an ``nn.Sequential`` (also nested) of linear and convolutional layers, batch
    norm, ReLU, pooling and flatten, taken as in evaluation mode, or a non-spiking
    :class:`Network`; it ends with a linear layer and is left as it was. ``calibration`` are images
    ``[N, C, H, W]`` or ``[N, 1, C, H, W]`` in [0, 1]. Windows are ``margin`` times the largest
    value ``seen`` on them (1.5 in the paper), or long enough for what is ``certain`` to hold every
    value that any image in [0, 1] can give, which makes deep networks slow and imprecise. A layer
    that stays silent gets a window of 1.

    Raises :class:`InvalidModel` for what has no exact counterpart, and names it.
    """
    reader = _Reader()
    with torch.no_grad():
        example = image_of(calibration)[:1]
        if not len(example):
            raise InvalidModel("windows are measured on images; give some for calibration")
        channels, height, width = example.shape[1:]
        for name, module in _chain(copy.deepcopy(network).eval()):
            for p in module.parameters():
                example = example.to(p)
            reader.take(name, module, example)
            example = module(example)
    made = reader.finish((channels, height, width)).to(example.dtype)
    choose_windows(made, calibration, windows=windows, margin=margin)
    return made


@torch.no_grad()
def choose_windows(
    network: FirstSpikeNetwork,
    calibration: Tensor,
    *,
    windows: Windows = "seen",
    margin: float = 1.5,
) -> None:
    """Give the layers of ``network`` new windows, for the weights that it has now.

    Settings are those of :func:`from_relu`. While it learns, its windows only grow.
    """
    if windows not in ("seen", "certain") or margin < 1:
        raise InvalidModel(
            f"windows are 'seen' or 'certain' and a margin is at least 1, not {windows!r} and"
            f" {margin}"
        )
    one = network.readout.weight.new_ones(())
    found: dict[SpikingLayer, Tensor] = {}
    certain = windows == "certain"
    images = image_of(calibration)
    for part in [torch.ones_like(images[:1])] if certain else torch.split(images, _CHUNK):
        end = one
        times = end - part.to(one).clamp(0, 1)
        for layer in network.layers:
            if isinstance(layer, SpikingLayer):
                value = layer.most(end - times) if certain else layer.drive(end - times)
                needed = value.max() * (1.0 if certain else margin)
                found[layer] = torch.maximum(found.get(layer, 0 * one), needed)
                layer.length = torch.where(found[layer] > 0, found[layer], one)
                end = end + layer.length
                times = end - value.clamp(min=0)
            else:
                times = layer(times)


def _chain(network: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The layers in order; of a :class:`Network`, those over a single time bin."""
    if isinstance(network, nn.Sequential):
        for child_name, child in network.named_children():
            yield from _chain(child, f"{name}.{child_name}" if name else child_name)
    elif isinstance(network, Network):
        if network.description["spiking"]:
            raise InvalidModel("this network spikes already; give its non-spiking twin")
        flat = False
        for place, layer in enumerate(network.layers):
            if isinstance(layer, Weighted):
                if isinstance(layer.weight, nn.Linear) and not flat:
                    flat = True
                    yield f"{place} (flatten)", nn.Flatten()
                for part in (layer.weight, layer.norm, layer.activation):
                    if part is not None:
                        yield str(place), part
            elif isinstance(layer, Pooling):
                yield str(place), (nn.MaxPool2d if layer.maximum else nn.AvgPool2d)(layer.size)
            elif not isinstance(layer, Dropped):
                raise InvalidModel(f"layer {place} ({type(layer).__name__}) has no counterpart")
    else:
        yield name, network


class _Reader:
    """Takes the layers of a ReLU network one by one, and makes those of first spikes."""

    def __init__(self) -> None:
        self.layers: list[nn.Module] = []
        self.open: Synapses | None = None  # weighted, and its ReLU has not come yet
        self.waiting: list[nn.Module] = []  # what stood between the two
        self.scale: Tensor | None = None  # of batch norm after the ReLU, per channel
        self.shift = torch.empty(0)

    def take(self, name: str, module: nn.Module, x: Tensor) -> None:
        """``module``, whose input is shaped as ``x``."""
        match module:
            case nn.Linear() | nn.Conv2d():
                self._weighted(name, module, x)
            case nn.BatchNorm1d() | nn.BatchNorm2d():
                self._norm(name, module)
            case nn.ReLU():
                self._relu(name)
            case nn.MaxPool2d():
                self._max_pool(name, module, x)
            case nn.AvgPool2d():
                if module.padding not in (0, (0, 0)) or module.ceil_mode or module.divisor_override:
                    raise _refused(name, module, "only plain averages are exact")
                self._average(name, module, x, _pair(module.kernel_size), _pair(module.stride))
            case nn.AdaptiveAvgPool2d(output_size=1 | (1, 1)):
                whole = (x.shape[-2], x.shape[-1])
                self._average(name, module, x, whole, whole)
            case nn.Flatten(start_dim=1, end_dim=-1):
                if self.scale is not None:
                    places = x[0].numel() // x.shape[1]
                    self.scale = self.scale.repeat_interleave(places)
                    self.shift = self.shift.repeat_interleave(places)
                (self.layers if self.open is None else self.waiting).append(nn.Flatten())
            case nn.Dropout() | nn.Dropout2d() | nn.Identity():
                pass
            case _:
                raise _refused(name, module, "it has no exact counterpart among first spikes")

    def finish(self, input_shape: tuple[int, int, int]) -> FirstSpikeNetwork:
        """The network of images of this shape, if the last layer can be its read-out."""
        if self.open is None or self.waiting:
            raise InvalidModel("the last layer must be linear, without a ReLU: it gives the logits")
        return FirstSpikeNetwork(self.layers, self.open, input_shape=input_shape)

    def _weighted(self, name: str, module: nn.Linear | nn.Conv2d, x: Tensor) -> None:
        if self.open is not None:
            raise _refused(name, module, "no ReLU stands between it and the layer before")
        sliding = None
        bias = module.weight.new_zeros(len(module.weight)) if module.bias is None else module.bias
        if isinstance(module, nn.Conv2d):
            if module.padding_mode != "zeros":
                raise _refused(name, module, "padding with anything but zeros is not a silence")
            sliding = Sliding(module.stride, module.padding, module.dilation, module.groups)
            bias = bias.view(-1, 1, 1)
        synapses = Synapses(module.weight, bias, sliding)
        if self.scale is not None:
            _through(synapses, self.scale, self.shift, x)
            self.scale = None
        self.open = synapses

    def _norm(self, name: str, module: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        scale, shift = _scale_and_shift(name, module)
        if self.open is None:
            before = 1.0 if self.scale is None else self.scale
            self.shift = shift if self.scale is None else scale * self.shift + shift
            self.scale = scale * before
            return
        if any(isinstance(layer, nn.Flatten) for layer in self.waiting):
            raise _refused(name, module, "put it before the flatten")
        weight, bias = self.open.weight, self.open.bias
        weight.mul_(scale.view(-1, *[1] * (weight.dim() - 1)))
        along = (-1, *[1] * (bias.dim() - 1))
        bias.data = bias * scale.view(along) + shift.view(along)
        for layer in self.waiting:
            if isinstance(layer, EarliestSpike):
                layer.latest = layer.latest ^ (scale < 0)

    def _relu(self, name: str) -> None:
        if self.open is not None:
            self.layers.append(SpikingLayer(self.open.weight, self.open.bias, self.open.sliding))
            self.layers += self.waiting
            self.open, self.waiting = None, []
        elif self.scale is not None:
            raise _refused(name, nn.ReLU(), "a weighted layer must stand before it")

    def _max_pool(self, name: str, module: nn.MaxPool2d, x: Tensor) -> None:
        if module.return_indices:
            raise _refused(name, module, "indices cannot be given on")
        latest = torch.zeros(x.shape[1], dtype=torch.bool, device=x.device)
        if self.scale is not None:
            latest = self.scale < 0
        (self.layers if self.open is None else self.waiting).append(EarliestSpike(module, latest))

    def _average(
        self, name: str, module: nn.Module, x: Tensor, kernel: _Pair, stride: _Pair
    ) -> None:
        if self.open is not None:
            raise _refused(name, module, "put it after the ReLU")
        channels = x.shape[1]
        weight = x.new_full((channels, 1, *kernel), 1.0 / (kernel[0] * kernel[1]))
        layer = SpikingLayer(weight, x.new_zeros(1), Sliding(stride, groups=channels))
        self.layers.append(layer.requires_grad_(False))


def _refused(name: str, module: nn.Module, why: str) -> InvalidModel:
    return InvalidModel(f"layer {name or '0'} ({type(module).__name__}) cannot be mapped: {why}")


def _pair(size: int | tuple[int, ...]) -> _Pair:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _scale_and_shift(name: str, module: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """What batch norm does in evaluation mode, per channel."""
    if module.running_mean is None or module.running_var is None:
        raise _refused(name, module, "without running statistics it depends on the batch")
    scale = (module.running_var + module.eps).rsqrt()
    if module.affine:
        scale = scale * module.weight
    shift = -module.running_mean * scale
    return scale, shift + module.bias if module.affine else shift


def _through(synapses: Synapses, scale: Tensor, shift: Tensor, x: Tensor) -> None:
    """Make ``synapses`` do to ``x`` what they would do to ``scale * x + shift``."""
    weight, sliding = synapses.weight, synapses.sliding
    if sliding is None:
        synapses.bias.data = synapses.bias + weight @ shift
        weight.mul_(scale)
        return
    shifted = sliding(shift.view(1, -1, 1, 1).expand_as(x), weight)[0]  # [K, H', W']
    if sliding.padding in ("valid", (0, 0)):
        shifted = shifted[:, :1, :1]
    synapses.bias.data = synapses.bias + shifted
    per_group = scale.view(sliding.groups, 1, -1).expand(-1, len(weight) // sliding.groups, -1)
    weight.mul_(per_group.reshape(len(weight), -1, 1, 1))
