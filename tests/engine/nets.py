"""Networks small enough to compare with autograd, busy enough to have something to compare."""

from __future__ import annotations

import torch
from torch import nn

from spikeproof.models import NeuronSpec, build
from spikeproof.models.circuit import chain
from spikeproof.models.dynamics import Dynamics


def network(line, *, neuron=None, height=9, width=8, seed=0):
    """A spiking network of ours whose batch norms have seen data, in evaluation mode."""
    torch.manual_seed(seed)
    net = build(line, height=height, width=width, neuron=neuron or NeuronSpec(threshold=0.4))
    with torch.no_grad():
        for _ in range(20):
            net(cells(8, height=height, width=width, seed=seed + 1))
    return net.eval()


def circuit(*layers, input_shape=(2, 9, 8), readout="mean"):
    return chain(layers, input_shape=input_shape, readout=readout).eval()


def conv(n_in, n_out, kernel=3, seed=0, **settings):
    torch.manual_seed(seed)
    return nn.Conv2d(n_in, n_out, kernel, **settings)


def neurons(**settings):
    return Dynamics(
        settings.pop("decay", 0.5), threshold=settings.pop("threshold", 0.3), **settings
    )


KNOWN = [
    {"reset": "hard", "v_reset": -0.1, "start": -0.1, "bias": 0.02},
    {"reset": "soft", "gain": 0.7},
    {"reset": "delayed", "strict": True},
    {"reset": "none"},
    {"decay": torch.full((4, 9, 8), 0.8)},
]
"""Neurons as other frameworks have them that the loops know."""


def foreign(**settings):
    """A network as other frameworks have it, its first neurons with these ``settings``."""
    return circuit(
        conv(2, 4, padding=1),
        neurons(**settings),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 6),
        neurons(threshold=0.05),
        nn.Linear(6, 3),
    )


def cells(n=5, bins=6, height=9, width=8, seed=7, share=0.15, most=1):
    rng = torch.Generator().manual_seed(seed)
    shape = n, bins, 2, height, width
    active = torch.rand(shape, generator=rng) < share
    return active * torch.randint(1, most + 1, shape, generator=rng).float()


def by_autograd(model, x, climb):
    """What the engine must give: logits, and the gradient of the sum of the losses."""
    leaf = x.clone().requires_grad_()
    logits = model(leaf)
    (gradient,) = torch.autograd.grad(climb(logits, slice(0, len(x))).sum(), leaf)
    return logits.detach(), gradient


def curved(logits, chosen):
    """A loss that is not linear, and another one for every sample."""
    weight = 1.0 + torch.arange(chosen.start, chosen.stop, dtype=torch.float32)
    return weight * (logits[:, 0].sin() - (logits**2).sum(1))


def assert_same(engine, model, x, *, share=1e-5):
    """Logits and gradients of ``engine`` are those of ``model`` but for the order of sums."""
    logits, gradient = engine.gradient(x, curved)
    expected, by_hand = by_autograd(model, x, curved)
    assert gradient.shape == x.shape
    assert by_hand.abs().max() > 0
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(engine(x), logits, rtol=0, atol=0)
    assert (gradient - by_hand).abs().max() <= share * by_hand.abs().max()
