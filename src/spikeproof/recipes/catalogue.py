"""All recipes by name, in the order in which `spikeproof reproduce --list` shows them."""

from __future__ import annotations

from spikeproof.recipes.base import Recipe
from spikeproof.recipes.temporal_penalty import TEMPORAL_PENALTY

_ALL: tuple[Recipe, ...] = (TEMPORAL_PENALTY,)

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
"""From the name of a recipe to the recipe."""
