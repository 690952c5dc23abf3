"""Boltzmann machines small enough to be enumerated, and stacks of them."""

from __future__ import annotations

import itertools

import pytest
import torch

from spikeproof.errors import InvalidModel
from spikeproof.images import load_images
from spikeproof.models.belief import BeliefNetwork, SpikingBelief
from spikeproof.training import (
    RBM,
    ContrastiveDivergence,
    fit_rbm,
    fit_stack,
    set_label_layer,
    set_stack,
)
from spikeproof.training.rbm import ascent


def every(units):
    """All states ``[2^units, units]``."""
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=units)))


def machine(seed=0):
    rng = torch.Generator().manual_seed(seed)
    draw = [torch.randn(*shape, generator=rng) for shape in ((3, 4), (4,), (3,))]
    return RBM(*draw)


DATA = torch.tensor([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0]])


def likelihood(rbm, data):
    """Mean log probability, exactly."""
    return (-rbm.free_energy(data)).mean() - (-rbm.free_energy(every(4))).logsumexp(0)


def test_the_free_energy_is_the_sum_over_hidden_states():
    rbm, v, h = machine(), every(4), every(3)
    energy = -(v @ rbm.visible)[:, None] - h @ rbm.hidden - v @ rbm.weight.T @ h.T
    torch.testing.assert_close(rbm.free_energy(v), -(-energy).logsumexp(1))


def test_units_given_the_others_follow_the_energy():
    rbm, v, h = machine(), every(4), every(3)
    energy = -(v @ rbm.visible)[:, None] - h @ rbm.hidden - v @ rbm.weight.T @ h.T  # [16, 8]
    torch.testing.assert_close(rbm.up(v), (-energy).softmax(1) @ h)
    torch.testing.assert_close(rbm.down(h), (-energy).softmax(0).T @ v)


def test_a_long_dream_gives_the_gradient_of_the_likelihood():
    rbm = machine()
    exact = RBM(*(p.clone().requires_grad_() for p in (rbm.weight, rbm.visible, rbm.hidden)))
    likelihood(exact, DATA).backward()
    many = DATA.repeat(20_000, 1)
    found = ascent(rbm, many, 50, torch.Generator().manual_seed(0), many)
    for name in ("weight", "visible", "hidden"):
        torch.testing.assert_close(
            getattr(found, name), getattr(exact, name).grad, atol=0.01, rtol=0
        )


def test_one_step_goes_the_same_way():
    rbm = machine(1)
    exact = RBM(*(p.clone().requires_grad_() for p in (rbm.weight, rbm.visible, rbm.hidden)))
    likelihood(exact, DATA).backward()
    many = DATA.repeat(5000, 1)
    found = ascent(rbm, many, 1, torch.Generator().manual_seed(0), many)
    for name in ("weight", "visible", "hidden"):
        ours, theirs = getattr(found, name).flatten(), getattr(exact, name).grad.flatten()
        assert torch.cosine_similarity(ours, theirs, dim=0) > 0.5


@pytest.mark.parametrize("persistent", [False, True])
def test_learning_raises_the_likelihood(persistent):
    data = DATA.repeat(40, 1)
    settings = ContrastiveDivergence(epochs=60, batch=10, rate=0.3, persistent=persistent)
    before = likelihood(RBM.drawn(4, 3, torch.Generator().manual_seed(0)), DATA)
    after = likelihood(fit_rbm(3, data, settings), DATA)
    assert after > before + 0.8  # of at most 1.67: from log 1/16 to log 1/3


def test_chains_go_on_where_they_stopped():
    rbm, chains = machine(), torch.ones(2, 4)
    found = ascent(rbm, DATA, 1, torch.Generator().manual_seed(0), chains)
    assert found.chains.shape == chains.shape
    assert set(found.chains.unique().tolist()) <= {0.0, 1.0}


@pytest.fixture(scope="module")
def stack():
    learn = load_images().learn
    settings = ContrastiveDivergence(epochs=30, batch=10, rate=0.3)
    return fit_stack((100, 60), learn.x.flatten(1), settings)


def test_a_stack_with_labels_on_top_knows_digits(stack):
    data = load_images()
    for net in (
        BeliefNetwork((1, 8, 8), (100, 60), 10),
        SpikingBelief((1, 8, 8), (100, 60), 10, steps=32),
    ):
        set_stack(net, stack)
        set_label_layer(net, data.learn.x, data.learn.labels)
        torch.manual_seed(0)
        with torch.no_grad():
            right = (net(data.test.x).argmax(1) == data.test.labels).double().mean()
        assert right > 0.88
        torch.testing.assert_close(net.hidden[1].weight.detach(), stack[1].weight)


def test_the_same_seed_gives_the_same_machine():
    settings = ContrastiveDivergence(epochs=2, batch=2)
    one, two = (fit_rbm(3, DATA, settings) for _ in range(2))
    assert torch.equal(one.weight, two.weight)


def test_what_does_not_fit_is_refused(stack):
    with pytest.raises(InvalidModel, match="the machines"):
        set_stack(BeliefNetwork((1, 8, 8), (100, 50), 10), stack)
    with pytest.raises(InvalidModel, match=r"\[0, 1\]"):
        fit_rbm(3, 2 * DATA, ContrastiveDivergence())
