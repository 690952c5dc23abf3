"""Recipes: each trains and measures one published system, and sets its figures beside ours."""

from spikeproof.recipes.base import Bench, Found, Recipe
from spikeproof.recipes.catalogue import RECIPES
from spikeproof.recipes.record import keep, recorded

__all__ = ["RECIPES", "Bench", "Found", "Recipe", "keep", "recorded"]
