r"""From a stack of Boltzmann machines to a classifier: weights put in place, labels on top.

The label layer learns by the delta rule (Widrow & Hoff, 1960) with softmax outputs, what lies below
stays as it is:

.. math:: \Delta U_{ci} = \rho \, f_i \, ([c = \text{label}] - \text{softmax}(U f + d)_c) .

So all of a spiking belief network is learned locally, without back-propagation. Where that is
wanted, :func:`~spikeproof.training.bptt.fit` goes on from here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from spikeproof.errors import InvalidModel
from spikeproof.models.belief import BeliefNetwork, SpikingBelief
from spikeproof.training.rbm import RBM
from spikeproof.types import Cells, Labels

_CHUNK = 1000  # images whose features are computed at once


def set_stack(network: BeliefNetwork | SpikingBelief, stack: Sequence[RBM]) -> None:
    """Give the hidden layers the machines' weights and hidden biases.

    Raises :class:`InvalidModel` for a stack of another shape.
    """
    layers = [layer for layer in network.hidden if isinstance(layer, nn.Linear)]
    wanted = [[*layer.weight.shape] for layer in layers]
    given = [[*rbm.weight.shape] for rbm in stack]
    if wanted != given:
        raise InvalidModel(f"the hidden layers are {wanted}, and the machines {given}")
    with torch.no_grad():
        for layer, rbm in zip(layers, stack, strict=True):
            layer.weight.copy_(rbm.weight)
            layer.bias.copy_(rbm.hidden)


def set_label_layer(
    network: BeliefNetwork | SpikingBelief,
    cells: Cells,
    labels: Labels,
    *,
    epochs: int = 40,
    batch: int = 50,
    rate: float = 0.5,
    seed: int = 0,
) -> None:
    """Teach the top layer with images ``[N, 1, C, H, W]``; ``rate`` falls to a tenth.

    A spiking network's layer learns from the rates that its neurons tend to.
    """
    top = network.rates if isinstance(network, SpikingBelief) else network.features
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        features = torch.cat([top(part) for part in torch.split(cells, _CHUNK)])
        wanted = F.one_hot(labels, network.n_classes).to(features)
        weight, bias = network.top.weight.zero_(), network.top.bias.zero_()
        for epoch in range(epochs):
            step = rate * 0.1 ** (epoch / epochs)
            for chosen in torch.split(torch.randperm(len(labels), generator=rng), batch):
                f = features[chosen]
                error = wanted[chosen] - F.linear(f, weight, bias).softmax(1)
                weight += step / len(f) * error.T @ f
                bias += step * error.mean(0)
    network.eval()
