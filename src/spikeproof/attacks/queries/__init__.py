"""Attacks without gradients, counted in queries: forward passes of the victim."""

from spikeproof.attacks.queries.decision import Decision
from spikeproof.attacks.queries.evolution import Evolution
from spikeproof.attacks.queries.greedy import Greedy
from spikeproof.attacks.queries.polish import Polish

__all__ = ["Decision", "Evolution", "Greedy", "Polish"]
