"""The pieces of the topology recipe, in small."""

from __future__ import annotations

import pytest
import torch

from spikeproof.recipes import topology
from spikeproof.recipes.base import RecipeContext
from spikeproof.training import TrainingConfig

from .toy import data


def test_gates_say_what_their_names_say():
    points = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    assert topology.nand(points).tolist() == [1, 1, 1, 0]
    assert topology.xor(points).tolist() == [0, 1, 1, 0]


def test_corners_are_drawn_by_seed_and_parted():
    task, again = topology.corners(topology.xor, 1), topology.corners(topology.xor, 1)
    assert torch.equal(task.x, again.x)
    assert not torch.equal(task.x, topology.corners(topology.xor, 2).x)
    assert task.x.shape == (410, 1, 1, 1, 2)
    assert task.test_x.shape == (102, 1, 1, 1, 2)
    assert set(task.labels.tolist()) == {0, 1}


def test_weights_of_nand_carry_over():
    task = topology.corners(topology.nand, 0)
    network = topology.trained(
        topology.GATE, task, TrainingConfig(12, rate=0.02, augment=None), 0, draws=5
    )
    for spiking in topology.spiking_of(network, task):
        assert spiking.description["spiking"]
    _, fitted = topology.spiking_of(network, task)
    assert topology.right(fitted, task.test_x, task.test_labels, topology.BINS) == 102


@pytest.fixture
def tiny(monkeypatch):
    """Fewer epochs, bins and draws."""
    fit = topology.fit
    monkeypatch.setattr(topology, "BINS", 4)
    monkeypatch.setattr(topology, "DRAWS", 1)

    def brief(network, x, labels, recipe, **settings):
        return fit(network, x, labels, TrainingConfig(1, 64, augment=None), **settings)

    monkeypatch.setattr(topology, "fit", brief)


def test_the_recipe_puts_them_together(tiny):
    bench = RecipeContext(data("digits", n=40, side=8, n_classes=10), quick=True)
    found = topology.TOPOLOGY.run(bench)
    assert [claim.ours.n for claim in found.claims] == [306, 306, 40, 40]
    assert found.claims[2].holds is None
    assert len(found.tables[1].rows) == 8
    assert found.charts[0].series[0].x == (2.0, 4.0)
    assert list(bench.seconds) == ["NAND", "XOR", "digits, sequential", "digits, parallel"]
    for network in found.models.values():
        assert network.input_shape == (1, 8, 8)
        assert network(bench.data.test.x[:3]).shape == (3, 10)
