"""Recipes: each trains and measures one published system, and sets its figures beside ours."""

from spikeproof.recipes.base import Found, Recipe, RecipeContext
from spikeproof.recipes.catalogue import RECIPES
from spikeproof.recipes.operations import OPERATIONS, OPERATIONS_NOTE, answers, operations_row
from spikeproof.recipes.record import keep, recorded

__all__ = [
    "OPERATIONS",
    "OPERATIONS_NOTE",
    "RECIPES",
    "Found",
    "Recipe",
    "RecipeContext",
    "answers",
    "keep",
    "operations_row",
    "recorded",
]
