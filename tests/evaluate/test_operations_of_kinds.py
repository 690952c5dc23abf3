"""Operations of networks that count for themselves, and of those inside others, by hand."""

from __future__ import annotations

import pytest
import torch

from spikeproof.adapters import ExpectationOverTransformation
from spikeproof.evaluate import activity
from spikeproof.models import NeuronSpec, OfImages, build, converted, twin
from spikeproof.models.belief import BeliefNetwork, SpikingBelief
from spikeproof.models.conversion import in_unit_spikes
from spikeproof.models.crossing import CrossingNetwork
from spikeproof.models.latency import LatencyNetwork
from spikeproof.models.once import Neuron, spike_once_network


def images(*rows):
    """One-line images ``[N, 1, 1, 1, W]``."""
    return torch.tensor(rows, dtype=torch.float32).view(len(rows), 1, 1, 1, -1)


def fill(weight, values):
    weight.data.copy_(torch.tensor(values))


def test_first_crossings():
    network = CrossingNetwork((1, 1, 2), (3, 2), horizon=2.0, end=4.0)
    fill(network.weights[0], [[1.0, 0], [0, 1], [-1, 0]])
    fill(network.weights[1], [[1.0, 0, 0], [-1, 0, 0]])
    # pixels at 0 and 2; neurons at 1, 3 and never; outputs at 2 and never
    # black: pixels at 2; neurons at 3, 3 and never; output 0 is at its threshold at the end only
    found = activity(network, images([1, 0], [0, 0]))
    assert found.acs.tolist() == [2 * 3 + 2 * 2] * 2
    assert found.macs.tolist() == [0, 0]
    assert found.dense_macs.tolist() == [2 * 3 + 3 * 2] * 2
    assert found.spikes.tolist() == [3, 2]
    assert found.neurons == 5
    assert (found.steps, found.unit) == (2.0, "windows")
    assert found.decided.tolist() == [1.0, 2.0]


