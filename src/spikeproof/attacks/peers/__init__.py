"""Peers: the attacks of other papers, under our threats and judged like ours."""

from spikeproof.attacks.peers.corner import CornerAttack
from spikeproof.attacks.peers.dash import DashAttack
from spikeproof.attacks.peers.frame import FrameAttack
from spikeproof.attacks.peers.gumbel import GumbelSoftmax
from spikeproof.attacks.peers.rate import RateAttack
from spikeproof.attacks.peers.retiming import SpikeRetiming
from spikeproof.attacks.peers.scg import SpikeCompatible
from spikeproof.attacks.peers.sda import SparseDynamic
from spikeproof.attacks.peers.sparse import SparseAttack
from spikeproof.attacks.peers.spikefool import SpikeFool

__all__ = [
    "CornerAttack",
    "DashAttack",
    "FrameAttack",
    "GumbelSoftmax",
    "RateAttack",
    "SparseAttack",
    "SparseDynamic",
    "SpikeCompatible",
    "SpikeFool",
    "SpikeRetiming",
]
