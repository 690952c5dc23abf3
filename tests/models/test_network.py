from __future__ import annotations

import itertools

import pytest
import torch

from spikeproof.errors import InvalidModel
from spikeproof.models import NeuronSpec, build, twin
from spikeproof.models.modules import Weighted

LINE = "4c3-bn-p2-drop20-6c3-bn-mp2-fc8-bn-fc3"


def cells(n=4, bins=5, height=9, width=8, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return (torch.rand(n, bins, 2, height, width, generator=rng) < 0.3).float()


def network(line=LINE, seed=0, **settings):
    """A network whose batch norms have seen data and whose neurons spike."""
    torch.manual_seed(seed)
    settings.setdefault("neuron", NeuronSpec(threshold=0.3))
    net = build(line, height=9, width=8, **settings)
    with torch.no_grad():
        for _ in range(40):
            net(cells(8))
    return net.eval()


@pytest.mark.parametrize(
    ("line", "features"),
    [
        ("fc3", 144),
        ("p2-fc3", 2 * 4 * 4),
        ("4c3-fc3", 4 * 9 * 8),
        ("4c3s2-fc3", 4 * 5 * 4),
        ("4c5s3-fc3", 4 * 3 * 3),
        ("4c3-p2-mp2-fc3", 4 * 2 * 2),
        ("4c3-mp3-fc3", 4 * 3 * 2),
    ],
)
@pytest.mark.parametrize("bins", [1, 6])
def test_shapes(line, features, bins):
    net = build(line, height=9, width=8)
    assert net.layers[-1].weight.in_features == features
    assert net(cells(2, bins)).shape == (2, 3)
    assert net(cells(0, bins)).shape == (0, 3)
    assert net.n_classes == 3
    assert net.n_parameters == sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("kind", ["if", "lif", "plif"])
@pytest.mark.parametrize("spiking", [True, False])
def test_a_network_is_a_pure_function(kind, spiking):
    net = network(neuron=NeuronSpec(kind, threshold=0.3), spiking=spiking)
    x = cells(7)
    with torch.no_grad():
        first = net(x)
        assert first.std(0).min() > 0  # not a constant
        assert torch.equal(net(x), first)
        net(cells(5, seed=1))
        assert torch.equal(net(x), first)
        order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
        assert torch.allclose(net(x[order]), first[order], atol=1e-6)
        assert torch.allclose(net(x[2:3]), first[2:3], atol=1e-6)


@pytest.mark.parametrize("spiking", [True, False])
def test_the_gradient_of_a_sample_does_not_depend_on_its_batch(spiking):
    net = network(spiking=spiking)
    x = cells(5)
    together = x.clone().requires_grad_()
    (net(together) * torch.tensor([1.0, -2.0, 0.5])).sum().backward()
    for n in range(5):
        alone = x[n : n + 1].clone().requires_grad_()
        (net(alone) * torch.tensor([1.0, -2.0, 0.5])).sum().backward()
        assert alone.grad.abs().sum() > 0
        assert torch.allclose(alone.grad[0], together.grad[n], atol=1e-6)


def test_memory_layout_does_not_matter():
    net = network()
    x = cells()
    with torch.no_grad():
        other = x.movedim(2, -1).contiguous().movedim(-1, 2)
        assert torch.equal(net(x), net(other))


@pytest.mark.parametrize("line", ["4c3-bn-fc3", "fc8-bn-fc3", "4c3s2-bn-6c3-bn-fc3"])
def test_folded_batch_norm_is_batch_norm(line):
    net = network(line, spiking=False)
    with torch.no_grad():
        for layer in net.layers:
            if layer.norm is not None:
                layer.norm.weight.uniform_(0.5, 2)
                layer.norm.bias.uniform_(-1, 1)
        x = y = cells()
        for layer in net.layers:
            assert isinstance(layer, Weighted)
            if isinstance(layer.weight, torch.nn.Linear):
                y = y.flatten(2)
            z = layer.weight(y.flatten(0, 1))
            z = z if layer.norm is None else layer.norm(z)
            y = layer.activation(z.unflatten(0, y.shape[:2]))
        assert torch.allclose(net(x), y.mean(1), atol=1e-5)


def test_batch_norm_runs_over_samples_time_and_space():
    net = build("4c3-bn-fc3", height=9, width=8)
    x = cells(6)
    out = net.layers[0].weight(x.flatten(0, 1))
    net.train()(x)
    norm = net.layers[0].norm
    assert torch.allclose(norm.running_mean, 0.1 * out.mean((0, 2, 3)), atol=1e-6)


def test_dropout_is_one_mask_for_all_bins_and_off_in_evaluation():
    net = build("drop50-fc3", height=9, width=8)
    drop = net.layers[0]
    x = torch.ones(3, 4, 2, 9, 8)
    dropped = drop.train()(x)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert (dropped == dropped[:, :1]).all()
    assert (dropped[0] != dropped[1]).any()
    assert torch.equal(drop.eval()(x), x)


@pytest.mark.parametrize("kind", ["lif", "plif"])
def test_the_twin_has_the_same_weights_and_no_spikes(kind):
    net = network(neuron=NeuronSpec(kind))
    other = twin(net)
    assert not other.training
    assert not other.description["spiking"]
    assert other.description | {"spiking": True} == net.description
    weights = other.state_dict()
    assert weights
    for name, value in net.state_dict().items():
        assert name.endswith("activation.leak") or torch.equal(weights[name], value)
    kinds = {type(m).__name__ for m in other.modules()}
    assert "ReLU" in kinds
    assert not kinds & {"LIF", "ParametricLIF"}
    back = twin(other)
    assert back.description == net.description
    if kind == "lif":
        with torch.no_grad():
            assert torch.equal(back(cells()), net(cells()))


def test_hidden_layers_spike_and_the_read_out_does_not():
    net = network()
    seen = {}
    for i, layer in enumerate(net.layers):
        layer.register_forward_hook(lambda _m, _x, y, i=i: seen.__setitem__(i, y))
    with torch.no_grad():
        logits = net(cells())
    *hidden, readout = [seen[i] for i, m in enumerate(net.layers) if isinstance(m, Weighted)]
    for spikes in hidden:
        assert set(spikes.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(readout.mean(1), logits)


def test_weights_come_from_the_global_generator():
    nets = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        nets.append(torch.cat([p.flatten() for p in build(LINE, height=9, width=8).parameters()]))
    assert torch.equal(nets[0], nets[1])
    assert not torch.equal(nets[0], nets[2])


def test_recordings_of_another_sensor_are_refused():
    net = build("fc3", height=9, width=8)
    for shape in [(1, 5, 2, 8, 9), (1, 5, 1, 9, 8), (5, 2, 9, 8)]:
        with pytest.raises(InvalidModel, match=r"takes recordings \[N, T, 2, 9, 8\], not \["):
            net(torch.zeros(shape))


def test_pooling_a_sensor_to_nothing_is_refused():
    with pytest.raises(InvalidModel, match="pool 2 leaves nothing of maps of 1x1"):
        build("p2-p2-p2-p2-fc3", height=9, width=8)


def test_every_neuron_and_reset_learns():
    for kind, reset in itertools.product(("if", "lif", "plif"), ("hard", "soft")):
        net = build("4c3-fc3", height=9, width=8, neuron=NeuronSpec(kind, reset=reset))
        net(cells()).square().sum().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())
