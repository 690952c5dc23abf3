"""Networks of neurons that integrate, fire at most once and learn from the times of spikes."""

from spikeproof.models.once.layer import (
    EarliestSpikePool,
    Neuron,
    SamePadding,
    SpikeOnce,
    spike_once,
)
from spikeproof.models.once.network import SpikeOnceNetwork, spike_once_network

__all__ = [
    "EarliestSpikePool",
    "Neuron",
    "SamePadding",
    "SpikeOnce",
    "SpikeOnceNetwork",
    "spike_once",
    "spike_once_network",
]
