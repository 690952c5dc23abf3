from __future__ import annotations

import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from spikeproof.adapters.encoders import straight_through
from spikeproof.errors import InvalidModel
from spikeproof.models import Bernoulli, Direct, Encoded, Latency, Poisson, build

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from snntorch import spikegen
    from spikingjelly.activation_based import encoding, functional, layer, neuron

IMAGES = torch.rand(4, 2, 3, 3, generator=torch.Generator().manual_seed(0))
CELLS = (torch.rand(3, 5, 2, 4, 4, generator=torch.Generator().manual_seed(1)) < 0.4).float()


def gradient(model, x):
    """Of a weighted sum of the output, so that no symmetry hides a mistake."""
    leaf = x.clone().requires_grad_()
    out = model(leaf)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(2))
    (g,) = torch.autograd.grad((out * weights).sum(), leaf)
    return g, weights


@pytest.mark.parametrize("encoder", [Direct(6), Bernoulli(6), Poisson(6), Latency(6)])
def test_shapes_of_images_and_recordings(encoder):
    assert encoder(IMAGES).shape == (4, 6, 2, 3, 3)
    assert encoder(CELLS).shape == (3, 30, 2, 4, 4)
    assert encoder(IMAGES.flatten(1)).shape == (4, 6, 18)
    values = encoder(CELLS)
    assert ((values == 0) | (values == 1)).all()
    net = build("4c3-fc3", height=4, width=4)
    assert gradient(Encoded(encoder, net), CELLS)[0].abs().sum() > 0


def test_bins_of_a_recording_are_encoded_in_turn():
    assert torch.equal(Direct(3)(CELLS)[:, 3:6], CELLS[:, 1:2].expand(-1, 3, -1, -1, -1))
    spikes = Latency(3)(CELLS)
    assert torch.equal(spikes[:, 6], CELLS[:, 2])  # a full cell fires first
    assert torch.equal(spikes[:, 8], 1 - CELLS[:, 2])  # an empty one last


def test_bernoulli_draws_what_snntorch_draws():
    torch.manual_seed(3)
    theirs = spikegen.rate(IMAGES[:1], num_steps=7, gain=1.7)  # [T, 1, C, H, W]
    torch.manual_seed(3)
    assert torch.equal(Bernoulli(7, rate=1.7)(IMAGES[:1]), theirs.movedim(0, 1))
    many = Bernoulli(4000, rate=0.8)(IMAGES).mean(1)
    assert (many - 0.8 * IMAGES).abs().max() < 0.04


def test_bernoulli_is_spikingjellys_poisson():
    encoder = encoding.PoissonEncoder()
    theirs = torch.stack([encoder(IMAGES) for _ in range(4000)]).mean(0)
    assert (Bernoulli(4000)(IMAGES).mean(1) - theirs).abs().max() < 0.06


def test_poisson_spikes_with_the_probability_of_at_least_one():
    spikes = Poisson(8000, rate=2.0)(IMAGES)
    counted = torch.poisson((2 * IMAGES).expand(8000, -1, -1, -1, -1)).clamp(max=1)
    assert (spikes.mean(1) - counted.mean(0)).abs().max() < 0.04


def test_random_spikes_pass_the_gradient_of_their_probability():
    g, w = gradient(Bernoulli(5, rate=0.7), IMAGES)
    assert torch.allclose(g, 0.7 * w.sum(1), atol=1e-5)
    g, w = gradient(Bernoulli(5, rate=3.0), IMAGES)  # also where the probability is cut
    assert torch.allclose(g, 3.0 * w.sum(1), atol=1e-5)
    g, w = gradient(Poisson(5, rate=1.5), IMAGES)
    assert torch.allclose(g, 1.5 * torch.exp(-1.5 * IMAGES) * w.sum(1), atol=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 5, 16])
def test_latency_is_that_of_the_frameworks(steps):
    x = torch.cat([torch.rand(200), torch.tensor([0.0, 1.0, 0.5])])
    for law in ("linear", "log"):
        encoder = encoding.LatencyEncoder(steps, law)
        theirs = torch.stack([encoder(x) for _ in range(steps)])
        assert torch.equal(Latency(steps, law=law)(x.view(1, -1))[0], theirs)
    if steps > 1:
        theirs = spikegen.latency(
            x, num_steps=steps, threshold=0.2, linear=True, normalize=True, clip=True
        )
        assert torch.equal(Latency(steps, threshold=0.2)(x.view(1, -1))[0], theirs)


@given(st.integers(2, 9), st.sampled_from(["linear", "log"]), st.sampled_from([0.0, 0.5]))
def test_the_gradient_of_a_cell_is_the_effect_of_flipping_it(steps, law, threshold):
    encoder = Latency(steps, law=law, threshold=threshold)
    g, w = gradient(encoder, CELLS)
    on, off = encoder(torch.ones_like(CELLS)), encoder(torch.zeros_like(CELLS))
    exact = ((on - off) * w).unflatten(1, (5, steps)).sum(2)
    assert torch.allclose(g, exact, atol=1e-5)


def test_a_short_reach_looks_near():
    x = torch.tensor([[0.5]])  # fires in the middle of 5 steps
    leaf = x.clone().requires_grad_()
    out = Latency(5, reach=0.25)(leaf)
    (g,) = torch.autograd.grad(
        (out.flatten() * torch.tensor([0.0, 3.0, 1.0, -1.0, 9.0])).sum(), leaf
    )
    assert g.item() == pytest.approx((3.0 - -1.0) / 0.5)
    assert torch.equal(Latency(5)(torch.tensor([[2.0, -1.0]]))[0].argmax(0), torch.tensor([0, 4]))


