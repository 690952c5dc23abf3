"""All recipes by name, in the order in which `spikeproof reproduce --list` shows them."""

from __future__ import annotations

from spikeproof.recipes import latency_local, spiking_dbn
from spikeproof.recipes.base import Recipe

_ALL: tuple[Recipe, ...] = (latency_local.RECIPE, spiking_dbn.RECIPE)

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
"""From the name of a recipe to the recipe."""
