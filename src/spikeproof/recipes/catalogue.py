"""All recipes by name, in the order in which `spikeproof reproduce --list` shows them."""

from __future__ import annotations

from spikeproof.recipes.base import Recipe
from spikeproof.recipes.conversion import CONVERSION
from spikeproof.recipes.null_class import NULL_CLASS

_ALL: tuple[Recipe, ...] = (
    CONVERSION,
    NULL_CLASS,
)

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
"""From the name of a recipe to the recipe."""