class Jelly(nn.Module):
    """A SpikingJelly network that encodes images itself, step by step; resets at each call."""

    def __init__(self, encoder, steps=4):
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.steps = encoder, steps
        self.net = nn.Sequential(
            layer.Linear(18, 8), neuron.LIFNode(v_threshold=0.3), nn.Linear(8, 3)
        )

    def forward(self, x):
        functional.reset_net(self)
        x = x.flatten(1)
        return torch.stack([self.net(self.encoder(x)) for _ in range(self.steps)]).mean(0)


def foreign():
    return [
        encoding.PoissonEncoder(),
        encoding.LatencyEncoder(4),
        encoding.LatencyEncoder(4, "log"),
        encoding.WeightedPhaseEncoder(4),
    ]


@pytest.mark.parametrize("encoder", foreign(), ids=["poisson", "latency", "log", "phase"])
def test_encoders_of_spikingjelly_are_opened_for_a_while(encoder):
    model, x = Jelly(encoder), 0.9 * IMAGES
    torch.manual_seed(4)
    before = model(x)
    assert not closed_or_gradient(model, x).any()
    with straight_through(model):
        torch.manual_seed(4)
        assert torch.equal(model(x), before)  # same spikes, same draws
        opened = closed_or_gradient(model, x)
        with straight_through(model):
            torch.manual_seed(4)
            twice = closed_or_gradient(model, x)
        torch.manual_seed(4)
        assert torch.equal(closed_or_gradient(model, x), twice)  # nesting counts once
    assert (opened != 0).any(1).all()
    assert not closed_or_gradient(model, x).any()
    with pytest.raises(KeyError), straight_through(model):
        raise KeyError
    assert "single_step_encode" not in vars(encoder)
    assert not encoder._forward_hooks


def closed_or_gradient(model, x):
    """Zeros where there is no graph."""
    leaf = x.clone().requires_grad_()
    out = model(leaf)[:, 0].sum()
    if not out.requires_grad:
        return torch.zeros_like(x)
    (g,) = torch.autograd.grad(out, leaf, allow_unused=True)
    return torch.zeros_like(x) if g is None else g


def test_the_gradient_of_a_latency_encoder_is_the_effect_of_a_flip():
    encoder, x = encoding.LatencyEncoder(4), CELLS[:, 0].flatten(1)
    read = torch.randn(4, 32, generator=torch.Generator().manual_seed(3))

    def model(x):
        encoder.reset()
        return sum(encoder(x) * w for w in read).sum(1, keepdim=True)

    wrapped = nn.Module()
    wrapped.encoder = encoder
    with straight_through(wrapped):
        g = closed_or_gradient(model, x)
    assert torch.allclose(g, (read[0] - read[3]).expand_as(g))
    multi = encoding.LatencyEncoder(4, step_mode="m")
    wrapped.encoder = multi
    with straight_through(wrapped):
        leaf = x.clone().requires_grad_()
        out = multi(leaf.expand(4, -1, -1))
        (g,) = torch.autograd.grad((out * read.unsqueeze(1)).sum(), leaf)
    assert torch.allclose(g, (read[0] - read[3]).expand_as(g))


def test_rates_of_snntorch_and_draws_by_hand_are_opened_too():
    def rated(x):
        return spikegen.rate(x.flatten(1), num_steps=3, gain=0.5).mean(0)

    def drawn(x):
        return torch.bernoulli(x.flatten(1).clamp(0, 1))

    for model, slope in ((rated, 0.5), (drawn, 1.0)):
        assert not closed_or_gradient(model, IMAGES).any()
        torch.manual_seed(1)
        before = model(IMAGES)
        with straight_through(model):
            torch.manual_seed(1)
            assert torch.equal(model(IMAGES), before)
            g = closed_or_gradient(model, IMAGES).flatten(1)
        assert torch.allclose(g[:, 0], torch.full((4,), slope))
    with straight_through(None):  # noise that is no function of the input stays as it is
        assert not torch.bernoulli(IMAGES, 0.5).requires_grad


def test_settings_that_make_no_sense():
    with pytest.raises(InvalidModel, match="needs at least 1 time step, not 0"):
        Direct(0)
    with pytest.raises(InvalidModel, match="rate of an encoder must be positive, not -1"):
        Poisson(2, rate=-1)
    with pytest.raises(InvalidModel, match="unknown latency law 'cubic'; choose linear or log"):
        Latency(4, law="cubic")
    with pytest.raises(InvalidModel, match="log law cannot hold 200 steps; use at most 80"):
        Latency(200, law="log")
    with pytest.raises(InvalidModel, match=r"threshold is in \[0, 1\] and a reach in \(0, 1\]"):
        Latency(4, reach=0.0)


def test_what_is_printed():
    assert repr(Encoded(Latency(4), nn.Identity())).count("steps=4, law=linear, threshold=0") == 1
    assert repr(Bernoulli(3, rate=0.5)) == "Bernoulli(steps=3, rate=0.5)"
    assert repr(Poisson(3)) == "Poisson(steps=3, rate=1)"
    assert repr(Direct(2)) == "Direct(steps=2)"
