from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from spikeproof.errors import InvalidModel
from spikeproof.images import load_images
from spikeproof.models.crossing import CrossingNetwork
from spikeproof.training import TemporalPenalty, TrainingConfig, fit

from .toy import network as other_network

RECIPE = TrainingConfig(epochs=4, batch=32, rate=5e-3, decay=0.0, augment=None)


@pytest.fixture(scope="module")
def digits():
    return load_images()


def network():
    torch.manual_seed(0)
    return CrossingNetwork((1, 8, 8), (40, 10))


def trained(digits, objective):
    net = network()
    history = fit(net, digits.learn.x, digits.learn.labels, RECIPE, objective=objective)
    return net, history


def test_the_loss_is_the_sum_of_its_parts(digits):
    net, x, labels = network(), digits.learn.x[:16], digits.learn.labels[:16]
    with torch.no_grad():
        net.weights[0][:3] = -1.0  # three silent neurons
        ran = net.crossings(x)
        late = ran.times[1].amin(0) - net.end
        parts = (
            F.cross_entropy(-ran.times[2] / net.tau, labels),
            0.5 * ((ran.times[2] - 1.25) ** 2).mean(),
            2.0 * late[:3].sum() / 40,
        )
        assert (late[:3] > 0).all()
        assert (late[3:] <= 0).all()
        loss, logits = TemporalPenalty(0.5, 1.25, wake=2.0)(net, x, labels)
    assert loss.item() == pytest.approx(sum(p.item() for p in parts), rel=1e-5)
    assert torch.equal(logits, ran.logits)


def test_it_learns_and_the_penalty_holds_output_times(digits):
    free, history = trained(digits, TemporalPenalty())
    held, _ = trained(digits, TemporalPenalty(gamma=20.0, t_ref=1.25))
    assert history[-1].accuracy > 0.9
    x, labels = digits.test.x, digits.test.labels
    with torch.no_grad():
        far = [(n.crossings(x).times[-1] - 1.25).square().mean() for n in (free, held)]
        assert (free(x).argmax(1) == labels).double().mean() > 0.88
        assert (held(x).argmax(1) == labels).double().mean() > 0.7
    assert far[1] < far[0] / 3


@pytest.mark.parametrize(("wake", "alive"), [(0.0, range(20)), (1.0, range(30, 41))])
def test_silent_neurons_wake(digits, wake, alive):
    net = network()
    x, labels = digits.learn.x[:256], digits.learn.labels[:256]
    with torch.no_grad():
        net.weights[0][:] -= 0.1
    recipe = replace(RECIPE, epochs=10)
    fit(net, x, labels, recipe, objective=TemporalPenalty(wake=wake))
    with torch.no_grad():
        assert int((net.crossings(x).times[1].amin(0) < net.end).sum()) in alive


def test_networks_without_spike_times_are_refused():
    with pytest.raises(InvalidModel, match="give a CrossingNetwork, not a Network"):
        TemporalPenalty()(other_network(), torch.zeros(1, 1, 2, 6, 6), torch.zeros(1).long())
