"""Networks whose neurons spike once, where their membrane first crosses the threshold."""

from spikeproof.models.crossing.network import CrossingNetwork, Crossings, crossing_network
from spikeproof.models.crossing.times import crossing_times

__all__ = ["CrossingNetwork", "Crossings", "crossing_network", "crossing_times"]
