r"""A spiking network that computes with rates, from a trained network without spikes.

Batch norm is folded into the weights (:mod:`~spikeproof.models.folding`), every ReLU becomes
integrate-and-fire neurons with a soft reset (:mod:`~spikeproof.models.rate`), and what a rate can
express is fitted to what the ReLUs give on typical images. With :math:`\lambda_c` the activity that
channel :math:`c` seldom exceeds, either

* ``weights``: weights and biases are divided by :math:`\lambda_c`, those behind multiplied by it,
  and all thresholds are 1 (Diehl et al., IJCNN 2015; Rueckauer et al., Front. Neurosci. 11:682,
  2017), or
* ``threshold``: the threshold of the channel is :math:`\lambda_c`, and weights stay (thresholds
  set from the network's own activities: Diehl et al., 2015; Sengupta et al., Front. Neurosci.
  13:95, 2019; spikes that weigh their threshold: Deng & Gu, ICLR 2021).

Both are one network in two units of measurement, and spike alike. The read-out does not spike:
its logits are the mean of its input over time. As nothing looks ahead, the mean over the first
:math:`t` steps is the answer of the same network after :math:`t` steps, so one run gives the whole
curve of accuracy over time (:func:`logits_by_step`).
"""

from __future__ import annotations

import copy
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from spikeproof.errors import InvalidModel
from spikeproof.models.balance import balanced, peaks, rescale
from spikeproof.models.coded import Coded, CodeSpec
from spikeproof.models.folding import folded
from spikeproof.models.modules import Weighted
from spikeproof.models.network import Network
from spikeproof.models.neuron import NeuronSpec
from spikeproof.models.rate import RateNeurons, Start, rate_network
from spikeproof.models.rules import RateGradient
from spikeproof.models.surrogate import Surrogate
from spikeproof.types import Cells

Balance: TypeAlias = Literal["weights", "threshold"]
Code: TypeAlias = Literal["direct", "bernoulli", "poisson"]

_CHUNK = 4  # images whose steps are held at once


def converted(
    network: Network,
    images: Cells,
    *,
    steps: int,
    balance: Balance = "weights",
    share: float = 0.999,
    code: Code = "direct",
    start: Start = 0.5,
    surrogate: Surrogate | None = None,
) -> Coded:
    """A rate-coded spiking network with about the logits of the non-spiking ``network``.

    ``images`` ``[N, 1, C, H, W]`` are typical inputs, on which ``share`` of a channel's activities
    will fit into a rate. Each image is shown for ``steps`` time steps, as a constant current
    (``direct``), by a spike with probability x in each step (``bernoulli``, which most call
    Poisson), or by a true Poisson process, which saturates. Membranes start at ``start``
    thresholds, or each at its own (``spread``), which needs fewer steps where layers are many. The
    gradient passes neurons as rates do, unless another ``surrogate`` is given.
    Raises :class:`InvalidModel` for a spiking network or impossible settings.
    """
    if network.description["spiking"]:
        raise InvalidModel("only a non-spiking network can be converted; give its twin")
    if balance not in ("weights", "threshold"):
        raise InvalidModel(f"unknown balance {balance!r}; choose weights or threshold")
    if code not in ("direct", "bernoulli", "poisson"):
        raise InvalidModel(f"rates come from direct, bernoulli or poisson, not {code!r}")
    fitted = folded(network)
    if balance == "weights":
        fitted = balanced(fitted, images, share=share)
    neuron = NeuronSpec("if", reset="soft", surrogate=surrogate or RateGradient())
    spiking = rate_network(
        {
            "kind": "rate",
            "architecture": fitted.description["architecture"],
            "input": fitted.description["input"],
            "neuron": neuron.to_dict(),
            "start": start,
            "balance": balance,
        }
    )
    first = next(fitted.parameters())
    spiking = spiking.to(first.device, first.dtype)
    spiking.load_state_dict(fitted.state_dict(), strict=False)  # thresholds stay 1
    if balance == "threshold":
        _set_thresholds(spiking, fitted, images, share)
    return Coded(CodeSpec(code, steps), spiking.eval())


def logits_by_step(model: Coded, x: Cells) -> Tensor:
    """Logits ``[N, T, K]`` that ``model`` would give after each of its time steps, in one run.

    A few images are held at a time. Raises :class:`InvalidModel` for a network that is read out
    otherwise than by the mean over time.
    """
    if not isinstance(model.network, Network):
        raise InvalidModel("only a network that is read out by its mean over time has such a curve")
    found = []
    with torch.no_grad():
        for part in torch.split(x, _CHUNK):
            sums = model.network.over_time(model.encoder(part)).cumsum(1)
            counts = torch.arange(1, sums.shape[1] + 1, device=sums.device)
            found.append(sums / counts.view(-1, 1))
    return torch.cat(found)


def in_unit_spikes(network: Network) -> Network:
    """The ``network`` with thresholds of 1: what a spike weighs is in the weights behind it.

    Both spike alike, up to rounding; one without thresholds of its own is given back as it is.
    """
    other = copy.deepcopy(network)
    found: dict[nn.Module, Tensor] = {}
    for layer in _weighted(other):
        neurons = layer.activation
        if isinstance(neurons, RateNeurons) and neurons.threshold is not None:
            found[layer] = neurons.threshold
            neurons.threshold = torch.ones_like(neurons.threshold)
    if not found:
        return network
    with torch.no_grad():
        rescale(other.layers, found, next(iter(found.values())).new_ones(network.input_shape[0]))
    return other


def _set_thresholds(spiking: Network, relu: Network, images: Cells, share: float) -> None:
    found = peaks(relu, images, share)
    for new, old in zip(_weighted(spiking), _weighted(relu), strict=True):
        neurons = new.activation
        if isinstance(neurons, RateNeurons) and neurons.threshold is not None:
            neurons.threshold.copy_(found[old])


def _weighted(network: Network) -> list[Weighted]:
    return [m for m in network.modules() if isinstance(m, Weighted)]
