"""A network that answers like a model which gives no gradient."""

from __future__ import annotations

import pytest
import torch
from tests.attacks.pictures import pictures, trained_on_pictures
from tests.attacks.toy import data, trained

from spikeproof.inputs.substitute import train_substitute

SMALL = {"line": "4c3-bn-p2-fc3", "epochs": 6}


@pytest.fixture(scope="module")
def closed():
    return torch.no_grad()(trained("4c3-bn-p2-fc3").forward)


def test_it_learns_to_answer_alike(closed):
    cells, _ = data(150, seed=3)
    said = []
    made = train_substitute(closed, cells.to(torch.uint8), **SMALL, report=said.append)
    assert made.compared == 30
    assert made.agree > 20
    assert [p.epoch for p in said] == list(range(1, 7))
    assert not made.network.training
    assert all(p.grad is None for p in made.network.parameters())
    assert f"agree on {made.agree} of 30 recordings" in made.says


def test_the_seed_decides(closed):
    cells, _ = data(40, seed=3)
    state = torch.get_rng_state()
    nets = [train_substitute(closed, cells, **SMALL, seed=seed).network for seed in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), state)
    first, same, other = (net(cells) for net in nets)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("side", "line"), [(4, "dense _ 64"), (12, "conv _ 16 5"), (200, "pool 3 |> conv")]
)
def test_the_network_suits_the_sensor(side, line):
    def model(x):
        return x.sum((1, 2, 3)).repeat(1, 3)[:, :3]

    x = (torch.rand(4, 2, 2, side, side) < 0.1).float()
    made = train_substitute(model, x, epochs=1)
    assert made.network.description["architecture"].startswith(line)
    assert made.compared == 0  # so few are all learnt from


def test_of_images_it_does_not_spike():
    closed = torch.no_grad()(trained_on_pictures().forward)
    x = pictures(60, seed=4)[0]
    made = train_substitute(closed, x, of_images=True, epochs=12)
    assert made.network.description["spiking"] is False
    assert made.compared == 12
    assert made.agree > 8
    assert "12 images that it did not learn from" in made.says
