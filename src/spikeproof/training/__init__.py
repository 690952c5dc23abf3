"""Training of spiking networks on binned recordings."""

from spikeproof.training.augment import Augment
from spikeproof.training.bptt import Perturb, Progress, Recipe, fit
from spikeproof.training.temporal_penalty import TemporalPenalty

__all__ = ["Augment", "Perturb", "Progress", "Recipe", "TemporalPenalty", "fit"]
