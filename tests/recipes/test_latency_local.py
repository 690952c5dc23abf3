"""The pieces of the recipe on a few digits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from spikeproof.images import load_images
from spikeproof.models.latency import LatencyNetwork
from spikeproof.recipes import RECIPES, RecipeContext
from spikeproof.recipes import latency_local as recipe

TINY = replace(
    recipe.QUICK,
    dense=20,
    epochs=3,
    steps=8,
    hidden=40,
    winners=8,
    learn=300,
    transferred=20,
    attacked=6,
    queries=5,
)


@pytest.fixture(scope="module")
def found():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "QUICK", TINY)
        return RECIPES["latency-local"].run(RecipeContext(load_images(), quick=True))


def test_it_claims_nothing_of_the_digits(found):
    assert len(found.claims) == 11
    assert all(claim.holds is None for claim in found.claims)
    assert all(claim.ours is not None or claim.figure is not None for claim in found.claims)


def test_everybody_is_asked_about_the_same_images(found):
    costs, *transfers, own = found.tables
    assert [row[0] for row in costs.rows] == [row[0] for row in own.rows]
    for table in transfers:
        assert [row[0] for row in table.rows] == [
            recipe.ANN,
            recipe.OTHER,
            recipe.RATE,
            recipe.LATENCY,
        ]
        assert len(table.columns) == 1 + len(recipe.EPS)
    assert len(own.rows) == 4
    assert [len(chart.series) for chart in found.charts] == [4, 4, 4]


def test_the_networks_can_be_audited(found):
    assert isinstance(found.models["latency"], LatencyNetwork)
    assert found.models["ann"].description["architecture"] == "fc20-fc10"


def test_transferred_attacks_use_all_their_budget(found):
    data = load_images().test
    images = data.drawn(20, 0)
    seen = []

    def remember(x):
        seen.append(x)
        return found.models["ann"](x)

    recipe.transfer({recipe.ANN: found.models["ann"], "spy": remember}, images, 0)
    for x in seen[:2]:  # FGSM and PGD at the first eps
        moved = (x - images.x).abs().flatten(1).amax(1)
        torch.testing.assert_close(moved, torch.full((20,), recipe.EPS[0]))
