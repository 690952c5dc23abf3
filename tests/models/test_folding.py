from __future__ import annotations

import pytest
import torch
from torch import nn

from spikeproof.models import NeuronSpec, build, folded
from spikeproof.models.modules import Weighted

PROGRAMS = [
    "dense _ 6 |> dense 6 3",
    "4c3-bn-p2-6c3s2-mp2-drop20-fc8-bn-fc3",
    "let c = conv _ 4 3 norm in c |> (c (-) conv _ 2 5 norm) |> pool 2 |> dense _ 3",
]


def cells(n, bins=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, bins, 2, 9, 8, generator=generator, dtype=torch.float64)


def network(program, spiking=False, neuron=None):
    """A network whose batch norms have seen data and have weights of their own."""
    torch.manual_seed(0)
    net = build(program, height=9, width=8, spiking=spiking, neuron=neuron).double()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(-2, 2)
                module.bias.uniform_(-1, 1)
        for _ in range(40):
            net(3 * cells(8))
    return net.eval()


def unfused(net, x):
    """The logits of a chain, with batch norm applied by PyTorch after the weights."""
    for layer in net.layers:
        if not isinstance(layer, Weighted):
            x = layer(x)
            continue
        x = x.flatten(2) if isinstance(layer.weight, nn.Linear) else x
        y = layer.weight(x.flatten(0, 1))
        y = y if layer.norm is None else layer.norm(y)
        x = layer.activation(y.unflatten(0, x.shape[:2]))
    return x.mean(1)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("spiking", [False, True])
def test_logits_stay_and_no_norm_is_left(program, spiking):
    net, x = network(program, spiking, NeuronSpec("plif", tau=3.0)), cells(10, 3, seed=1)
    other = folded(net)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in other.modules())
    assert "norm" not in other.description["architecture"]
    assert other.description["spiking"] is spiking
    with torch.no_grad():
        assert torch.allclose(other(x), net(x), rtol=0, atol=1e-9)
        assert net(x).std() > 1e-3


def test_logits_are_those_of_batch_norm_as_pytorch_computes_it():
    net, x = network(PROGRAMS[1]), cells(10, seed=1)
    with torch.no_grad():
        want = unfused(net, x)
        assert torch.allclose(folded(net)(x), want, rtol=0, atol=1e-9)
        assert torch.allclose(folded(net.float())(x.float()), want.float(), rtol=0, atol=1e-5)


def test_the_network_itself_is_left_alone():
    net = network(PROGRAMS[1]).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert not folded(net).training
    assert net.training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
