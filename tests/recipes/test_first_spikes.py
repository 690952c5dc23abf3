"""The recipe of first spikes, in small."""

from __future__ import annotations

import pytest
import torch

from spikeproof.models.ttfs import from_relu
from spikeproof.recipes import first_spikes
from spikeproof.recipes.base import RecipeContext

from .toy import data


@pytest.fixture
def tiny(monkeypatch):
    """Fewer neurons, epochs and settings of hardware."""
    fit = first_spikes.fit

    def brief(network, x, labels, recipe, **settings):
        return fit(network, x, labels, first_spikes.TrainingConfig(2, 20, augment=None), **settings)

    monkeypatch.setattr(first_spikes, "fit", brief)
    monkeypatch.setattr(first_spikes, "HIDDEN", 16)
    monkeypatch.setattr(first_spikes, "VGG", "4c3-bn-mp2-4c3-bn-mp2-fc8-bn-fc{}")
    monkeypatch.setattr(first_spikes, "JITTER", (0.0, 1.0))
    monkeypatch.setattr(first_spikes, "BITS", (2, 8))


def test_the_recipe_puts_them_together(tiny):
    bench = RecipeContext(data(n=40, side=8, n_classes=4), quick=True)
    found = first_spikes.FIRST_SPIKES.run(bench)
    exact = [claim for claim in found.claims if claim.aim == "≤ 1e-6"]
    assert len(exact) == 3
    assert all(claim.holds for claim in exact)
    assert [len(chart.series) for chart in found.charts] == [2, 2, 2]
    assert found.charts[0].series[0].x == (0.0, 1.0)
    assert [row[0] for row in found.tables[0].rows] == [
        "dense, ReLU network",
        "dense, penalty 0.15",
        "vgg, ReLU network",
        "vgg, mapped",
        "vgg, trained on, penalty 5",
    ]
    assert all(len(row) == len(found.tables[0].columns) for row in found.tables[0].rows)
    x = bench.data.test.x
    for network in found.models.values():
        assert network.input_shape == (1, 8, 8)
        assert network(x).dtype == torch.float64


def test_what_is_measured(tiny):
    images = data(n=40, side=8, n_classes=4)
    relu = first_spikes._relu("fc6-fc4", RecipeContext(images)).double()
    spiking = from_relu(relu, images.learn.x)
    found = first_spikes.measured(spiking, images.test, relu(images.test.x.double()).detach())
    trace = spiking.trace(images.test.x)
    assert found.spikes == pytest.approx(trace.spikes_per_neuron[1])
    pixels = trace.spikes_per_neuron[0]
    assert found.with_pixels == pytest.approx((64 * pixels + 6 * found.spikes) / 70)
    assert found.neurons == 6
    assert found.right.k == int((trace.logits.argmax(1) == images.test.labels).sum())
    assert found.apart < 1e-12
