"""Penalties on values: the same loss, gradient and steps in a ReLU network and its first spikes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from spikeproof.errors import InvalidModel
from spikeproof.models import build
from spikeproof.models.ttfs import from_relu
from spikeproof.training import SparsityPenalty, TrainingConfig, fit


def task(n=24):
    x = torch.rand(n, 1, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    return x, torch.arange(n) % 3


def relu(line="fc12-fc8-fc3"):
    torch.manual_seed(0)
    return build(line, height=6, width=6, polarities=1, spiking=False).double()


def test_the_loss_is_cross_entropy_and_the_mean_value():
    network, (x, labels) = relu(), task()
    hidden, values = x.double(), []
    for layer in network.layers[:-1]:
        hidden = layer(hidden)
        values.append(hidden.mean())
    loss, logits = SparsityPenalty(0.5)(network, x.double(), labels)
    wanted = F.cross_entropy(network(x.double()), labels) + 0.5 * (values[0] + values[1]) / 2
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(logits, network(x.double()))
    assert torch.equal(
        SparsityPenalty()(network, x.double(), labels)[0], F.cross_entropy(logits, labels)
    )


def test_a_network_without_hidden_layers_has_nothing_to_penalise():
    network, (x, labels) = relu("fc3"), task()
    loss, logits = SparsityPenalty(0.5)(network, x.double(), labels)
    torch.testing.assert_close(loss, F.cross_entropy(logits, labels))


def test_training_follows_the_relu_network_and_makes_spikes_few():
    network, (x, labels) = relu(), task()
    spiking = from_relu(network, x)
    before = spiking.trace(x).spikes_per_neuron[1:]
    recipe = TrainingConfig(40, 8, rate=5e-3, smoothing=0.0, augment=None)
    for one in (network, spiking):
        fit(one, x, labels, recipe, objective=SparsityPenalty(5.0))
    for p, q in zip(network.parameters(), spiking.parameters(), strict=True):
        torch.testing.assert_close(p.flatten(), q.flatten(), rtol=0, atol=1e-9)
    assert sum(spiking.trace(x).spikes_per_neuron[1:]) < 0.8 * sum(before)


def test_windows_have_the_room_that_is_asked_for():
    x, labels = task()
    spiking = from_relu(relu(), x, margin=1.0)
    lengths = [float(layer.length) for layer in spiking.spiking]
    SparsityPenalty(room=2.0)(spiking, x, labels)
    assert [float(layer.length) for layer in spiking.spiking] == pytest.approx(
        [2 * length for length in lengths]
    )


def test_other_networks_are_refused():
    x, labels = task()
    spiking = build("fc12-fc3", height=6, width=6, polarities=1)
    with pytest.raises(InvalidModel, match="needs first spikes or a non-spiking network"):
        SparsityPenalty()(spiking, x, labels)
