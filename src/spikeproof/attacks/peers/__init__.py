"""Attacks of the literature, as attacks of ours: what our own are compared with."""

from spikeproof.attacks.peers.rate import RateAttack
from spikeproof.attacks.peers.scg import SpikeCompatible
from spikeproof.attacks.peers.sda import SparseDynamic
from spikeproof.attacks.peers.spikefool import SpikeFool

__all__ = ["RateAttack", "SparseDynamic", "SpikeCompatible", "SpikeFool"]
