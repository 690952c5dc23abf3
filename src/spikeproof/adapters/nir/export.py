r"""Our own networks as NIR graphs, for other frameworks and for chips.

A neuron with decay :math:`\lambda` and a gain of 1 is NIR's LIF with
:math:`\tau = dt / (1 - \lambda)` and :math:`R = \tau / dt`, one without decay its IF with
:math:`R = 1 / dt`; batch norms are folded into weights, dropout is left out. What NIR cannot say
is refused: a soft reset, max pooling, branches, ReLUs. Our neurons spike at
:math:`v \ge v_{threshold}`, NIR says :math:`v > v_{threshold}`: frameworks differ there, and it
matters only to potentials that hit the threshold exactly.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spikeproof.errors import InvalidModel
from spikeproof.models.modules import Joined, Weighted
from spikeproof.models.network import Network
from spikeproof.models.neuron import LIF, ParametricLIF

_DT = 1e-4  # what most readers of NIR take for a time step


def save_nir(path: str | Path, network: Network) -> None:
    """Write ``network`` to a ``.nir`` file; raises :class:`InvalidModel` as :func:`to_nir`."""
    graph = to_nir(network)
    try:
        _nir().write(str(path), graph)
    except OSError as error:
        raise InvalidModel(f"{path}: cannot be written ({error}); choose another place") from error


def to_nir(network: Network) -> Any:
    """The ``nir.NIRGraph`` of ``network`` in evaluation mode, with a time step of 0.1 ms.

    Raises :class:`InvalidModel` for what NIR has no node for, and if nir is not installed.
    """
    nir = _nir()
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            nodes = _nodes(network, nir)
    finally:
        network.train(was_training)
    names = list(nodes)
    edges = [(names[i], names[i + 1]) for i in range(len(names) - 1)]
    return nir.NIRGraph(nodes, edges, metadata={"exporter": "spikeproof"})


def _nir() -> Any:
    try:
        return import_module("nir")
    except ImportError:
        raise InvalidModel(
            'writing NIR graphs needs the nir package; pip install "spikeproof[nir]"'
        ) from None


def _nodes(network: Network, nir: Any) -> dict[str, Any]:
    device = next(network.parameters()).device
    x = torch.zeros(1, 1, *network.input_shape, device=device)  # one bin, as each layer sees it
    nodes = {"input": nir.Input(_shape(x))}
    for place, layer in enumerate(network.layers):
        if isinstance(layer, Weighted):
            if isinstance(layer.weight, nn.Linear) and x.dim() == 5:
                nodes[f"{place}_flatten"] = nir.Flatten(_shape(x), start_dim=0, end_dim=-1)
                x = x.flatten(2)
            nodes[f"{place}_weight"] = _weight(layer, x, nir)
            x = layer(x)
            if not isinstance(layer.activation, nn.Identity):
                nodes[f"{place}_neuron"] = _neuron(layer.activation, x, nir)
        elif isinstance(layer, Joined):
            raise InvalidModel(
                f"layer {place} joins branches, which NIR has no node for; export a network without"
            )
        elif isinstance(size := getattr(layer, "size", None), int):  # pooling, not dropout
            if layer.maximum:
                raise InvalidModel(
                    f"layer {place} is max pooling, which NIR lacks; train with p2, not mp2"
                )
            window = np.array([size, size])
            nodes[f"{place}_pool"] = nir.AvgPool2d(window, window, np.array([0, 0]))
            x = layer(x)
    nodes["output"] = nir.Output(_shape(x))
    return nodes


def _weight(layer: Weighted, x: Tensor, nir: Any) -> Any:
    weight, bias = layer.weight.weight, layer.weight.bias
    if bias is None:
        bias = weight.new_zeros(len(weight))
    if layer.norm is not None:
        scale, shift = layer.norm.scale_and_shift()
        weight = weight * scale.view(-1, *[1] * (weight.dim() - 1))
        bias = bias * scale + shift
    if isinstance(layer.weight, nn.Linear):
        return nir.Affine(_array(weight), _array(bias))
    conv = layer.weight
    return nir.Conv2d(
        input_shape=(x.shape[3], x.shape[4]),
        weight=_array(weight),
        stride=conv.stride,
        padding=conv.padding,
        dilation=conv.dilation,
        groups=conv.groups,
        bias=_array(bias),
    )


def _neuron(neuron: nn.Module, x: Tensor, nir: Any) -> Any:
    if not isinstance(neuron, LIF | ParametricLIF):
        raise InvalidModel(f"NIR has no {type(neuron).__name__}; export the spiking network")
    if neuron.spec.reset != "hard":
        raise InvalidModel("NIR has no soft reset; train with a hard reset to export the network")
    decay = neuron.decay if isinstance(neuron, LIF) else float(neuron.leak.sigmoid())
    each = np.ones(tuple(x.shape[2:]))
    threshold = each * neuron.spec.threshold
    if decay == 1.0:
        return nir.IF(r=each / _DT, v_threshold=threshold, v_reset=0 * each)
    tau = _DT / (1.0 - decay)
    return nir.LIF(
        tau=tau * each,
        r=tau / _DT * each,
        v_leak=0 * each,
        v_threshold=threshold,
        v_reset=0 * each,
    )


def _shape(x: Tensor) -> Any:
    return np.array(x.shape[2:])


def _array(values: Tensor) -> Any:
    return values.detach().cpu().contiguous().numpy()
