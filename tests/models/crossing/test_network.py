from __future__ import annotations

import pytest
import torch

from spikeproof.adapters import examine
from spikeproof.errors import InvalidModel
from spikeproof.images import load_images
from spikeproof.models import ArcTan, PiecewiseQuadratic, load_checkpoint, save_checkpoint
from spikeproof.models.crossing import CrossingNetwork
from spikeproof.models.swap import using_surrogate


@pytest.fixture(scope="module")
def digits():
    return load_images().test


def network(**settings):
    torch.manual_seed(0)
    return CrossingNetwork((1, 8, 8), (30, 10), **settings).eval()


def test_bright_pixels_spike_first_and_black_ones_at_the_horizon():
    x = torch.zeros(1, 1, 1, 8, 8)
    x[..., 0, 0], x[..., 0, 1], x[..., 0, 2] = 1.0, 0.25, 7.0
    times = network(horizon=2.0, end=3.0).crossings(x).times[0][0]
    assert times[:4].tolist() == [0.0, 1.5, 0.0, 2.0]


def test_logits_are_output_times(digits):
    net = network(tau=0.25)
    ran = net.crossings(digits.x[:20])
    torch.testing.assert_close(ran.logits, -4 * ran.times[-1])
    assert torch.equal(net(digits.x[:20]), ran.logits)
    assert ran.logits.argmax(1).equal(ran.times[-1].argmin(1))
    assert ran.spikes_per_neuron[0] == 1.0
    assert 0.5 < ran.spikes_per_neuron[1] <= 1.0


def test_it_is_a_sound_victim(digits):
    checks = examine(network(), digits.x[:32], digits.labels[:32])
    assert all(check.ok for check in checks), [c.says for c in checks if not c.ok]


def test_pixels_of_every_brightness_have_a_gradient(digits):
    x = digits.x[:50].clone().requires_grad_()
    net = network()
    logits = net(x)
    (logits * torch.arange(10)).sum().backward()
    for pixels in (x == 0, x == 1, (x > 0) & (x < 1)):
        assert (x.grad[pixels] != 0).double().mean() > 0.3


def test_gradients_can_be_asked_to_see_later_pixels(digits):
    net, x = network(), digits.x[:20]
    far = net.reaching(1.0)
    assert torch.equal(far(x), net(x))
    assert far.weights[0] is net.weights[0]
    assert net.reach == 0.0

    def seen(model):
        leaf = x.clone().requires_grad_()
        (model(leaf) * torch.arange(10)).sum().backward()
        return leaf.grad

    exact, wide = seen(net), seen(far)
    assert (wide != 0).sum() > 1.1 * (exact != 0).sum()
    with using_surrogate(net, PiecewiseQuadratic(10.0)):
        assert torch.equal(seen(net), wide)
    with using_surrogate(net, ArcTan(8.0)):
        assert torch.equal(seen(net), exact)
    assert torch.equal(seen(net), exact)


def test_it_is_saved_with_its_settings(digits, tmp_path):
    net = network(horizon=1.5, end=2.5, tau=0.2)
    save_checkpoint(tmp_path / "net.safetensors", net, {"accuracy": [1, 2]})
    again = load_checkpoint(tmp_path / "net.safetensors").network
    assert isinstance(again, CrossingNetwork)
    assert again.description == net.description
    assert again.n_parameters == 64 * 30 + 30 * 10
    assert torch.equal(again(digits.x), net(digits.x))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"end": 1.0}, "horizon, before the end"),
        ({"horizon": 0.0}, "horizon, before the end"),
        ({"tau": 0.0}, "tau is positive"),
        ({"units": ()}, "at least one layer"),
        ({"units": (0, 10)}, "at least one layer"),
        ({"input_shape": (8, 8)}, r"input \(C, H, W\)"),
    ],
)
def test_settings_without_sense_are_refused(settings, message):
    with pytest.raises(InvalidModel, match=message):
        CrossingNetwork(**{"input_shape": (1, 8, 8)} | settings)


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (2, 2, 1, 8, 8), (2, 1, 1, 8, 9)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InvalidModel, match=r"takes images \[N, 1, 1, 8, 8\]"):
        network()(torch.zeros(shape))
