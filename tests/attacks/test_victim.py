from __future__ import annotations

import pytest
import torch
from torch import nn

from spikeproof.attacks.sparse_flip import SparseFlip
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidModel
from spikeproof.goals import Mislead
from spikeproof.models import ArcTan
from spikeproof.threats import Flip


def linear(weights=None):
    """Logits of two classes: minus and plus the weighted sum of the cells."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(8, 2, bias=False))
    if weights is not None:
        weights = torch.tensor(weights)
        model[1].weight.data = torch.stack([-weights, weights])
    return model


X = torch.tensor([1.0, 0, 1, 0, 0, 1, 0, 0]).view(1, 2, 2, 1, 2).repeat(5, 1, 1, 1, 1)
ZEROS = Mislead(torch.zeros(5, dtype=torch.long))


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


def test_the_shape_of_the_margin_scales_the_gradient():
    victim = Victim(linear())
    _, plain = victim.gradient(X, ZEROS)
    margin, shaped = victim.gradient(X, ZEROS, lambda m: 3 * m)
    assert torch.allclose(shaped, 3 * plain)
    assert torch.equal(margin, victim.gradient(X, ZEROS)[0])


def test_weights_get_their_gradients_back_even_after_an_error(victims):
    net, x, labels, _, _ = victims["spiking"]
    first = next(net.parameters()).requires_grad_(False)
    needs = [p.requires_grad for p in net.parameters()]
    with pytest.raises(RuntimeError, match="no shape"):
        Victim(net, ArcTan(9.0)).gradient(x, Mislead(labels), no_shape)
    assert [p.requires_grad for p in net.parameters()] == needs
    assert ArcTan(9.0) not in [m.surrogate for m in net.modules() if hasattr(m, "surrogate")]
    first.requires_grad_(True)


def no_shape(margin):
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
    ],
)
def test_models_without_gradient_are_refused(model):
    goal = Mislead(torch.ones(5, dtype=torch.long))
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
    goal = Mislead(torch.ones(5, dtype=torch.long))
    adv = SparseFlip()(Victim(lambda x: model(x)), X, goal, Flip(), rng=torch.Generator())
    assert (model(adv).argmax(1) == 0).all()
    assert Flip().cost(X, adv).tolist() == [1] * 5  # the cell worth -7 is enough


@pytest.mark.parametrize("mode", ["minimum", "budget"])
def test_an_empty_batch_is_no_problem(victims, mode):
    net, x, labels, _, _ = victims["spiking"]
    goal = Mislead(labels[:0])
    adv = SparseFlip(mode=mode)(Victim(net), x[:0], goal, Flip(), rng=torch.Generator())
    assert adv.shape == x[:0].shape
