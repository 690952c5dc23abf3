"""The pieces of the recipe on a few digits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spikeproof.images import load_images
from spikeproof.recipes import RECIPES, Bench
from spikeproof.recipes import sstdp as recipe


@pytest.fixture(scope="module")
def found():
    tiny = replace(recipe.QUICK, hidden=20, epochs=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "QUICK", tiny)
        return RECIPES["sstdp"].run(Bench(load_images(), quick=True))


def test_ties_are_no_right_answers(found):
    strict, shared = found.claims[:2]
    assert strict.ours.n == shared.ours.n == 400
    assert strict.ours.k <= shared.ours.k
    assert strict.holds is None


def test_the_network_and_its_history_are_there(found):
    assert set(found.models) == {"dense"}
    assert found.tables[0].rows[0][0] == "dense"
    assert len(found.charts[0].series[0].x) == 2
