"""The pieces of the recipe on temporal penalties, in small."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spikeproof.attacks import FGSM
from spikeproof.evaluate import proportion
from spikeproof.images import ImageData, Images, load_images
from spikeproof.models.crossing import CrossingNetwork
from spikeproof.recipes import RECIPES, Bench
from spikeproof.recipes import temporal_penalty as recipe
from spikeproof.training import TemporalPenalty

TINY = recipe.Effort(epochs=2, batch=64, sweep=recipe.SWEEP[:2], held=30, attacked=20, strong=6)


@pytest.fixture(scope="module")
def digits():
    return load_images()


def test_settings_have_names():
    assert recipe.named(TemporalPenalty(0.0)) == "no penalty"
    assert recipe.named(TemporalPenalty(10.0, t_ref=0.8)) == "gamma 10, t_ref 0.8"
    assert len({recipe.named(s) for s in recipe.SWEEP}) == len(recipe.SWEEP)


class Bright(torch.nn.Module):
    """Says 1 where the mean is above ``limit``, which an attack can move by eps."""

    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def forward(self, x):
        mean = x.flatten(1).mean(1)
        return torch.stack([self.limit - mean, mean - self.limit], 1)


def flat(*values):
    x = torch.tensor(values).view(-1, 1, 1, 1, 1).expand(-1, 1, 1, 2, 2).contiguous()
    return Images(x, (x[:, 0, 0, 0, 0] > 0.5).long(), ("dark", "bright"))


def test_what_stands_is_what_eps_does_not_move_over_the_limit():
    images = flat(0.2, 0.45, 0.55, 0.7)
    stood = [recipe.standing(Bright(0.5), images, FGSM(), eps, 0).k for eps in (0.01, 0.1, 0.25)]
    assert stood == [4, 2, 1]
    assert recipe.right(Bright(0.5), images).k == 4


def test_the_choice_is_the_sturdiest_among_those_that_are_right():
    held = flat(*[0.2] * 50, *[0.9] * 50)
    networks = {"fragile": Bright(0.88), "sturdy": Bright(0.5), "wrong": Bright(0.0)}
    assert recipe.chosen(networks, held, 0) == "sturdy"


def test_the_strong_attack_finds_at_least_what_pgd_finds(digits):
    network = recipe.trained(None, digits.learn, TINY, 0)
    some = digits.test.subset(np.arange(8))
    found = recipe.strongest(network, some, 0.3, Bench(digits, quick=True))
    assert found.auto.k <= found.pgd.k < 8
    assert found.auto.n == 8


def test_claims_say_what_they_are_compared_with():
    best, relu = proportion(90, 100), proportion(50, 100)
    stands = {"FGSM": {"s": [best, relu, relu, relu, relu], recipe.ANN: [relu] * 5}}
    strong = {
        "s": [recipe.Strongest(0.1, best, relu, 3)],
        recipe.ANN: [recipe.Strongest(0.1, relu, relu, 0)],
    }
    strong["no penalty"] = [recipe.Strongest(0.1, best, best, 0)]
    full = recipe._claims("s", {"s": best}, stands, strong, False)
    assert [claim.holds for claim in full] == [False, True, *[False] * 6]
    assert full[1].aim == "above 50.0 [40.4, 59.6] % of the ReLU network"
    assert full[-1].aim.endswith("of no penalty")
    assert not full[1].why
    assert full[2].why
    quick = recipe._claims("s", {"s": best}, stands, strong, True)
    assert {claim.holds for claim in quick} == {None}


def test_the_recipe_puts_them_together(digits, monkeypatch):
    monkeypatch.setattr(recipe, "QUICK", TINY)
    monkeypatch.setattr(recipe, "EPS", (0.1, 0.2))
    monkeypatch.setattr(recipe, "STRONG", (0.2,))
    few = ImageData("few", digits.learn.subset(np.arange(300)), digits.test, "")
    bench = Bench(few, quick=True)
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
