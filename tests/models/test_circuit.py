from __future__ import annotations

import pytest
import torch
from torch import nn

from spikeproof.errors import InvalidModel
from spikeproof.evaluate import activity
from spikeproof.models import FastSigmoid, NeuronSpec, build, using_surrogate
from spikeproof.models.circuit import Circuit, chain
from spikeproof.models.dynamics import Dynamics


def recordings(n=2, bins=5, size=6, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return (torch.rand(n, bins, 2, size, size, generator=rng) < 0.4).float()


def test_a_chain_is_our_own_network_in_other_clothes():
    torch.manual_seed(0)
    network = build("8c3-bn-p2-16c3-fc10", height=8, width=8, neuron=NeuronSpec(tau=2.0)).eval()
    network.layers[0].norm.running_mean.normal_()
    network.layers[0].norm.running_var.uniform_(0.5, 2)
    conv1, _, conv2, last = network.layers
    norm = nn.BatchNorm2d(8)
    norm.load_state_dict(conv1.norm.state_dict())
    layers = [conv1.weight, norm, Dynamics(0.5, threshold=1.0), nn.AvgPool2d(2), conv2.weight]
    layers += [Dynamics(0.5, threshold=1.0), nn.Flatten(), last.weight]
    ours = chain(layers, input_shape=(2, 8, 8))
    x = recordings(size=8).requires_grad_()
    assert torch.allclose(ours(x), network(x), atol=1e-6)
    gradients = [torch.autograd.grad(model(x)[:, 0].sum(), x)[0] for model in (ours, network)]
    assert gradients[0].abs().max() > 1e-6
    assert torch.allclose(*gradients, atol=1e-6)
    assert torch.equal(activity(ours, x).spikes, activity(network, x).spikes)
    assert torch.equal(activity(ours, x).synops, activity(network, x).synops)
    with using_surrogate(ours, FastSigmoid(1.0)):
        other = torch.autograd.grad(ours(x)[:, 0].sum(), x)[0]
    assert not torch.allclose(other, gradients[0])
    assert torch.equal(torch.autograd.grad(ours(x)[:, 0].sum(), x)[0], gradients[0])


def test_norm_after_a_linear_layer_is_folded():
    torch.manual_seed(0)
    linear, norm = nn.Linear(72, 4), nn.BatchNorm1d(4).eval()
    norm.running_mean.normal_()
    norm.weight.data.uniform_(0.5, 2)
    x = recordings()
    expected = norm(linear(x.flatten(0, 1).flatten(1))).unflatten(0, (2, 5)).mean(1)
    circuit = chain([linear, norm], input_shape=(72,))
    assert len(circuit.layers) == 1
    assert torch.allclose(circuit(x), expected, atol=1e-6)


def test_read_outs():
    x = recordings(size=1)
    outputs = {r: chain([nn.Flatten()], input_shape=(2, 1, 1), readout=r)(x) for r in READOUTS}
    assert torch.equal(outputs["mean"], x.flatten(2).mean(1))
    assert torch.equal(outputs["sum"], x.flatten(2).sum(1))
    assert torch.equal(outputs["last"], x.flatten(2)[:, -1])


READOUTS = ["mean", "sum", "last"]


def test_branches_are_summed():
    nodes = {"in": nn.Identity(), "a": nn.Flatten(), "b": nn.Flatten(), "out": nn.Identity()}
    edges = [("in", "a"), ("in", "b"), ("a", "out"), ("b", "out")]
    x = recordings()
    circuit = Circuit(nodes, edges, input_shape=(2, 6, 6))
    assert torch.equal(circuit(x), 2 * x.flatten(2).mean(1))


def loop(bias=True):
    torch.manual_seed(1)
    nodes = {
        "in": nn.Flatten(),
        "w": nn.Linear(72, 5),
        "lif": Dynamics(0.75, threshold=0.5, reset="soft"),
        "back": nn.Linear(5, 5, bias=bias),
        "out": nn.Identity(),
    }
    edges = [("in", "w"), ("w", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "out")]
    return nodes, Circuit(nodes, edges, input_shape=(2, 6, 6))


def test_a_loop_takes_one_bin():
    nodes, circuit = loop()
    x = recordings(n=3, bins=7).requires_grad_()
    m, s, counts = torch.zeros(3, 5), torch.zeros(3, 5), 0
    for t in range(7):
        current = nodes["w"](x[:, t].flatten(1)) + nodes["back"](s)
        u = 0.75 * m + current
        s = (u >= 0.5).float()
        m = u - 0.5 * s
        counts = counts + s
    assert circuit.recurrent
    assert torch.allclose(circuit(x), counts / 7)
    assert 0 < counts.mean() < 7
    (by_x,) = torch.autograd.grad(circuit(x).sum(), x)
    assert (by_x[:, 0] != 0).any()  # the first bin matters through the loop too


def test_steps_and_all_at_once_agree():
    layers = [nn.Conv2d(2, 4, 3), Dynamics(0.5, threshold=0.25, synapse=0.5), nn.Flatten()]
    circuit = chain([*layers, nn.Linear(64, 3)], input_shape=(2, 6, 6))
    x = recordings().requires_grad_()
    assert torch.allclose(circuit._in_steps(x), circuit._at_once(x), atol=1e-6)


@pytest.mark.parametrize(
    ("nodes", "edges", "words"),
    [
        ("ab", [("a", "c")], "edge a -> c: no node 'c'"),
        ("abc", [("a", "b")], "exactly one node without input, not 2 (a, c)"),
        ("ab", [("a", "b"), ("b", "a")], "exactly one node without input, not 0 (none)"),
        ("abc", [("a", "b"), ("a", "c")], "exactly one node without output, not 2 (b, c)"),
        (
            "abcd",
            [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")],
            "has no neurons; nothing in it takes time",
        ),
    ],
)
def test_what_is_no_network_is_refused(nodes, edges, words):
    with pytest.raises(InvalidModel) as error:
        Circuit({name: nn.Identity() for name in nodes}, edges, input_shape=(1,))
    assert words in str(error.value)


def test_layers_that_do_not_fit_are_named():
    with pytest.raises(InvalidModel, match=r"node '1' cannot take 72 \(.*72.*71"):
        chain([nn.Flatten(), nn.Linear(71, 3)], input_shape=(2, 6, 6))
    nodes, _ = loop()
    nodes["back"] = nn.Linear(5, 4)
    edges = [("in", "w"), ("w", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "out")]
    with pytest.raises(InvalidModel, match="node 'lif' gets 4 and 5, which do not add"):
        Circuit(nodes, edges, input_shape=(2, 6, 6))
    per_neuron = Dynamics(torch.full((4,), 0.5), threshold=1.0)
    with pytest.raises(InvalidModel, match="node '1' cannot take 72"):
        chain([nn.Flatten(), per_neuron], input_shape=(2, 6, 6))


def test_other_sensors_are_refused():
    circuit = chain([nn.Flatten()], input_shape=(2, 6, 6))
    with pytest.raises(InvalidModel, match="takes 2x6x6 in each bin, not 2x4x9"):
        circuit(torch.zeros(1, 3, 2, 4, 9))
    flat = chain([nn.Flatten()], input_shape=(72,))
    assert flat(torch.zeros(1, 3, 2, 4, 9)).shape == (1, 72)
