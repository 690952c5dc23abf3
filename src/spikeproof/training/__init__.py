"""Training of spiking networks on binned recordings."""

from spikeproof.training.augment import Augment
from spikeproof.training.belief import set_label_layer, set_stack
from spikeproof.training.bptt import (
    EpochProgress,
    Perturb,
    TrainingConfig,
    fit,
)
from spikeproof.training.local_rules import LocalRules, learn_locally
from spikeproof.training.null_class import with_null
from spikeproof.training.rbm import (
    RBM,
    ContrastiveDivergence,
    fit_rbm,
    fit_stack,
)
from spikeproof.training.sparse import SparsityPenalty
from spikeproof.training.temporal_penalty import TemporalPenalty

__all__ = [
    "RBM",
    "Augment",
    "ContrastiveDivergence",
    "EpochProgress",
    "LocalRules",
    "Perturb",
    "SparsityPenalty",
    "TemporalPenalty",
    "TrainingConfig",
    "fit",
    "fit_rbm",
    "fit_stack",
    "learn_locally",
    "set_label_layer",
    "set_stack",
    "with_null",
]
