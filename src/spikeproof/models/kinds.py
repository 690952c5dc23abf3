"""The kinds of networks that a checkpoint can hold, each built again from its description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from spikeproof.errors import InvalidModel
from spikeproof.models.coded import Coded, CodeSpec
from spikeproof.models.described import Described
from spikeproof.models.network import build
from spikeproof.models.neuron import NeuronSpec


def rebuilt(description: Mapping[str, Any]) -> Described:
    """A network as ``description`` says, with weights of no meaning.

    Raises :class:`InvalidModel` for an unknown kind, and whatever comes of a damaged description.
    """
    kind = description.get("kind", "network")
    if kind not in KINDS:
        raise InvalidModel(
            f"is a network of kind {kind!r}, and this version knows {', '.join(KINDS)}; load it"
            " with the spikeproof that wrote it"
        )
    return KINDS[kind](description)


def _network(described: Mapping[str, Any]) -> Described:
    polarities, height, width = described["input"]
    return build(
        described["architecture"],
        height=height,
        width=width,
        polarities=polarities,
        spiking=described["spiking"],
        neuron=NeuronSpec.from_dict(described["neuron"]),
    )


def _encoded(described: Mapping[str, Any]) -> Described:
    return Coded(CodeSpec.from_dict(described["code"]), rebuilt(described["network"]))


KINDS: dict[str, Callable[[Mapping[str, Any]], Described]] = {
    "network": _network,
    "encoded": _encoded,
}
"""From the ``kind`` in a description to what builds it."""
