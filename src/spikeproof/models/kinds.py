"""The kinds of networks that a checkpoint can hold, each built again from its description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from spikeproof.errors import InvalidModel
from spikeproof.models.belief import belief, spiking_belief
from spikeproof.models.coded import Coded, CodeSpec
from spikeproof.models.crossing.network import crossing_network
from spikeproof.models.latency import network as latency
from spikeproof.models.network import build
from spikeproof.models.neuron import NeuronSpec
from spikeproof.models.of_images import OfImages
from spikeproof.models.once import network as once
from spikeproof.models.rate import rate_network
from spikeproof.models.serializable import SerializableNetwork
from spikeproof.models.ttfs.network import FirstSpikeNetwork


def rebuilt(description: Mapping[str, Any]) -> SerializableNetwork:
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


def _network(described: Mapping[str, Any]) -> SerializableNetwork:
    polarities, height, width = described["input"]
    return build(
        described["architecture"],
        height=height,
        width=width,
        polarities=polarities,
        spiking=described["spiking"],
        neuron=NeuronSpec.from_dict(described["neuron"]),
    )


def _of_images(described: Mapping[str, Any]) -> SerializableNetwork:
    channels, height, width = described["image"]
    return OfImages(
        rebuilt(described["network"]),
        image=(channels, height, width),
        crop=described["crop"],
        steps=described["steps"],
    )


def _encoded(described: Mapping[str, Any]) -> SerializableNetwork:
    return Coded(CodeSpec.from_dict(described["code"]), rebuilt(described["network"]))


KINDS: dict[str, Callable[[Mapping[str, Any]], SerializableNetwork]] = {
    "network": _network,
    "of-images": _of_images,
    "first-spikes": FirstSpikeNetwork.from_description,
    "encoded": _encoded,
    "rate": rate_network,
    "first-crossing": crossing_network,
    "latency": latency.from_description,
    "belief": belief,
    "spiking-belief": spiking_belief,
    "spike-once": once.described,
}
"""From the ``kind`` in a description to what builds it."""
