"""Models: spiking networks and their non-spiking twins, built from one description."""

from spikeproof.models.balance import balanced
from spikeproof.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from spikeproof.models.coded import Coded, CodeSpec
from spikeproof.models.codes import (
    Bernoulli,
    Direct,
    Encoded,
    Latency,
    Poisson,
    SpikeTime,
)
from spikeproof.models.conversion import converted, logits_by_step
from spikeproof.models.folding import folded
from spikeproof.models.network import Network, build, twin
from spikeproof.models.neuron import LIF, NeuronSpec, ParametricLIF
from spikeproof.models.of_images import OfImages
from spikeproof.models.rules import HybridGradient, RateGradient
from spikeproof.models.serializable import SerializableNetwork
from spikeproof.models.surrogate import (
    SURROGATES,
    ArcTan,
    FastSigmoid,
    PiecewiseQuadratic,
    PotentialDependent,
    Rule,
    Surrogate,
    surrogate_from_dict,
    surrogate_name,
    surrogate_named,
    surrogate_to_dict,
)
from spikeproof.models.swap import takes, using_surrogate
from spikeproof.models.zoo import ZOO, zoo_line

__all__ = [
    "LIF",
    "SURROGATES",
    "ZOO",
    "ArcTan",
    "Bernoulli",
    "Checkpoint",
    "CodeSpec",
    "Coded",
    "Direct",
    "Encoded",
    "FastSigmoid",
    "HybridGradient",
    "Latency",
    "Network",
    "NeuronSpec",
    "OfImages",
    "ParametricLIF",
    "PiecewiseQuadratic",
    "Poisson",
    "PotentialDependent",
    "RateGradient",
    "Rule",
    "SerializableNetwork",
    "SpikeTime",
    "Surrogate",
    "balanced",
    "build",
    "converted",
    "folded",
    "load_checkpoint",
    "logits_by_step",
    "save_checkpoint",
    "surrogate_from_dict",
    "surrogate_name",
    "surrogate_named",
    "surrogate_to_dict",
    "takes",
    "twin",
    "using_surrogate",
    "zoo_line",
]