def test_a_race_of_first_spikes():
    network = LatencyNetwork((1, 1, 3), 4, hidden=3, winners=2)
    fill(network.weight, [[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    fill(network.threshold, [0.25, 0.25, 0.25])
    # pixels at 0, 0.5 and 0.875; neurons at 0.25 and 0.75, which ends the race
    # pixels at 0.5, 1 and 1: only one neuron spikes, and the race lasts
    found = activity(network, images([1, 0.5, 0.125], [0.5, 0, 0]))
    assert found.acs.tolist() == [2 * 3 + 2 * 4, 1 * 3 + 1 * 4]
    assert found.macs.tolist() == [0, 0]
    assert found.dense_macs.tolist() == [3 * 3 + 3 * 4] * 2
    assert (found.spikes.tolist(), found.neurons) == ([2, 1], 3)
    assert found.decided.tolist() == [0.75, 1.0]


def test_layers_of_sigmoids_multiply_all_that_is_not_black():
    found = activity(BeliefNetwork((1, 1, 3), (2, 4), 5), images([0.5, 0, 1], [0, 0, 0]))
    assert found.macs.tolist() == [2 * 2 + 2 * 4 + 4 * 5, 2 * 4 + 4 * 5]
    assert found.acs.tolist() == [0, 0]
    assert found.dense_macs.tolist() == [3 * 2 + 2 * 4 + 4 * 5] * 2
    assert found.spikes is None


def test_a_spiking_belief_network_adds():
    network = SpikingBelief((1, 1, 2), (2,), 3, steps=4).eval()
    fill(network.hidden[0].weight, [[100.0, 0], [0, 100]])
    fill(network.hidden[0].bias, [-50.0, -50.0])  # each neuron spikes when its pixel does
    fill(network.top.weight, [[1.0, 0], [0, 0], [0, 0]])
    fill(network.top.bias, [0.0, 0.5, 0.0])
    for model in (network, ExpectationOverTransformation(network, draws=2)):
        found = activity(model, images([1, 0], [0, 0]))  # nothing is left to chance
        assert found.acs.tolist() == [4 * 2 + 4 * 3, 0]
        assert found.macs.tolist() == [0, 0]
        assert found.dense_macs.tolist() == [4 * (2 * 2 + 2 * 3)] * 2
        assert (found.spikes.tolist(), found.neurons, found.steps) == ([4, 0], 2, 4)
        assert found.decided.tolist() == [1, 1]


def test_neurons_that_spike_once():
    network = spike_once_network("fc2-fc2", (1, 1, 3), neuron=Neuron(threshold=1.0, steps=5))
    first, second = network.spiking
    fill(first.weight, [[1.0, 0], [0, 1], [0, 0]])
    fill(second.weight, [[0.0, 0], [1, 0]])
    # pixels in steps 0, 2 and never; neurons in 0 and 2; an output in 2, the third step
    found = activity(network, images([1, 0.5, 0], [0, 0, 0]))
    assert found.acs.tolist() == [2 * 2 + 2 * 2, 0]
    assert found.dense_macs.tolist() == [3 * 2 + 2 * 2] * 2
    assert (found.spikes.tolist(), found.neurons) == ([3, 0], 4)
    assert (found.steps, found.decided.tolist()) == (4, [3, 4])


def test_a_kernel_of_neurons_that_spike_once():
    network = spike_once_network(
        "2c3-mp3-fc4", (1, 3, 3), neuron=Neuron(threshold=1.0, steps=5), spreads=((1, 1), (0, 0))
    )
    x = torch.zeros(2, 1, 1, 3, 3)
    x[0, ..., 1, 1] = x[1, ..., 0, 0] = 1  # reach 9 and 4 places of 2 channels, all of which spike
    found = activity(network, x)
    assert found.acs.tolist() == [9 * 2 + 2 * 4, 4 * 2 + 2 * 4]
    assert found.spikes.tolist() == [18, 8]
    assert found.dense_macs.tolist() == [49 * 2 + 2 * 4] * 2


def shallow():
    """Two hidden units that see 2 and 1 times their pixel; the first class follows the first."""
    network = build("fc2-fc3", height=1, width=2, polarities=1, spiking=False).eval()
    for layer in network.layers:
        layer.weight.bias.data.zero_()
    fill(network.layers[0].weight.weight, [[2.0, 0], [0, 1]])
    fill(network.layers[1].weight.weight, [[1.0, 0], [0, 0.5], [0, 0]])
    return network


@pytest.mark.parametrize("balance", ["weights", "threshold"])
def test_spikes_that_weigh_a_threshold_are_spikes(balance):
    model = converted(shallow(), images([1.0, 1.0]), steps=4, balance=balance)
    found = activity(model, images([1, 0.5], [0, 0]))
    assert found.spikes.tolist() == [4 + 2, 0]
    assert found.acs.tolist() == [6 * 3, 0]
    assert found.macs.tolist() == [4 * 2 * 2, 0]  # the pixels, of which one is no whole number
    assert found.decided.tolist() == [1, 1]


def test_unit_spikes_leave_logits_as_they_are():
    torch.manual_seed(0)
    relu = build("4c3-mp2-fc8-fc3", height=6, width=6, polarities=1, spiking=False).eval()
    x = torch.rand(20, 1, 1, 6, 6)
    own, same = (converted(relu, x, steps=8, balance=b).network for b in ("threshold", "weights"))
    unit = in_unit_spikes(own)
    shown = x.expand(-1, 8, -1, -1, -1)
    torch.testing.assert_close(unit(shown), own(shown), atol=1e-4, rtol=0)
    assert in_unit_spikes(same) is same
    assert {type(m) for m in unit.modules()} == {type(m) for m in own.modules()}


def test_what_looks_at_an_image_costs_what_its_network_costs():
    inner = twin(shallow(), neuron=NeuronSpec("if", reset="soft"))
    model = OfImages(inner.eval(), image=(1, 1, 2), steps=3)
    found = activity(model, images([1, 0], [0, 1]))
    assert found.spikes.tolist() == [3, 3]
    assert found.acs.tolist() == [3 * 2 + 3 * 3] * 2
    assert found.decided.tolist() == [1, 1]
