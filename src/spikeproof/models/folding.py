r"""Batch norm taken up by the weights before it.

In evaluation mode batch norm is a scale and a shift per channel,
:math:`y = s\,(W x + b) + t` with :math:`s = \gamma / \sqrt{\sigma^2 + \epsilon}` and
:math:`t = \beta - s\,\mu`, hence a layer with weights :math:`s W` and bias :math:`s b + t`
(Rueckauer et al., Front. Neurosci. 11:682, 2017, section 2.2.1). What is left has no norms, as
hardware wants it.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from spikeproof.models.modules import Weighted
from spikeproof.models.network import Network, build
from spikeproof.models.neuron import NeuronSpec
from spikeproof.models.topology import parse
from spikeproof.models.topology.terms import Branches, Chain, Conv, Dense, Let, Term


def folded(network: Network) -> Network:
    """A network without batch norm that gives the logits of ``network`` in evaluation mode."""
    d = network.description
    polarities, height, width = d["input"]
    other = build(
        str(_without_norm(parse(d["architecture"]))),
        height=height,
        width=width,
        polarities=polarities,
        spiking=d["spiking"],
        neuron=NeuronSpec.from_dict(d["neuron"]),
    )
    first = next(network.parameters())
    other = other.to(first.device, first.dtype)
    with torch.no_grad():
        for old, new in zip(_weighted(network), _weighted(other), strict=True):
            _fold(old, new)
    return other.eval()


def _weighted(network: Network) -> list[Weighted]:
    return [m for m in network.modules() if isinstance(m, Weighted)]


def _fold(old: Weighted, new: Weighted) -> None:
    weight, bias = old.weight.weight, old.weight.bias
    if old.norm is not None:
        scale, shift = old.norm.scale_and_shift()
        weight = weight * scale.view(-1, *[1] * (weight.dim() - 1))
        bias = shift if bias is None else bias * scale + shift
    new.weight.weight.copy_(weight)
    assert bias is not None
    assert new.weight.bias is not None  # only a layer with norm is without
    new.weight.bias.copy_(bias)
    new.activation.load_state_dict(old.activation.state_dict())


def _without_norm(term: Term) -> Term:
    match term:
        case Dense() | Conv():
            return replace(term, norm=False)
        case Chain() | Branches():
            return replace(term, parts=tuple(_without_norm(part) for part in term.parts))
        case Let():
            return replace(term, value=_without_norm(term.value), body=_without_norm(term.body))
    return term
