"""What inference costs: spikes, synaptic operations, latency and an estimate of the energy."""

from spikeproof.evaluate.operations.costs import COSTS, FLOAT32, Costs
from spikeproof.evaluate.operations.measure import activity
from spikeproof.evaluate.operations.record import recorded

__all__ = ["COSTS", "FLOAT32", "Costs", "activity", "recorded"]
