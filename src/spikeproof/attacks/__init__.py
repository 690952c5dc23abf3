"""Attacks: each says how much it wants every edit; threats decide what is possible."""

from spikeproof.attacks.adversarial_batch import AdversarialBatch
from spikeproof.attacks.apgd import APGD
from spikeproof.attacks.base import Attack
from spikeproof.attacks.dual_averaging import DualAveraging
from spikeproof.attacks.fgsm import FGSM
from spikeproof.attacks.finish import finished
from spikeproof.attacks.noise import RandomEdits
from spikeproof.attacks.patch import FitPatch, Sticker
from spikeproof.attacks.pgd import PGD
from spikeproof.attacks.smallest import Smallest
from spikeproof.attacks.sparse_flip import SparseFlip
from spikeproof.attacks.sparse_search import SparseSearch
from spikeproof.attacks.square import Square
from spikeproof.attacks.transfer import Transfer
from spikeproof.attacks.universal import FitUniversal, Pattern
from spikeproof.attacks.victim import Queries, Victim

__all__ = [
    "APGD",
    "FGSM",
    "PGD",
    "AdversarialBatch",
    "Attack",
    "DualAveraging",
    "FitPatch",
    "FitUniversal",
    "Pattern",
    "Queries",
    "RandomEdits",
    "Smallest",
    "SparseFlip",
    "SparseSearch",
    "Square",
    "Sticker",
    "Transfer",
    "Victim",
    "finished",
]
