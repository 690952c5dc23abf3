"""The pieces of the recipe on temporal penalties, in small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spikeproof.evaluate import proportion
from spikeproof.images import ImageData, load_images
from spikeproof.models.crossing import CrossingNetwork
from spikeproof.recipes import RECIPES, RecipeContext
from spikeproof.recipes import temporal_penalty as recipe
from spikeproof.training import TemporalPenalty

from .bright import Bright, flat

TINY = recipe.TemporalPenaltyEffort(
    epochs=2, batch=64, sweep=recipe.SWEEP[:2], held=30, attacked=20, strong=6, steps=5
)


@pytest.fixture(scope="module")
def digits():
    return load_images()


def test_settings_have_names():
    assert recipe.named(TemporalPenalty(0.0)) == "no penalty"
    assert recipe.named(TemporalPenalty(10.0, t_ref=0.8)) == "gamma 10, t_ref 0.8"
    assert len({recipe.named(s) for s in recipe.SWEEP}) == len(recipe.SWEEP)


def test_the_choice_is_the_sturdiest_among_those_that_are_right():
    held = flat(*[0.2] * 50, *[0.9] * 50)
    networks = {"fragile": Bright(0.88), "sturdy": Bright(0.5), "wrong": Bright(0.0)}
    assert recipe.chosen(networks, held, 0) == "sturdy"


def test_claims_say_what_they_are_compared_with(digits):
    large = replace(digits, name="mnist")
    best, relu = proportion(90, 100), proportion(50, 100)
    stands = {"FGSM": {"s": [best, relu, relu, relu, relu], recipe.ANN: [relu] * 5}}
    strong = {
        "s": [recipe.Strongest(0.1, best, best, relu, 3)],
        recipe.ANN: [recipe.Strongest(0.1, *[relu] * 3, 0)],
    }
    strong["no penalty"] = [recipe.Strongest(0.1, *[best] * 3, 0)]
    full = recipe._claims(RecipeContext(large), "s", {"s": best}, stands, strong)
    assert [claim.holds for claim in full] == [False, True, *[False] * 6]
    assert full[1].aim == "above 50.0 % [40.4, 59.6] of the ReLU network"
    assert full[-1].aim.endswith("of no penalty")
    assert not full[1].why
    assert full[2].why
    quick = recipe._claims(RecipeContext(large, quick=True), "s", {"s": best}, stands, strong)
    assert [claim.holds for claim in quick] == [None, True, *[None] * 6]  # it can only confirm
    small = recipe._claims(RecipeContext(digits), "s", {"s": best}, stands, strong)
    assert {claim.holds for claim in small} == {None}


def test_the_recipe_puts_them_together(digits, monkeypatch):
    monkeypatch.setattr(recipe, "QUICK", TINY)
    monkeypatch.setattr(recipe, "EPS", (0.1, 0.2))
    monkeypatch.setattr(recipe, "STRONG", (0.2,))
    few = ImageData("few", digits.learn.subset(np.arange(300)), digits.test, "")
    bench = RecipeContext(few, quick=True)
    found = RECIPES["temporal-penalty"].run(bench)
    sizes = [claim.ours.n for claim in found.claims]
    assert sizes[:5] == [400, *[20] * 4]
    assert set(sizes[5:]) == {6}
    assert [len(chart.series) for chart in found.charts] == [3, 3]
    sweep, doubt = found.tables
    assert [row[0] for row in sweep.rows] == [recipe.ANN, *map(recipe.named, TINY.sweep)]
    assert all(len(row) == len(sweep.columns) for row in sweep.rows)
    assert all(len(row) == len(doubt.columns) for row in doubt.rows)
    assert isinstance(found.models["best"], CrossingNetwork)
    assert sum("training" in part for part in bench.seconds) == 3
