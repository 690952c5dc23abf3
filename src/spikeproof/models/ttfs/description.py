"""Layers of first spikes in words, so that a network can be built again without its ReLU one.

They are told by kind and shapes; weights, windows and which spike passes are tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from spikeproof.errors import InvalidModel
from spikeproof.models.ttfs.layer import EarliestSpike, Sliding, SpikingLayer, Synapses


def told(layer: nn.Module) -> dict[str, Any]:
    """The JSON-ready description of a layer; raises :class:`InvalidModel` for one of others."""
    match layer:
        case Synapses():
            return {
                "layer": "spiking" if isinstance(layer, SpikingLayer) else "readout",
                "weight": list(layer.weight.shape),
                "bias": list(layer.bias.shape),
                "sliding": None if layer.sliding is None else _listed(asdict(layer.sliding)),
                "learns": layer.weight.requires_grad,
            }
        case EarliestSpike(pool=pool):
            sizes = {
                name: getattr(pool, name)
                for name in ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
            }
            return {"layer": "earliest", "channels": len(layer.latest), "pool": _listed(sizes)}
        case nn.Flatten():
            return {"layer": "flatten"}
        case _:
            raise InvalidModel(f"{type(layer).__name__} has no description")


def made(words: Mapping[str, Any]) -> nn.Module:
    """The layer that ``words`` describe, with weights of no meaning.

    Raises :class:`InvalidModel` for an unknown kind.
    """
    match words["layer"]:
        case "spiking":
            return _synapses(SpikingLayer, words)
        case "readout":
            return _synapses(Synapses, words)
        case "earliest":
            sizes = {name: _tupled(value) for name, value in words["pool"].items()}
            latest = torch.zeros(words["channels"], dtype=torch.bool)
            return EarliestSpike(nn.MaxPool2d(**sizes), latest)
        case "flatten":
            return nn.Flatten()
        case other:
            raise InvalidModel(f"has a layer {other!r}, which first spikes do not have")


def _synapses(kind: type[Synapses], words: Mapping[str, Any]) -> Synapses:
    sliding = words["sliding"]
    synapses = kind(
        torch.zeros(words["weight"]),
        torch.zeros(words["bias"]),
        None if sliding is None else Sliding(**{k: _tupled(v) for k, v in sliding.items()}),
    )
    return synapses.requires_grad_(words["learns"])


def _listed(sizes: Mapping[str, Any]) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in sizes.items()}


def _tupled(value: Any) -> Any:
    """Sizes as PyTorch has them; JSON knows lists only."""
    return tuple(value) if isinstance(value, list) else value
