"""The local rules on cases computed by hand, and that they learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spikeproof.errors import InvalidRecording
from spikeproof.images import load_images
from spikeproof.models.latency import LatencyNetwork
from spikeproof.training import LocalRules, learn_locally
from spikeproof.training.local_kernels import compete, delta, potentiate

F32 = np.float32  # the loops are compiled for each type; the tests need no more than training does


def test_a_spike_strengthens_the_inputs_before_it_and_weakens_the_others():
    weight = np.array([[0.6, 9.0], [0.8, 9.0], [0.0, 9.0]], F32)
    potentiate(np.array([1.0, 0.3, 0.6], F32), weight, 0, 0.5, 0.5)  # spikes at 0, 0.7 and 0.4
    c = 1 / np.sqrt(2)
    moved = np.array([0.6 + 0.5 * (c - 0.6), 0.8 - 0.5 * 0.8, 0.5 * c])
    np.testing.assert_allclose(weight[:, 0], moved / np.linalg.norm(moved), 1e-6)
    assert (weight[:, 1] == 9).all()  # another neuron's


def test_a_spike_that_nothing_preceded_teaches_nothing():
    weight = np.array([[0.6], [0.8]], F32)
    potentiate(np.array([0.0, 0.2], F32), weight, 0, 0.5, 0.5)
    assert weight[:, 0].tolist() == [F32(0.6), F32(0.8)]


def test_only_the_first_neuron_learns_and_becomes_less_excitable():
    weight = np.array([[1.0, 0.0], [0.0, 1.0]], F32)
    theta, spikes = np.array([0.2, 0.2], F32), np.array([1, 1])
    x = np.array([[0.9, 0.8]], F32)  # neuron 0 is first, at 0.3, when both inputs have spiked
    compete(x, np.array([0]), weight, theta, spikes, 0.0, 0.1)
    c, rate = 1 / np.sqrt(2), 0.5  # its second spike
    moved = np.array([1 + rate * (c - 1), rate * c])
    np.testing.assert_allclose(weight[:, 0], moved / np.linalg.norm(moved), 1e-6)
    assert weight[:, 1].tolist() == [0.0, 1.0]
    np.testing.assert_allclose(theta, [0.2 - 0.05 + 0.1, 0.2 - 0.05], 1e-6)
    assert spikes.tolist() == [2, 1]


def test_thresholds_fall_where_nobody_spikes():
    weight, theta, spikes = np.eye(2, dtype=F32), np.array([5.0, 5.0], F32), np.array([1, 1])
    compete(np.array([[0.9, 0.8]], F32), np.array([0]), weight, theta, spikes, 0.0, 0.1)
    np.testing.assert_allclose(theta, [4.95, 4.95], 1e-6)
    assert spikes.tolist() == [1, 1]


def test_the_delta_rule_is_trace_times_error():
    readout, bias = np.zeros((3, 2), F32), np.zeros(2, F32)
    lead, who = np.array([[0.4, 0.1]], F32), np.array([[2, 0]])
    delta(lead, who, np.array([1]), np.array([0]), readout, bias, 0.5)
    error = np.array([-0.5, 0.5])
    np.testing.assert_allclose(readout, np.stack([0.05 * error, 0 * error, 0.2 * error]), 1e-6)
    np.testing.assert_allclose(bias, 0.5 * error, 1e-6)


@pytest.fixture(scope="module")
def taught():
    data = load_images()
    torch.manual_seed(0)
    net = LatencyNetwork((1, 8, 8), 10, hidden=200, winners=40)
    learn_locally(net, data.learn.x, data.learn.labels, LocalRules(seed=3))
    return net, data


def test_it_learns_digits(taught):
    net, data = taught
    right = (net(data.test.x).argmax(1) == data.test.labels).double().mean()
    assert right > 0.9


def test_neurons_share_the_work(taught):
    net, data = taught
    first = net.first_spikes(data.learn.x)[1][:, 0]
    assert len(first.unique()) > 0.9 * 200
    torch.testing.assert_close(net.weight.norm(dim=1), torch.ones(200))
    assert (net.weight >= 0).all()


def test_the_same_seed_gives_the_same_network(taught):
    net, data = taught
    torch.manual_seed(1)
    other = LatencyNetwork((1, 8, 8), 10, hidden=200, winners=40)
    learn_locally(other, data.learn.x, data.learn.labels, LocalRules(seed=3))
    for name, value in net.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


def test_what_does_not_fit_is_refused(taught):
    _, data = taught
    with pytest.raises(InvalidRecording, match="an image each"):
        learn_locally(
            LatencyNetwork((1, 8, 8), 10, hidden=50, winners=5),
            data.learn.x[:40],
            data.learn.labels[:40],
        )
    with pytest.raises(InvalidRecording, match="0 to 3"):
        learn_locally(
            LatencyNetwork((1, 8, 8), 4, hidden=5, winners=5), data.learn.x, data.learn.labels
        )
