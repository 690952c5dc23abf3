from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from spikeproof.errors import InvalidModel
from spikeproof.models import build, twin
from spikeproof.models.ttfs import FirstSpikeNetwork, from_relu

from .nets import NETS, dense, images, made, norm, vgg


@pytest.mark.parametrize("windows", ["seen", "certain"])
@pytest.mark.parametrize("net", NETS, ids=lambda f: f.__name__)
def test_logits_are_those_of_the_relu_network(net, windows):
    relu, x = made(net), images()
    spiking = from_relu(relu, x, windows=windows)
    assert spiking(x).dtype == torch.float64
    torch.testing.assert_close(spiking(x), relu(x), rtol=0, atol=1e-10)
    assert spiking(x).std() > 0.01


@pytest.mark.parametrize("net", NETS, ids=lambda f: f.__name__)
def test_so_are_gradients(net):
    relu, x = made(net), images()
    spiking = from_relu(relu, x)
    here, there = x.clone().requires_grad_(), x.clone().requires_grad_()
    spiking(here).square().sum().backward()
    relu(there).square().sum().backward()
    torch.testing.assert_close(here.grad, there.grad, rtol=0, atol=1e-9)
    assert (here.grad != 0).any()


def test_on_other_images_too_if_windows_are_certain():
    relu = made(vgg)
    spiking = from_relu(relu, images(1, seed=1) * 0.01, windows="certain")
    x = torch.cat([images(20, seed=2), torch.ones(1, 2, 8, 8), torch.zeros(1, 2, 8, 8)])
    torch.testing.assert_close(spiking(x), relu(x), rtol=0, atol=1e-9)


def test_values_that_outgrow_their_window_saturate():
    relu = made(dense)
    relu[1].weight.data.abs_()
    spiking = from_relu(relu, images() * 0.01, margin=1.0)
    x = images()
    assert (spiking(x) - relu(x)).abs().max() > 0.01
    first = spiking.trace(x)
    assert (first.times[1] == first.ends[0]).any()


def test_windows_are_margins_above_the_largest_value():
    relu, x = made(dense), images()
    largest = float(relu[:3](x).detach().max())
    for margin in (1.0, 1.5, 4.0):
        assert from_relu(relu, x, margin=margin).spiking[0].length == pytest.approx(
            margin * largest
        )


def test_more_images_than_go_through_at_once():
    relu = made(dense)
    x = images(300)
    torch.testing.assert_close(from_relu(relu, x)(x), relu(x), rtol=0, atol=1e-10)


def test_a_silent_layer_has_a_window():
    relu = made(dense)
    relu[1].bias.data.fill_(-100.0)
    spiking = from_relu(relu, images())
    assert float(spiking.spiking[0].length) == 1
    torch.testing.assert_close(spiking(images()), relu(images()), rtol=0, atol=1e-10)


@pytest.mark.parametrize("line", ["6c3-bn-p2-drop20-8c3s2-mp2-fc12-bn-fc5", "fc12-fc5"])
def test_twins_of_our_networks(line):
    torch.manual_seed(0)
    net = build(line, height=8, width=8, spiking=False).double()
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.load_state_dict(norm(m.num_features).double().state_dict())
    net.eval()
    x = images().unsqueeze(1)
    torch.testing.assert_close(from_relu(net, x)(x), net(x), rtol=0, atol=1e-10)
    with pytest.raises(InvalidModel, match="its non-spiking twin"):
        from_relu(twin(net), x)


def test_the_network_is_left_as_it_was():
    relu = made(vgg).train()
    before = copy.deepcopy(relu.state_dict())
    spiking = from_relu(relu, images())
    assert relu.training
    with torch.no_grad():
        for p in spiking.parameters():
            p.zero_()
    for name, value in relu.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_single_precision_stays_and_is_close():
    relu, x = made(vgg).float(), images(dtype=torch.float32)
    spiking = from_relu(relu, x)
    assert spiking(x).dtype == torch.float32
    torch.testing.assert_close(spiking(x), relu(x), rtol=0, atol=1e-3)


def test_weights_and_windows_can_be_stored():
    x = images()
    spiking, other = from_relu(made(vgg), x), from_relu(made(vgg, seed=1), x)
    other.load_state_dict(spiking.state_dict())
    assert torch.equal(other(x), spiking(x))


LAST = [nn.Flatten(), nn.Linear(128, 5)]


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ([nn.Sigmoid(), *LAST], r"layer 0 \(Sigmoid\)"),
        ([nn.Flatten(), nn.Linear(128, 9), nn.Linear(9, 5)], "no ReLU stands between"),
        ([nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"), nn.ReLU(), *LAST], "silence"),
        ([nn.BatchNorm2d(2), nn.ReLU(), *LAST], "a weighted layer must stand before it"),
        ([nn.BatchNorm2d(2, track_running_stats=False), *LAST], "running statistics"),
        ([nn.Conv2d(2, 2, 1), nn.AvgPool2d(1), nn.ReLU(), *LAST], "after the ReLU"),
        ([nn.AvgPool2d(3, 1, padding=1), *LAST], "plain averages"),
        ([*LAST, nn.ReLU()], "the last layer must be linear"),
        ([nn.Sequential(nn.Sequential(nn.Tanh())), *LAST], r"layer 0\.0\.0 \(Tanh\)"),
    ],
)
def test_what_is_not_exact_is_refused(layers, says):
    with pytest.raises(InvalidModel, match=says):
        from_relu(nn.Sequential(*layers).double(), images())


def test_settings_are_checked():
    relu = made(dense)
    with pytest.raises(InvalidModel, match="margin"):
        from_relu(relu, images(), margin=0.5)
    with pytest.raises(InvalidModel, match="'seen' or 'certain'"):
        from_relu(relu, images(), windows="sure")
    with pytest.raises(InvalidModel, match="calibration"):
        from_relu(relu, images(0))
    spiking = from_relu(relu, images())
    assert isinstance(spiking, FirstSpikeNetwork)
    with pytest.raises(InvalidModel, match="several time bins"):
        spiking(images().unsqueeze(1).repeat(1, 2, 1, 1, 1))
