from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from spikeproof.adapters.eot import ExpectationOverTransformation
from spikeproof.attacks.events.sparse_flip import SparseFlip
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidModel
from spikeproof.goals import Untargeted, dlr
from spikeproof.models import ArcTan
from spikeproof.models.codes import Bernoulli, Encoded
from spikeproof.threats import Flip


def linear(weights=None):
    """Logits of two classes: minus and plus the weighted sum of the cells."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(8, 2, bias=False))
    if weights is not None:
        weights = torch.tensor(weights)
        model[1].weight.data = torch.stack([-weights, weights])
    return model


X = torch.tensor([1.0, 0, 1, 0, 0, 1, 0, 0]).view(1, 2, 2, 1, 2).repeat(5, 1, 1, 1, 1)
ZEROS = Untargeted(torch.zeros(5, dtype=torch.long))


@pytest.mark.parametrize("chunk", [1, 2, 5, 100])
def test_chunks_do_not_show(chunk):
    model = linear()
    victim = Victim(model, chunk=chunk)
    assert torch.allclose(victim.logits(X), model(X))
    margin, gradient = victim.gradient(X, ZEROS)
    w = model[1].weight.detach()
    assert torch.allclose(margin, (model(X)[:, 1] - model(X)[:, 0]).detach())
    assert torch.allclose(gradient.flatten(1), (w[1] - w[0]).expand(5, -1))
    assert (victim.queries.forwards, victim.queries.gradients) == (5, 5)
    assert victim.reached(X, ZEROS).tolist() == (margin > 0).tolist()
    assert victim.queries.forwards == 10


def test_the_gradient_is_that_of_the_loss_and_the_margin_that_of_the_goal():
    victim = Victim(linear())
    _, plain = victim.gradient(X, ZEROS)
    margin, climbed = victim.gradient(X, ZEROS, lambda goal, logits: 3 * goal.margin(logits))
    assert torch.allclose(climbed, 3 * plain)
    assert torch.equal(margin, victim.gradient(X, ZEROS)[0])


def test_weights_get_their_gradients_back_even_after_an_error(victims):
    net, x, labels, _, _ = victims["spiking"]
    first = next(net.parameters()).requires_grad_(False)
    needs = [p.requires_grad for p in net.parameters()]
    with pytest.raises(RuntimeError, match="no shape"):
        Victim(net, ArcTan(9.0)).gradient(x, Untargeted(labels), no_shape)
    assert [p.requires_grad for p in net.parameters()] == needs
    assert ArcTan(9.0) not in [m.surrogate for m in net.modules() if hasattr(m, "surrogate")]
    first.requires_grad_(True)


def no_shape(goal, logits):
    raise RuntimeError("no shape")


class Without(nn.Module):
    """Answers that cannot be differentiated."""

    def forward(self, x):
        with torch.no_grad():
            return linear([1.0] * 8)(x)


def stepped(x):
    return linear([1.0] * 8)((x.detach() > 0.5).float())


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(Without(), id="no_grad"),
        pytest.param(stepped, id="detached"),
        pytest.param(lambda x: stepped(torch.from_numpy(x.numpy())), id="numpy"),
    ],
)
def test_models_without_gradient_are_refused(model):
    goal = Untargeted(torch.ones(5, dtype=torch.long))
    with pytest.raises(InvalidModel, match="gives no gradient with respect to its input"):
        SparseFlip()(Victim(model), X, goal, Flip(), rng=torch.Generator())


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_logits_that_are_not_finite_are_refused(value):
    victim = Victim(linear([value] * 8))
    with pytest.raises(InvalidModel, match="NaN or infinite logits; check its weights"):
        victim.logits(X)
    with pytest.raises(InvalidModel, match="NaN or infinite logits; check its weights"):
        victim.gradient(X, ZEROS)


def test_any_callable_can_be_attacked():
    model = linear([4.0, 0.5, 1.0, -1.0, -0.5, 1.0, -7.0, 0.0])
    goal = Untargeted(torch.ones(5, dtype=torch.long))
    adv = SparseFlip()(Victim(lambda x: model(x)), X, goal, Flip(), rng=torch.Generator())
    assert (model(adv).argmax(1) == 0).all()
    assert Flip().cost(X, adv).tolist() == [1] * 5  # the cell worth -7 is enough


@pytest.mark.parametrize("mode", ["minimum", "budget"])
def test_an_empty_batch_is_no_problem(victims, mode):
    net, x, labels, _, _ = victims["spiking"]
    goal = Untargeted(labels[:0])
    adv = SparseFlip(mode=mode)(Victim(net), x[:0], goal, Flip(), rng=torch.Generator())
    assert adv.shape == x[:0].shape


def test_without_a_surrogate_the_models_own_counts(victims):
    net, x, labels, _, _ = victims["spiking"]
    goal = Untargeted(labels)
    (layer, *_) = (m for m in net.modules() if hasattr(m, "surrogate"))
    own, named, sharp = (
        Victim(net, s).gradient(x, goal)[1] for s in (None, layer.surrogate, ArcTan(slope=8.0))
    )
    assert torch.equal(own, named)
    assert not torch.equal(own, sharp)


def test_draws_are_counted_and_chunks_hold_them_all():
    seen = []

    def random(x):
        seen.append(len(x))
        return linear([1.0] * 8)(x * torch.rand_like(x))

    victim = Victim(ExpectationOverTransformation(random, draws=3), chunk=7)
    victim.logits(X)
    victim.gradient(X, ZEROS)
    assert (victim.queries.forwards, victim.queries.gradients) == (30, 15)  # the margin's as well
    assert set(seen) == {3}
    assert victim._at_once == 2
    assert Victim(ExpectationOverTransformation(random, draws=30), chunk=7)._at_once == 1


def test_gradients_see_new_noise_each_time_and_logits_do_not():
    def victim():
        noisy = linear([1.0, -2, 3, 4, 5, -6, 7, 8])
        return Victim(
            ExpectationOverTransformation(lambda x: noisy(x * torch.rand_like(x)), draws=2)
        )

    a, b = victim(), victim()
    steps = [a.gradient(X, ZEROS)[1] for _ in range(3)]
    assert not any(torch.equal(steps[i], steps[i - 1]) for i in range(3))
    assert torch.equal(b.gradient(X, ZEROS)[1], steps[0])  # the same attack, the same noise
    assert torch.equal(a.logits(X), b.logits(X))
    assert torch.equal(a.logits(X), a.model(X))


def test_the_gradient_of_an_averaged_model_is_that_of_the_margin_of_the_mean():
    model = ExpectationOverTransformation(
        lambda x: linear([1.0] * 8)(x * torch.rand_like(x)) ** 3, draws=4
    )
    margin, gradient = Victim(model, chunk=100).gradient(X, ZEROS)
    assert torch.allclose(margin, (model(X)[:, 1] - model(X)[:, 0]).detach())
    leaf = X.clone().requires_grad_()
    mean = model.fresh(0)(leaf)
    (exact,) = torch.autograd.grad((mean[:, 1] - mean[:, 0]).sum(), leaf)
    assert torch.allclose(gradient, exact)


def test_encoders_are_open_to_gradients_only(victims):
    net, x, labels, _, _ = victims["spiking"]

    class Drawn(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(torch.bernoulli(0.9 * x))

    model, goal = ExpectationOverTransformation(Drawn().eval(), draws=4), Untargeted(labels)
    _, gradient = Victim(model).gradient(x, goal)
    assert (gradient.flatten(1) != 0).any(1).all()
    leaf = x.clone().requires_grad_()
    (closed,) = torch.autograd.grad(model(leaf).sum(), leaf)
    assert not closed.any()


def test_a_random_model_is_attacked_under_noise_it_was_not_seen_with(victims):
    net, x, labels, _, _ = victims["spiking"]
    model = Encoded(Bernoulli(1, rate=0.9), net)
    judge, search = (
        ExpectationOverTransformation(model, 16, seed=1),
        ExpectationOverTransformation(model, 8, seed=2),
    )
    both = (judge(x).argmax(1) == labels) & (search(x).argmax(1) == labels)
    x, goal = x[both][:5], Untargeted(labels[both][:5])
    assert len(x) >= 4
    adv = SparseFlip(steps=12)(Victim(search, chunk=64), x, goal, Flip(), rng=torch.Generator())
    assert goal.reached(search(adv)).all()
    assert goal.reached(judge(adv)).sum() >= 2
    again = SparseFlip(steps=12)(Victim(search, chunk=8), x, goal, Flip(), rng=torch.Generator())
    assert torch.equal(adv, again)  # however the draws are put together


@pytest.mark.parametrize("surrogate", [None, ArcTan(4.0)])
def test_a_fast_victim_answers_as_a_plain_one(victims, surrogate):
    net, x, labels, _, _ = victims["spiking"]
    plain, fast = (Victim(net, surrogate, chunk=3, fast=fast) for fast in (False, True))
    assert plain.exact
    assert not fast.exact
    assert torch.allclose(fast.logits(x), plain.logits(x), rtol=1e-5, atol=1e-6)
    (margin, gradient), (expected, by_hand) = (
        v.gradient(x, Untargeted(labels), dlr) for v in (fast, plain)
    )
    assert torch.allclose(margin, expected, rtol=1e-5, atol=1e-6)
    assert (torch.cosine_similarity(gradient.flatten(1), by_hand.flatten(1)) > 0.99).all()
    assert not torch.equal(gradient, by_hand)
    assert fast.queries == plain.queries
    assert replace(fast, surrogate=None).buffers is fast.buffers


def test_a_fast_victim_without_an_engine_is_a_plain_one(victims):
    net, x, labels, _, _ = victims["twin"]
    goal = Untargeted(labels)
    plain, fast = Victim(net), Victim(net, fast=True)
    assert fast.exact
    assert torch.equal(fast.logits(x), plain.logits(x))
    assert torch.equal(fast.gradient(x, goal)[1], plain.gradient(x, goal)[1])
    with pytest.raises(InvalidModel, match="this network takes recordings"):
        Victim(victims["spiking"][0], fast=True).logits(x[..., :-1])


def test_a_fast_victim_refuses_logits_that_are_not_finite(victims):
    net, x, labels, _, _ = victims["spiking"]
    broken = copy.deepcopy(net)
    broken.layers[-1].weight.bias.data.fill_(torch.nan)
    with pytest.raises(InvalidModel, match="NaN or infinite logits; check its weights"):
        Victim(broken, fast=True).gradient(x, Untargeted(labels))
