"""Belief networks: rates of spikes are those of the units, and both are sound victims."""

from __future__ import annotations

import pytest
import torch

from spikeproof.adapters import ExpectationOverTransformation, examine
from spikeproof.errors import InvalidModel
from spikeproof.images import load_images
from spikeproof.models import load_checkpoint, save_checkpoint
from spikeproof.models.belief import SLOPE, BeliefNetwork, SpikingBelief


def spiking(steps=16, sizes=(30, 20), size=8):
    torch.manual_seed(0)
    return SpikingBelief((1, size, size), sizes, 10, steps=steps).eval()


def sigmoid(sizes=(30, 20)):
    torch.manual_seed(0)
    return BeliefNetwork((1, 8, 8), sizes, 10).eval()


def test_three_straight_lines_are_as_near_to_the_sigmoid_as_can_be():
    a = torch.linspace(-12, 12, 4001)

    def distance(slope):
        return float((a.sigmoid() - (0.5 + slope * a).clamp(0, 1)).abs().max())

    assert distance(SLOPE) < 0.06
    assert distance(SLOPE) < min(distance(SLOPE - 0.005), distance(SLOPE + 0.005))


def test_a_neuron_fires_at_the_rate_of_its_current():
    net = spiking(steps=400, sizes=(3,), size=1)
    with torch.no_grad():
        net.hidden[0].weight.fill_(1.0)
        net.hidden[0].bias.copy_(torch.tensor([-5.0, -1.0, 0.5]))
    white = torch.ones(1, 1, 1, 1, 1)  # spikes in every step, so nothing is random
    rates = net.spikes(white)[1].mean(1)[0]
    expected = (0.5 + SLOPE * torch.tensor([-4.0, 0.0, 1.5])).clamp(0, 1)
    torch.testing.assert_close(rates, expected, atol=1 / 400, rtol=0)
    torch.testing.assert_close(net.rates(white)[0], expected)


def test_neurons_start_half_charged():
    net = spiking(steps=4, sizes=(1,), size=1)
    with torch.no_grad():
        net.hidden[0].weight.zero_()
        net.hidden[0].bias.zero_()  # a current of one half
    assert net.spikes(torch.zeros(1, 1, 1, 1, 1))[1].flatten().tolist() == [1, 0, 1, 0]


def test_spikes_tend_to_the_rates():
    x = load_images().test.x[:10]
    torch.manual_seed(0)
    with torch.no_grad():
        far = (spiking(400).spikes(x)[-1].mean(1) - spiking().rates(x)).abs().mean()
    assert far < 0.02


def test_both_are_sound_victims():
    data = load_images().test
    for model in (sigmoid(), ExpectationOverTransformation(spiking(), draws=2, seed=0)):
        checks = examine(model, data.x[:16])
        assert all(check.ok for check in checks), [c.says for c in checks if not c.ok]


def test_saved_and_loaded_they_answer_the_same(tmp_path):
    x = load_images().test.x[:5]
    for net in (sigmoid(), spiking(steps=7)):
        save_checkpoint(tmp_path / "net.safetensors", net, {})
        again = load_checkpoint(tmp_path / "net.safetensors").network
        assert type(again) is type(net)
        assert again.description == net.description
        assert torch.equal(
            ExpectationOverTransformation(again, 1)(x), ExpectationOverTransformation(net, 1)(x)
        )


def test_they_have_the_same_parameters():
    net, plain = spiking(), sigmoid()
    assert net.n_parameters == plain.n_parameters == 64 * 30 + 30 + 30 * 20 + 20 + 20 * 10 + 10
    net.load_state_dict(plain.state_dict())


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidModel, match="at least 1 unit"):
        BeliefNetwork((1, 8, 8), (), 10)
    with pytest.raises(InvalidModel, match=r"\[N, 1, 1, 8, 8\]"):
        sigmoid()(torch.rand(2, 1, 1, 9, 9))
