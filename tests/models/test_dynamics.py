"""The compiled loops, the eager ones, the single steps and a naive reference must agree.

Inputs and thresholds are multiples of 1/64 and decays are 1/2 or 1/4, so that the arithmetic is
exact and spikes must agree in every single cell, those exactly at the threshold included.
"""

from __future__ import annotations

import math

import pytest
import torch

from spikeproof.models import ArcTan, FastSigmoid, PiecewiseQuadratic, PotentialDependent
from spikeproof.models.dynamics import Dynamics
from spikeproof.models.scan import scan

SURROGATES = [ArcTan(3.0), FastSigmoid(2.0), PiecewiseQuadratic(0.75), PotentialDependent(0.2)]
RESETS = ["hard", "soft", "delayed", "erase", "none"]


def currents(*shape, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(-40, 100, shape, generator=rng) / 64


def naive(x, *, decay, threshold, gain, bias, reset, v_reset, start, floor, strict, multiple):
    """The membrane after each reset, written as each framework writes it; potentials, spikes."""
    m, s = start * torch.ones_like(x[:, 0]), torch.zeros_like(x[:, 0])
    potentials, spikes = [], []
    for t in range(x.shape[1]):
        u = decay * m + gain * x[:, t] + bias
        if reset == "delayed":
            u = u - threshold * s
        if reset == "erase":
            u = u * (s == 0)
        fired = (u > threshold) if strict else (u >= threshold)
        s = (fired * (u / threshold).floor() if multiple else fired.to(u)).detach()
        potentials.append(u)
        spikes.append(s)
        m = u
        if reset == "hard":
            m = torch.where(s > 0, v_reset * torch.ones_like(u), u)
        if reset == "soft":
            m = u - s * threshold
        if floor > -math.inf:
            m = torch.relu(m - floor) + floor
    return torch.stack(potentials, 1), torch.stack(spikes, 1)


def gradient(out, x):
    weights = torch.linspace(-1, 2, out.numel(), dtype=out.dtype).view(out.shape)
    return torch.autograd.grad((out * weights).sum(), x)[0]


def stepwise(layer, x):
    state, outs = None, []
    for t in range(x.shape[1]):
        out, state = layer.step(x[:, t], state)
        outs.append(out)
    return torch.stack(outs, 1)


def per_channel(*values):
    return torch.tensor(values).view(-1, 1, 1)


CASES = [
    {},
    {"strict": True},
    {"gain": 0.5, "bias": 0.25},
    {"v_reset": 0.25, "start": 0.5},
    {"floor": -0.25},
    {"multiple": True},
    {"decay": per_channel(0.5, 0.25, 1.0), "threshold": per_channel(1.0, 0.5, 2.0)},
    {"decay": 0.0},
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(c) or "plain")
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_all_ways_to_compute_it_agree(case, reset, channels_last):
    if reset in ("delayed", "erase") and "floor" in case:
        pytest.skip("no framework has it")
    x = currents(2, 6, 3, 4, 2)
    if channels_last:
        x = x.movedim(2, -1).contiguous().movedim(-1, 2)
    settings = {"decay": 0.5, "threshold": 1.0, "reset": reset} | case
    layer = Dynamics(**settings, surrogate=ArcTan())
    reference = {"gain": 1.0, "bias": 0.0, "v_reset": 0.0, "start": 0.0, "floor": -math.inf}
    reference |= {"strict": False, "multiple": False} | settings
    double = x.double().requires_grad_()
    potentials, expected = naive(double, **reference)
    bump = ArcTan().derivative((potentials - settings["threshold"]).detach())
    by_hand = gradient(expected + bump * (potentials - potentials.detach()), double)
    if "decay" not in case:  # the case of no decay is about the carry, not about activity
        assert 0.05 < (expected > 0).double().mean() < 0.95
    for run in (layer, lambda x: stepwise(layer, x)):
        for kind in (torch.float32, torch.float64):
            inputs = x.to(kind).requires_grad_()
            spikes = run(inputs)
            assert torch.equal(spikes.double(), expected)
            assert torch.allclose(gradient(spikes, inputs).double(), by_hand, atol=2e-5)
    assert layer(x).stride() == x.stride()


@pytest.mark.parametrize("surrogate", SURROGATES, ids=repr)
@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_plain_settings_are_those_of_our_own_neurons(surrogate, reset):
    layer = Dynamics(0.5, threshold=1.0, reset=reset, surrogate=surrogate)
    for x in (currents(2, 6, 3, 5, 4), currents(2, 5, 3000)):  # the second exceeds a block
        x = x.requires_grad_()
        ours = scan(x, 0.5, threshold=1.0, reset=reset, surrogate=surrogate)
        assert torch.equal(layer(x), ours)
        assert torch.allclose(gradient(layer(x), x), gradient(ours, x), atol=1e-5)


def test_a_synapse_filters_the_input():
    x = currents(2, 6, 5).requires_grad_()
    layer = Dynamics(0.5, threshold=1.0, reset="soft", synapse=0.25)
    filtered, i = [], torch.zeros(2, 5)
    for t in range(6):
        i = 0.25 * i + x[:, t]
        filtered.append(i)
    plain = Dynamics(0.5, threshold=1.0, reset="soft")(torch.stack(filtered, 1))
    assert torch.equal(layer(x), plain)
    assert torch.allclose(gradient(layer(x), x), gradient(plain, x), atol=1e-5)
    assert torch.equal(stepwise(layer, x), plain)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_without_a_threshold_it_integrates(kind):
    x = torch.zeros(1, 4, 2, dtype=kind)
    x[0, 0] = 1.0
    layer = Dynamics(0.5, gain=2.0)
    assert not layer.spiking
    x.requires_grad_()
    assert layer(x)[0, :, 0].tolist() == [2.0, 1.0, 0.5, 0.25]
    assert stepwise(layer, x)[0, :, 0].tolist() == [2.0, 1.0, 0.5, 0.25]
    (by_x,) = torch.autograd.grad(layer(x).sum(), x)
    assert by_x[0, :, 0].tolist() == [3.75, 3.5, 3.0, 2.0]


def test_the_membrane_of_spiking_neurons_can_be_read():
    x = torch.tensor([0.75, 0.75, 0.25]).view(1, 3, 1)
    layer = Dynamics(1.0, threshold=1.0, reset="delayed", emits_membrane=True)
    assert layer(x).flatten().tolist() == [0.75, 1.5, 0.75]
    assert not layer.spiking


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_empty_and_small_inputs(kind):
    layer = Dynamics(0.5, threshold=1.0)
    for shape in ((0, 3, 4), (2, 1, 1), (2, 3, 1, 1, 1)):
        x = torch.ones(shape, dtype=kind, requires_grad=True)
        layer(x).sum().backward()
        assert torch.isfinite(x.grad).all()
