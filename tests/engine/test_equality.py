"""The engine gives what autograd gives, for every layer and neuron that networks are made of."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from spikeproof.engine import engine_for
from spikeproof.models import (
    ArcTan,
    FastSigmoid,
    NeuronSpec,
    PiecewiseQuadratic,
    PotentialDependent,
)
from spikeproof.models.swap import using_surrogate

from .nets import (
    KNOWN,
    assert_same,
    by_autograd,
    cells,
    circuit,
    conv,
    curved,
    foreign,
    network,
    neurons,
)

SURROGATES = [ArcTan(3.0), FastSigmoid(2.0), PiecewiseQuadratic(0.75), PotentialDependent(0.2)]
LINES = [
    "4c3-p2-fc3",
    "4c3-bn-p2-6c3-bn-p2-fc3",
    "5c5-bn-drop20-7c3s2-p3-fc9-fc4",
    "3c3s3-fc2",
    "4c3-bn-mp2-4c3-fc3",
    "17c1-bn-p2-33c3-fc12-bn-drop10-fc3",
    "p2-4c3-fc3",
    "fc8-fc3",
]


def exact(model):
    engine = engine_for(model, "float32")
    assert engine is not None
    return engine


@pytest.mark.parametrize("line", LINES)
def test_networks(line):
    net = network(line)
    assert_same(exact(net), net, cells())


@pytest.mark.parametrize("kind", ["if", "lif", "plif"])
@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_neurons_of_ours(kind, reset):
    net = network("4c3-bn-p2-5c3-fc3", neuron=NeuronSpec(kind, 3.0, 0.5, reset))
    assert_same(exact(net), net, cells())


@pytest.mark.parametrize("surrogate", SURROGATES, ids=lambda s: type(s).__name__)
def test_surrogates(surrogate):
    net, x = network("4c3-bn-p2-5c3-fc6-fc3"), cells()
    logits, gradient = exact(net).gradient(x, curved, surrogate)
    with using_surrogate(net, surrogate):
        expected, by_hand = by_autograd(net, x, curved)
    torch.testing.assert_close(logits, expected)
    assert (gradient - by_hand).abs().max() <= 1e-5 * by_hand.abs().max()
    assert not torch.equal(gradient, exact(net).gradient(x, curved)[1])
    assert surrogate not in [m.surrogate for m in net.modules() if hasattr(m, "surrogate")]


@pytest.mark.parametrize(
    "settings",
    [
        *KNOWN,
        # What the loops do not know is left to the layer itself.
        {"decay": torch.linspace(0.2, 0.9, 4).view(4, 1, 1)},
        {"reset": "erase", "strict": True},
        {"reset": "soft", "floor": -0.2},
        {"reset": "soft", "multiple": True},
        {"synapse": 0.6},
        {"emits_membrane": True},
    ],
    ids=lambda s: "-".join(s),
)
def test_neurons_of_other_frameworks(settings):
    net = foreign(**settings)
    assert_same(exact(net), net, cells())


@pytest.mark.parametrize("readout", ["mean", "sum", "last"])
def test_readouts(readout):
    spiking = circuit(
        conv(2, 4), neurons(), nn.Flatten(), nn.Linear(168, 3), neurons(), readout=readout
    )
    linear = circuit(conv(2, 4), neurons(), nn.Flatten(), nn.Linear(168, 3), readout=readout)
    maps = circuit(conv(2, 4), neurons(), conv(4, 1, (7, 5), padding=(0, 1)), readout=readout)
    for net in (spiking, linear, maps):
        assert_same(exact(net), net, cells())


@pytest.mark.parametrize(
    "layers",
    [
        [conv(2, 4, stride=2, padding=2)],
        [conv(2, 4, (3, 5), stride=(2, 1), padding=(1, 0))],
        [conv(2, 4, 2, bias=False)],
        [conv(2, 4, padding=1, groups=2)],
        [conv(2, 4, dilation=2)],
        [conv(2, 4, padding="same", padding_mode="circular")],
        [conv(2, 4, padding=1), nn.BatchNorm2d(4)],
        [nn.BatchNorm2d(2), conv(2, 4, padding=1)],
        [nn.Dropout(0.4), conv(2, 4, padding=4)],
        [conv(2, 4), nn.ReLU(), conv(4, 4)],
    ],
    ids=lambda layers: "-".join(type(layer).__name__ for layer in layers),
)
@pytest.mark.parametrize(
    "pool",
    [
        nn.AvgPool2d(2),
        nn.AvgPool2d(3, divisor_override=1),
        nn.AvgPool2d(2, stride=1, padding=1),
        nn.AvgPool2d((2, 1), ceil_mode=True),
        nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(2),
    ],
    ids=str,
)
def test_weighted_layers_and_poolings(layers, pool):
    layers = [*layers, neurons(threshold=0.2), pool]
    size = circuit(*layers, nn.Flatten()).shapes
    units = next(reversed(size.values())).numel()
    torch.manual_seed(1)
    behind = [nn.Linear(units, 7), neurons(threshold=0.05), nn.Linear(7, 3)]
    net = circuit(*layers, nn.Flatten(), *behind)
    assert_same(exact(net), net, cells())


@pytest.mark.parametrize(("n", "bins"), [(1, 1), (1, 6), (33, 2)])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (34, 5)])
def test_sizes(n, bins, size):
    net = network("4c3-fc3", height=size[0], width=size[1], neuron=NeuronSpec(threshold=0.1))
    x = cells(n, bins, *size, share=0.4)
    assert_same(exact(net), net, x)


def test_counts_negative_numbers_and_vectors():
    net = network("4c3-bn-p2-fc3")
    assert_same(exact(net), net, cells(most=5))
    assert_same(exact(net), net, torch.randn(3, 4, 2, 9, 8))
    vectors = circuit(nn.Linear(144, 6), neurons(), nn.Linear(6, 3), input_shape=(144,))
    assert_same(exact(vectors), vectors, cells())


def test_nothing_in_nothing_out():
    net = network("4c3-fc3")
    logits, gradient = exact(net).gradient(cells(0), curved)
    assert logits.shape == (0, 3)
    assert gradient.shape == (0, 6, 2, 9, 8)
    assert exact(net)(cells(0)).shape == (0, 3)
