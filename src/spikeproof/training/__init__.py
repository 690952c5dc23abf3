"""Training of spiking networks on binned recordings."""

from spikeproof.training.augment import Augment
from spikeproof.training.bptt import (
    Perturb,
    Progress,
    Recipe,
    fit,
)
from spikeproof.training.null_class import with_null
from spikeproof.training.sparse import Sparse
from spikeproof.training.temporal_penalty import TemporalPenalty

__all__ = [
    "Augment",
    "Perturb",
    "Progress",
    "Recipe",
    "Sparse",
    "TemporalPenalty",
    "fit",
    "with_null",
]
