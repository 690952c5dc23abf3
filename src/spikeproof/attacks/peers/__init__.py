"""Attacks of the literature, as attacks of ours: what our own are compared with."""

from spikeproof.attacks.peers.sda import SparseDynamic

__all__ = ["SparseDynamic"]
