"""All recipes by name, in the order in which `spikeproof reproduce --list` shows them."""

from __future__ import annotations

from spikeproof.recipes.base import Recipe
from spikeproof.recipes.conversion import CONVERSION
from spikeproof.recipes.first_spikes import FIRST_SPIKES
from spikeproof.recipes.latency_local import LATENCY_LOCAL
from spikeproof.recipes.null_class import NULL_CLASS
from spikeproof.recipes.spiking_dbn import SPIKING_DBN
from spikeproof.recipes.sstdp import SSTDP_RECIPE
from spikeproof.recipes.temporal_penalty import TEMPORAL_PENALTY
from spikeproof.recipes.topology import TOPOLOGY

_ALL: tuple[Recipe, ...] = (
    TOPOLOGY,
    FIRST_SPIKES,
    TEMPORAL_PENALTY,
    SSTDP_RECIPE,
    CONVERSION,
    LATENCY_LOCAL,
    NULL_CLASS,
    SPIKING_DBN,
)

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
"""From the name of a recipe to the recipe."""
