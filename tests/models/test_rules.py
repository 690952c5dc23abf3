"""The gradient rules against slow references that are written as the papers describe them."""

from __future__ import annotations

import pytest
import torch
from spikingjelly.activation_based import layer, neuron
from torch import nn

from spikeproof.adapters import adapt, fast_twin
from spikeproof.adapters.twin import Twin
from spikeproof.errors import InvalidModel
from spikeproof.models import (
    ArcTan,
    HybridGradient,
    NeuronSpec,
    RateGradient,
    build,
    surrogate_named,
    takes,
    using_surrogate,
)
from spikeproof.models.circuit import Circuit
from spikeproof.models.dynamics import Dynamics
from spikeproof.models.scan import scan

RULES = [RateGradient(), RateGradient(0.05), HybridGradient(), HybridGradient(0.4)]
RESETS = ["hard", "soft"]


def currents(*shape, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(-60, 130, shape, generator=rng) / 64


def by_rate(current, gradient, decay, threshold, below):
    """One neuron, one number at a time."""
    out = torch.zeros_like(current)
    for n in range(current.shape[0]):
        for f in range(current.shape[2]):
            mean = float(current[n, :, f].mean()) / threshold
            if mean < 0 or mean > 2:
                slope = 0.0
            elif mean < 1 - decay:
                slope = below
            else:  # the line from (1 - decay, below * (1 - decay)) to (2, 1)
                slope = (1 - below * (1 - decay)) / (2 - (1 - decay))
            for t in range(current.shape[1]):
                out[n, t, f] = gradient[n, t, f] * slope / threshold
    return out


def by_hybrid(current, gradient, decay, threshold, width, hard):
    """Autograd through a loop whose membrane is detached; the input's gradient averaged."""
    current = current.clone().requires_grad_()
    membrane = torch.zeros_like(current[:, 0])
    total = 0.0
    for t in range(current.shape[1]):
        u = decay * membrane.detach() + current[:, t]
        fired = (u >= threshold).to(u)
        bump = ((width - (u - threshold).abs()).clamp(min=0) / width**2).detach()
        spike = fired + bump * (u - u.detach())
        total = total + (spike * gradient[:, t]).sum()
        membrane = u * (1 - fired) if hard else u - threshold * fired
    (found,) = torch.autograd.grad(total, current)
    return found.mean(1, keepdim=True).expand_as(found)


def expected(rule, current, gradient, decay, threshold, reset):
    flat, arrives = current.flatten(2).double(), gradient.flatten(2).double()
    if isinstance(rule, RateGradient):
        found = by_rate(flat, arrives, decay, threshold, rule.below)
    else:
        found = by_hybrid(flat, arrives, decay, threshold, rule.width, reset == "hard")
    return found.view(current.shape)


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("decay", [0.5, 0.25, 1.0])
@pytest.mark.parametrize("threshold", [1.0, 0.75])
@pytest.mark.parametrize("channels_last", [False, True])
def test_both_kinds_of_neurons_follow_the_rule(rule, reset, decay, threshold, channels_last):
    current = currents(2, 5, 3, 2, 2)
    if channels_last:
        current = current.movedim(2, -1).contiguous().movedim(-1, 2)
    gradient = currents(*current.shape, seed=1)
    by_hand = expected(rule, current, gradient, decay, threshold, reset)
    assert (by_hand != 0).double().mean() > 0.1
    layer = Dynamics(decay, threshold=threshold, reset=reset, surrogate=rule)
    settings = {"threshold": threshold, "reset": reset}
    for kind in (torch.float32, torch.float64):
        x = current.to(kind).requires_grad_()
        for run in (lambda x: scan(x, decay, **settings, surrogate=rule), layer):
            spikes = run(x)
            assert torch.equal(spikes, scan(x, decay, **settings, surrogate=ArcTan()))
            (found,) = torch.autograd.grad(spikes, x, gradient.to(kind))
            assert torch.allclose(found.double(), by_hand, atol=1e-5)


def test_every_piece_of_the_rate_is_met():
    """A silent, a rising and a saturated neuron, and one that is driven down."""
    current = torch.tensor([0.25, 1.0, 2.5, -0.5]).expand(1, 3, 4).clone().requires_grad_()
    spikes = scan(current, 0.5, threshold=1.0, reset="hard", surrogate=RateGradient(0.2))
    (found,) = torch.autograd.grad(spikes.sum(), current)
    assert found[0, 0].tolist() == pytest.approx([0.2, 0.9 / 1.5, 0.0, 0.0])


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_gains_biases_and_constants_per_neuron_are_those_of_the_current(rule):
    x = currents(2, 5, 3).requires_grad_()
    gradient = currents(2, 5, 3, seed=1)
    decay, level = torch.tensor([0.5, 0.25, 0.75]), torch.tensor([1.0, 0.5, 2.0])
    layer = Dynamics(decay, threshold=level, gain=0.5, bias=0.25, reset="soft", surrogate=rule)
    (found,) = torch.autograd.grad(layer(x), x, gradient)
    for f in range(3):
        drive = (0.5 * x[:, :, [f]] + 0.25).detach()
        one = expected(rule, drive, gradient[:, :, [f]], float(decay[f]), float(level[f]), "soft")
        assert torch.allclose(found[:, :, [f]].double(), 0.5 * one, atol=1e-5)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_learned_leak_gets_no_gradient(rule):
    net = build("fc4-fc3", height=2, width=2, neuron=NeuronSpec("plif", surrogate=rule))
    x = (torch.rand(3, 4, 2, 2, 2, generator=torch.Generator().manual_seed(0)) < 0.6).float()
    net(x).sum().backward()
    for name, weight in net.named_parameters():
        assert (weight.grad is None) == name.endswith("leak")


@pytest.mark.parametrize("text", ["rate:0.2", "hybrid:1", "hybrid:0.5"])
def test_rules_have_names(text):
    rule = surrogate_named(text)
    assert rule == {"rate:0.2": RateGradient(), "hybrid:1": HybridGradient()}.get(
        text, HybridGradient(0.5)
    )


@pytest.mark.parametrize("bad", ["rate:-0.1", "rate:1", "hybrid:0", "hybrid:inf"])
def test_settings_that_make_no_sense_are_refused(bad):
    with pytest.raises(InvalidModel):
        surrogate_named(bad)


def in_spikingjelly():
    torch.manual_seed(0)
    return nn.Sequential(
        layer.Flatten(step_mode="m"),
        layer.Linear(8, 16, step_mode="m"),
        neuron.LIFNode(step_mode="m", v_threshold=0.25),
        layer.Linear(16, 3, step_mode="m"),
    ).eval()


def test_neurons_of_frameworks_refuse_rules_and_their_copies_take_them():
    x = (torch.rand(5, 4, 2, 2, 2, generator=torch.Generator().manual_seed(0)) < 0.6).float()
    model = adapt(in_spikingjelly(), x)
    assert takes(model, ArcTan())
    assert takes(model, None)
    before = model.neurons[0].surrogate_function
    for rule in RULES:
        assert not takes(model, rule)
        with pytest.raises(InvalidModel, match="SpikingJelly computes neurons bin by bin"):
            using_surrogate(model, rule).__enter__()
    assert model.neurons[0].surrogate_function is before
    twin = fast_twin(model, x)
    assert isinstance(twin, Twin)
    gradients = []
    for surrogate in (ArcTan(), *RULES):
        assert takes(twin.network, surrogate)
        with using_surrogate(twin.network, surrogate):
            inputs = x.clone().requires_grad_()
            gradients.append(torch.autograd.grad(twin.network(inputs)[:, 0].sum(), inputs)[0])
    assert len({tuple(g.flatten().tolist()) for g in gradients}) == len(gradients)
    assert all(g.any() for g in gradients)


def test_our_own_neurons_in_an_adapted_module_take_rules():
    x = (torch.rand(5, 4, 2, 2, 2, generator=torch.Generator().manual_seed(0)) < 0.6).float()
    ours = build("fc6-fc3", height=2, width=2).eval()
    model = adapt(ours, x)
    for rule in RULES:
        with using_surrogate(model, rule):
            assert [m.surrogate for m in ours.modules() if hasattr(m, "surrogate")] == [rule]


def test_networks_with_loops_refuse_rules():
    nodes = {
        "in": nn.Linear(2, 2),
        "neurons": Dynamics(0.5, threshold=0.5),
        "back": nn.Linear(2, 2),
        "out": nn.Linear(2, 2),
    }
    edges = [("in", "neurons"), ("neurons", "back"), ("back", "neurons"), ("neurons", "out")]
    loop = Circuit(nodes, edges, input_shape=(2,))
    for rule in RULES:
        assert not takes(loop, rule)
        with pytest.raises(InvalidModel, match="loops"), using_surrogate(loop, rule):
            pass
        alone = Dynamics(0.5, threshold=0.5, surrogate=rule)
        with pytest.raises(InvalidModel, match="bin by bin"):
            alone.step(torch.ones(1, 2))
    assert takes(loop, ArcTan())
