"""Networks of first spikes that race and are learned by local rules."""

from spikeproof.models.latency.network import LatencyNetwork

__all__ = ["LatencyNetwork"]
