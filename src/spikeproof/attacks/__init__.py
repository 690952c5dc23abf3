"""Attacks: each says how much it wants every edit; threats decide what is possible."""

from spikeproof.attacks.base import Attack
from spikeproof.attacks.finish import finished
from spikeproof.attacks.noise import RandomEdits
from spikeproof.attacks.patch import FitPatch, Sticker
from spikeproof.attacks.sparse_flip import SparseFlip
from spikeproof.attacks.transfer import Transfer
from spikeproof.attacks.universal import FitUniversal, Pattern
from spikeproof.attacks.victim import Queries, Victim

__all__ = [
    "Attack",
    "FitPatch",
    "FitUniversal",
    "Pattern",
    "Queries",
    "RandomEdits",
    "SparseFlip",
    "Sticker",
    "Transfer",
    "Victim",
    "finished",
]
