r"""Weights made fit for spikes: every hidden unit is rescaled so that its activity stays below 1.

A ReLU can give any number, an integrate-and-fire neuron with threshold 1 at most one spike per
bin. With :math:`\lambda_c` the activity that channel :math:`c` of a layer seldom exceeds, its
weights and bias are divided by :math:`\lambda_c`, and weights from it multiplied by it (Diehl et
al., IJCNN 2015; a high percentile in place of the maximum: Rueckauer et al., Front. Neurosci. 2017;
one :math:`\lambda` per channel: Kim et al., AAAI 2020). A ReLU is homogeneous,
:math:`\mathrm{relu}(x / \lambda) = \mathrm{relu}(x) / \lambda`, so the logits stay as they were.
Under a constant input, neurons with a soft reset and no leak then fire at the rates of the ReLUs.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from spikeproof.errors import InvalidModel
from spikeproof.models.modules import Joined, Weighted
from spikeproof.models.network import Network
from spikeproof.types import Cells


def balanced(network: Network, cells: Cells, *, share: float = 0.999) -> Network:
    """A copy of the non-spiking ``network`` with the same logits and activities of about 1.

    ``cells`` ``[N, T, P, H, W]`` are typical inputs; ``share`` of a channel's activities on them
    will be at most 1. The spiking network is its ``twin``, with ``NeuronSpec("if", reset="soft")``.
    Raises :class:`InvalidModel` for a spiking network or an impossible share.
    """
    if network.description["spiking"]:
        raise InvalidModel("only a non-spiking network can be balanced; give its twin")
    other = copy.deepcopy(network).eval()
    found = peaks(other, cells, share)
    with torch.no_grad():
        rescale(other.layers, found, cells.new_ones(network.input_shape[0]))
    return other.train(network.training)


def peaks(network: Network, cells: Cells, share: float) -> dict[nn.Module, Tensor]:
    """What each channel ``[C]`` of each hidden layer seldom exceeds; 1 where it is never active.

    By the layers (:class:`Weighted`) of the non-spiking ``network``; ``share`` of the activities
    on ``cells`` are not above. Raises :class:`InvalidModel` for an impossible share.
    """
    if not 0.0 < share <= 1.0:
        raise InvalidModel(f"share must be above 0 and at most 1, not {share}")
    found: dict[nn.Module, Tensor] = {}

    def watch(layer: nn.Module, _: object, out: Tensor) -> None:
        series = out.movedim(2, 0).flatten(1)  # [C, N*T*...]
        place = max(1, math.ceil(share * series.shape[1]))
        peak = series.kthvalue(place, dim=1).values
        found[layer] = torch.where(peak > 0, peak, 1.0)

    hidden = [m for m in network.modules() if isinstance(m, Weighted) and _hidden(m)]
    hooks = [layer.register_forward_hook(watch) for layer in hidden]
    try:
        with torch.no_grad():
            network(cells)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def rescale(layers: Iterable[nn.Module], peaks: dict[nn.Module, Tensor], came: Tensor) -> Tensor:
    """Divide what ``layers`` give by ``peaks``, in place.

    From and to the factors ``[C]`` that activities were divided by.
    """
    for layer in layers:
        match layer:
            case Weighted():
                _multiply_inputs(layer, came)
                came = peaks.get(layer, came.new_ones(len(layer.weight.weight)))
                _divide_outputs(layer, came)
            case Joined():
                branches = layer.branches.children()
                came = torch.cat([rescale(b.children(), peaks, came) for b in branches])
    return came


def _multiply_inputs(layer: Weighted, by: Tensor) -> None:
    weight = layer.weight.weight
    each = by.repeat_interleave(weight.shape[1] // len(by))  # maps arrive flattened
    weight.mul_(each.view(1, -1, *[1] * (weight.dim() - 2)))


def _divide_outputs(layer: Weighted, by: Tensor) -> None:
    if layer.norm is not None:
        layer.norm.weight.div_(by)
        layer.norm.bias.div_(by)
        return
    layer.weight.weight.div_(by.view(-1, *[1] * (layer.weight.weight.dim() - 1)))
    if layer.weight.bias is not None:
        layer.weight.bias.div_(by)


def _hidden(layer: Weighted) -> bool:
    return not isinstance(layer.activation, nn.Identity)
