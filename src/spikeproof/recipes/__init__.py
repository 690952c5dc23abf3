"""Recipes: each trains and measures one published system, and sets its figures beside ours."""

from spikeproof.recipes.base import Bench, Found, Recipe
from spikeproof.recipes.catalogue import RECIPES
from spikeproof.recipes.operations import OPERATIONS, OPERATIONS_NOTE, answers, operations_row
from spikeproof.recipes.record import keep, recorded

__all__ = [
    "OPERATIONS",
    "OPERATIONS_NOTE",
    "RECIPES",
    "Bench",
    "Found",
    "Recipe",
    "answers",
    "keep",
    "operations_row",
    "recorded",
]
