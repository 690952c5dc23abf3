from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import spikeproof
from spikeproof.models import NeuronSpec, build, load_checkpoint, save_checkpoint, twin
from spikeproof.models.modules import Joined
from spikeproof.models.neuron import LIF
from spikeproof.models.topology import parse, typed

from .programs import classifiers

PARALLEL = "dense 100 20 |> (dense 20 10 (-) dense 20 10) |> dense 20 10"
NEURON = NeuronSpec("if", threshold=0.3, reset="soft")


def cells(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def drawn(text, seed=0, **sensor):
    torch.manual_seed(seed)
    return build(text, neuron=NEURON, **sensor).eval()


def by_hand(spiking, read_in, branches, read_out):
    """The parallel network written out: one bin after another for ReLUs, all for neurons."""

    def through(x):
        fire = NEURON.build() if spiking else nn.ReLU()
        h = fire(read_in(x.flatten(2)))
        h = torch.cat([fire(branch(h)) for branch in branches], 2)
        return read_out(h).mean(1)

    return through


@pytest.mark.parametrize("spiking", [True, False])
def test_the_published_parallel_program_is_the_network_written_by_hand(spiking):
    net = drawn(PARALLEL, height=10, width=10, polarities=1, spiking=spiking)
    torch.manual_seed(0)
    hand = by_hand(
        spiking, nn.Linear(100, 20), [nn.Linear(20, 10), nn.Linear(20, 10)], nn.Linear(20, 10)
    )
    x = cells(3, 6, 1, 10, 10)
    with torch.no_grad():
        assert torch.allclose(net(x), hand(x), atol=1e-6)
        assert net(x).std() > 0


@pytest.mark.parametrize("spiking", [True, False])
def test_a_convolutional_program_is_the_network_written_by_hand(spiking):
    text = "conv _ 4 3 |> maxpool 2 |> (conv _ 3 3 stride 2 (-) conv _ 2 5 stride 2) |> dense _ 3"
    net = drawn(text, height=9, width=8, spiking=spiking)
    torch.manual_seed(0)
    first, a, b = (
        nn.Conv2d(2, 4, 3, padding=1),
        nn.Conv2d(4, 3, 3, stride=2, padding=1),
        nn.Conv2d(4, 2, 5, stride=2, padding=2),
    )
    last = nn.Linear(5 * 2 * 2, 3)
    fire = NEURON.build() if spiking else nn.ReLU()

    def over_time(layer, x):
        return layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])

    x = cells(3, 6, 2, 9, 8)
    with torch.no_grad():
        h = over_time(nn.MaxPool2d(2), fire(over_time(first, x)))
        h = torch.cat([fire(over_time(a, h)), fire(over_time(b, h))], 2).flatten(2)
        assert torch.allclose(net(x), last(h).mean(1), atol=1e-6)


@pytest.mark.parametrize(
    ("line", "program"),
    [
        ("16c5-bn-p2-32c3-bn-p2-fc10",
         "conv _ 16 5 norm |> pool 2 |> conv _ 32 3 norm |> pool 2 |> dense _ 10"),
        ("4c3s2-mp2-drop20-fc8-bn-fc3",
         "(conv 2 4 3 stride 2 |> maxpool 2) |> (dropout 20 |> (let n = 8 in dense _ n norm))"
         " |> dense 8 3"),
    ],
)  # fmt: skip
def test_shorthand_and_program_are_one_network(line, program):
    one, other = (drawn(text, height=9, width=8) for text in (line, program))
    assert one.state_dict().keys() == other.state_dict().keys()
    x = cells(2, 5, 2, 9, 8)
    with torch.no_grad():
        assert torch.equal(one(x), other(x))


@settings(max_examples=25, deadline=None)
@given(classifiers(6), st.booleans())
def test_weights_go_from_one_network_to_the_other_and_back(term, spiking):
    net = drawn(f"dense _ 6 |> ({term})", height=3, width=2, polarities=1, spiking=spiking)
    other = twin(net)
    assert other.description["spiking"] is not spiking
    assert net.state_dict().keys() == other.state_dict().keys()
    neurons = {type(m) for m in (net, other)[not spiking].modules()}
    assert not {type(m) for m in (net, other)[spiking].modules()} & {LIF}
    assert nn.ReLU not in neurons
    x = cells(2, 4, 1, 3, 2)
    with torch.no_grad():
        assert net(x).shape == (2, net.n_classes)
        assert torch.equal(twin(other)(x), net(x))


@given(classifiers(6))
@settings(max_examples=25, deadline=None)
def test_the_normal_form_builds_the_same_network(term):
    form = str(typed(parse(f"dense _ 6 |> ({term})"), (1, 3, 2)))
    one, other = (
        drawn(text, height=3, width=2, polarities=1) for text in (f"dense _ 6 |> ({term})", form)
    )
    assert one.state_dict().keys() == other.state_dict().keys()
    with torch.no_grad():
        assert torch.equal(one(cells(2, 3, 1, 3, 2)), other(cells(2, 3, 1, 3, 2)))


def test_every_use_of_a_name_has_weights_of_its_own():
    net = drawn("let h = dense 4 4 in h |> (h (-) h) |> dense _ 2", height=2, width=1)
    one, other = (branch[0].weight.weight for branch in net.layers[1].branches)
    assert one is not other
    assert not torch.equal(one, other)


def test_read_outs_side_by_side_do_not_spike():
    net = drawn("dense 4 5 |> (dense 5 1 (-) (dense 5 3 |> dense 3 2))", height=2, width=1)
    assert isinstance(net.layers[1], Joined)
    assert net.n_classes == 3
    short, long = net.layers[1].branches
    assert isinstance(short[-1].activation, nn.Identity)
    assert isinstance(long[-1].activation, nn.Identity)
    assert isinstance(long[0].activation, LIF)


def test_the_shipped_network_is_described_in_shorthand_and_loads_as_ever():
    package = Path(spikeproof.__file__).parent
    net = load_checkpoint(package / "models" / "pretrained" / "digits-small.safetensors").network
    assert net.description["architecture"] == "16c5-bn-p2-32c3-bn-p2-fc10"
    norms = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    hidden = [
        f"layers.{i}.{n}" for i in (0, 2) for n in ("weight.weight", *(f"norm.{x}" for x in norms))
    ]
    assert list(net.state_dict()) == [*hidden, "layers.4.weight.weight", "layers.4.weight.bias"]


def test_programs_survive_a_checkpoint(tmp_path):
    net = drawn(PARALLEL, height=10, width=10, polarities=1)
    save_checkpoint(tmp_path / "net.safetensors", net, {})
    again = load_checkpoint(tmp_path / "net.safetensors").network
    assert again.description["architecture"] == PARALLEL
    x = cells(2, 5, 1, 10, 10)
    with torch.no_grad():
        assert torch.equal(again(x), net(x))
