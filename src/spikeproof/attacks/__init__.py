"""Attacks: each says how much it wants every edit; threats decide what is possible."""

from spikeproof.attacks.adversarial_batch import AdversarialBatch
from spikeproof.attacks.base import Attack
from spikeproof.attacks.confirm import confirmed
from spikeproof.attacks.events.sparse_flip import SparseFlip
from spikeproof.attacks.intensities.apgd import APGD
from spikeproof.attacks.intensities.dual_averaging import DualAveraging
from spikeproof.attacks.intensities.fgsm import FGSM
from spikeproof.attacks.intensities.minimum_norm import MinimumNorm
from spikeproof.attacks.intensities.pgd import PGD
from spikeproof.attacks.intensities.sparse_rs import SparseRS
from spikeproof.attacks.intensities.square import Square
from spikeproof.attacks.learned.patch import FitPatch, LearnedPatch
from spikeproof.attacks.learned.universal import FitUniversal, UniversalPattern
from spikeproof.attacks.queries.transfer import Transfer
from spikeproof.attacks.random_edits import RandomEdits
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
    "LearnedPatch",
    "MinimumNorm",
    "Queries",
    "RandomEdits",
    "SparseFlip",
    "SparseRS",
    "Square",
    "Transfer",
    "UniversalPattern",
    "Victim",
    "confirmed",
]
