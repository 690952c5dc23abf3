"""Peers: the attacks of other papers, under our threats and judged like ours."""

from spikeproof.attacks.peers.corner import Corner
from spikeproof.attacks.peers.dash import Dash
from spikeproof.attacks.peers.frame import Frame
from spikeproof.attacks.peers.gumbel import GumbelSoftmax
from spikeproof.attacks.peers.retiming import SpikeRetiming
from spikeproof.attacks.peers.sparse import Sparse

__all__ = ["Corner", "Dash", "Frame", "GumbelSoftmax", "Sparse", "SpikeRetiming"]
