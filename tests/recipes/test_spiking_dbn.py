"""The pieces of the recipe on a few digits."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from spikeproof.images import load_images
from spikeproof.models.belief import BeliefNetwork, SpikingBelief
from spikeproof.recipes import RECIPES, RecipeContext
from spikeproof.recipes import spiking_dbn as recipe
from spikeproof.training import ContrastiveDivergence

TINY = replace(
    recipe.QUICK,
    sizes=(30, 20),
    machines=ContrastiveDivergence(epochs=10, batch=10, rate=0.3),
    epochs=2,
    steps=8,
    learn=500,
    tested=60,
    attacked=8,
    queries=6,
)


@pytest.fixture(scope="module")
def found():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "QUICK", TINY)
        return RECIPES["spiking-dbn"].run(RecipeContext(load_images(), quick=True))


def test_it_claims_nothing_of_the_digits(found):
    assert len(found.claims) == 5
    assert all(claim.holds is None for claim in found.claims)
    assert [len(table.rows) for table in found.tables] == [2, *[len(recipe.EPS)] * 2]
    assert [len(chart.series) for chart in found.charts] == [1, 4]


def test_both_networks_have_the_same_size_and_only_one_was_trained_on(found):
    spiking, deep = found.models["spiking-dbn"], found.models["dnn"]
    assert isinstance(spiking, SpikingBelief)
    assert isinstance(deep, BeliefNetwork)
    assert spiking.n_parameters == deep.n_parameters
    assert not torch.equal(spiking.hidden[0].weight, deep.hidden[0].weight)


def test_psnr_by_hand():
    clean = torch.zeros(2, 1, 1, 2, 2)
    assert recipe.psnr(clean, clean + 0.1) == pytest.approx(20)
    assert math.isclose(recipe.psnr(clean, clean), 120)
