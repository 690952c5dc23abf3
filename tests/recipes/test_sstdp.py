"""The pieces of the recipe on a few digits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spikeproof.images import load_images
from spikeproof.recipes import RECIPES, RecipeContext
from spikeproof.recipes import sstdp as recipe


@pytest.fixture(scope="module")
def found():
    tiny = replace(recipe.QUICK, hidden=("fc20", "2c3-mp2"), epochs=(2, 3), few=200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "QUICK", tiny)
        return RECIPES["sstdp"].run(RecipeContext(load_images(), quick=True))


def test_ties_are_no_right_answers(found):
    strict, shared = found.claims[:2]
    assert strict.ours.n == shared.ours.n == 400
    assert strict.ours.k <= shared.ours.k
    assert strict.holds is None


def test_the_networks_and_their_histories_are_there(found):
    assert list(found.models) == ["dense", "convolutional"]
    assert [row[0] for row in found.tables[0].rows] == ["dense", "convolutional"]
    assert [len(line.x) for line in found.charts[0].series] == [2, 3]
    assert found.claims[-1].what.startswith("convolutional, 200 images")
