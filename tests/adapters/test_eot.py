from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from spikeproof.adapters.eot import ExpectationOverTransformation, repeatable
from spikeproof.errors import InvalidModel

X = torch.rand(5, 3, 2, 2, 2, generator=torch.Generator().manual_seed(0))


class Noisy(nn.Module):
    """Logits of dropped-out inputs; ``kind`` says where the noise lies."""

    def __init__(self, kind="input"):
        super().__init__()
        self.kind, self.read = kind, nn.Linear(24, 3)
        nn.init.normal_(self.read.weight, generator=torch.Generator().manual_seed(1))

    def forward(self, x):
        x = x.flatten(1)
        if self.kind == "input":
            return self.read(2 * x * torch.rand_like(x).lt(0.5))
        if self.kind == "numpy":
            return self.read(x * torch.from_numpy(np.random.rand(*x.shape)).float())  # noqa: NPY002
        noisy = self.read.weight + torch.randn_like(self.read.weight)
        return nn.functional.linear(x, noisy, self.read.bias)


KINDS = pytest.mark.parametrize("kind", ["input", "weights", "numpy"])


@KINDS
@given(draws=st.integers(1, 5), seed=st.integers(0, 2**40))
@settings(max_examples=10)
def test_the_same_call_gives_the_same_answer(kind, draws, seed):
    model = ExpectationOverTransformation(Noisy(kind), draws, seed)
    torch.rand(3)
    first = model(X)
    torch.rand(7)
    assert torch.equal(model(X), first)
    assert first.shape == (5, 3)


@KINDS
def test_batch_mates_do_not_matter(kind):
    model = ExpectationOverTransformation(Noisy(kind), 6, 3)
    whole = model(X)
    assert torch.equal(model(X.flip(0)).flip(0), whole)
    assert torch.equal(torch.cat([model(X[:2]), model(X[2:])]), whole)


@KINDS
def test_many_draws_come_close_to_the_expectation(kind):
    noisy = Noisy(kind)
    mean = noisy.read(X.flatten(1) * (0.5 if kind == "numpy" else 1.0))
    far = (ExpectationOverTransformation(noisy, 1)(X) - mean).abs().mean()
    near = (ExpectationOverTransformation(noisy, 500)(X) - mean).abs().mean()
    assert near < 0.15 * far


@KINDS
@pytest.mark.parametrize("together", [True, False])
def test_the_gradient_is_the_mean_of_the_gradients_of_the_draws(kind, together):
    noisy = Noisy(kind)
    model = ExpectationOverTransformation(noisy, 4, 5, together=together)
    leaf = X.clone().requires_grad_()
    logits = model(leaf)
    (gradient,) = torch.autograd.grad(logits[:, 1].sum(), leaf)
    finite = torch.zeros_like(X)
    with torch.no_grad():  # linear in x, so that differences are exact
        for cell in range(24):
            moved = X.clone().flatten(1)
            moved[:, cell] += 1.0
            finite.view(5, 24)[:, cell] = (model(moved.view_as(X)) - logits)[:, 1]
    assert torch.allclose(gradient, finite, atol=1e-4)
    assert not torch.allclose(gradient, torch.zeros_like(gradient))


def test_together_and_one_by_one_agree_in_distribution():
    noisy = Noisy()
    pooled = [
        torch.stack([ExpectationOverTransformation(noisy, 4, s, together=t)(X) for s in range(80)])
        .std(0)
        .mean()
        for t in (True, False)
    ]
    assert abs(pooled[0] / pooled[1] - 1) < 0.15


def test_noise_of_the_call_is_averaged_as_well():
    noisy = Noisy("weights")
    one, many = (
        torch.stack([ExpectationOverTransformation(noisy, d, s)(X) for s in range(40)])
        .std(0)
        .mean()
        for d in (1, 16)
    )
    assert many < 0.4 * one


def test_fresh_noise_differs_turn_by_turn_and_is_repeatable():
    model = ExpectationOverTransformation(Noisy(), 2, 7)
    answers = [model.fresh(turn)(X) for turn in range(4)] + [model(X)]
    for i, a in enumerate(answers):
        assert not any(torch.equal(a, b) for b in answers[:i])
    assert torch.equal(model.fresh(2)(X), answers[2])
    assert (model.fresh(2).draws, model.fresh(2).model) == (2, model.model)


def test_a_model_without_noise_is_what_it_was():
    plain = nn.Sequential(nn.Flatten(), nn.Linear(24, 3))
    assert torch.allclose(ExpectationOverTransformation(plain, 3)(X), plain(X), atol=1e-6)
    assert ExpectationOverTransformation(plain, 3)(X[:0]).shape == (0, 3)
    assert ExpectationOverTransformation(lambda x: x.flatten(1), 2)(X).shape == (5, 24)


def test_the_users_random_numbers_go_on_as_if_nothing_had_happened():
    def numbers():
        return torch.rand(1).item(), random.random(), np.random.rand()  # noqa: NPY002

    def start():
        torch.manual_seed(1)
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002

    def interrupted():
        with repeatable(5, model, X):
            numbers()
            raise KeyError

    model = Noisy("numpy")
    start()
    expected = numbers()
    start()
    ExpectationOverTransformation(model, 3)(X)
    with pytest.raises(KeyError):
        interrupted()
    assert numbers() == expected


def test_training_is_what_the_model_says():
    assert not ExpectationOverTransformation(Noisy().eval(), 2).training
    assert ExpectationOverTransformation(Noisy(), 2).training
    assert not ExpectationOverTransformation(lambda x: x, 2).training


def test_settings_that_make_no_sense():
    with pytest.raises(InvalidModel, match="a mean needs at least 1 draw, not 0"):
        ExpectationOverTransformation(Noisy(), 0)
    with pytest.raises(InvalidModel, match="must not be negative, not -1"):
        ExpectationOverTransformation(Noisy(), seed=-1)
