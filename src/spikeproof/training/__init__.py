"""Training of spiking networks on binned recordings."""

from spikeproof.training.augment import Augment
from spikeproof.training.bptt import Perturb, Progress, Recipe, fit
from spikeproof.training.local_rules import LocalRules, learn_locally

__all__ = [
    "Augment",
    "LocalRules",
    "Perturb",
    "Progress",
    "Recipe",
    "fit",
    "learn_locally",
]
