"""Adapters: models as their owners wrote them, seen as pure functions of binned recordings."""

from spikeproof.adapters.adapt import FRAMEWORKS, adapt
from spikeproof.adapters.adapted import Adapted, Framework, Layout
from spikeproof.adapters.check import Check
from spikeproof.adapters.eot import ExpectationOverTransformation
from spikeproof.adapters.examine import examine, require
from spikeproof.adapters.nir import load_nir, save_nir, to_nir
from spikeproof.adapters.probes import has_gradient
from spikeproof.adapters.source import load_source
from spikeproof.adapters.twin import NoTwin, Twin, fast_twin

__all__ = [
    "FRAMEWORKS",
    "Adapted",
    "Check",
    "ExpectationOverTransformation",
    "Framework",
    "Layout",
    "NoTwin",
    "Twin",
    "adapt",
    "examine",
    "fast_twin",
    "has_gradient",
    "load_nir",
    "load_source",
    "require",
    "save_nir",
    "to_nir",
]
