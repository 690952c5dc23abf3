"""Networks that compute with the time of each neuron's only spike, exactly as a ReLU network."""

from spikeproof.models.ttfs.layer import EarliestSpike, SpikingLayer, Synapses
from spikeproof.models.ttfs.mapping import choose_windows, from_relu
from spikeproof.models.ttfs.network import FirstSpikeNetwork, Trace
from spikeproof.models.ttfs.noise import EXACT, Hardware

__all__ = [
    "EXACT",
    "EarliestSpike",
    "FirstSpikeNetwork",
    "Hardware",
    "SpikingLayer",
    "Synapses",
    "Trace",
    "choose_windows",
    "from_relu",
]
