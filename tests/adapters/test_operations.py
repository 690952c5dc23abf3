"""Operations of adapted models against nets counted by hand, whatever their order of axes."""

from __future__ import annotations

import pytest
import snntorch as snn
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

from spikeproof.adapters import ExpectationOverTransformation, adapt
from spikeproof.evaluate import activity
from spikeproof.models.ttfs import from_relu


def three_recordings():
    """[3, 4, 2, 2, 2]: two events in the first, one in the second, none in the third."""
    x = torch.zeros(3, 4, 2, 2, 2)
    x[0, 0, 0, 0, 0] = x[0, 3, 1, 1, 1] = x[1, 2, 0, 0, 1] = 1
    return x


def counted(*layers):
    """A 1x1 convolution that makes the place of an event fire, flat, to three classes."""
    with torch.no_grad():
        layers[0].weight.fill_(4.0)
        layers[3].weight.fill_(1.0)
        layers[3].bias.zero_()
    return nn.Sequential(*layers)


def jelly(mode):
    net = counted(
        layer.Conv2d(2, 1, 1, bias=False), neuron.IFNode(), layer.Flatten(), layer.Linear(4, 3)
    )
    functional.set_step_mode(net, mode)
    return net


def torch_snn():
    neurons = snn.Leaky(beta=0.0, init_hidden=True, reset_mechanism="none")
    return counted(nn.Conv2d(2, 1, 1, bias=False), neurons, nn.Flatten(), nn.Linear(4, 3))


class Merged(nn.Module):
    """Time and samples as one axis [T*N], as fast implementations have it."""

    def __init__(self):
        super().__init__()
        self.conv, self.fire, _, self.read = jelly("s")
        self.fire.step_mode = "m"

    def forward(self, x):
        steps = x.shape[:2]
        y = self.fire(self.conv(x.flatten(0, 1)).unflatten(0, steps))
        return self.read(y.flatten(0, 1).flatten(1)).unflatten(0, steps)


@pytest.mark.parametrize("make", [lambda: jelly("s"), lambda: jelly("m"), torch_snn, Merged])
def test_work_is_counted_per_recording(make):
    x = three_recordings()
    effort = activity(adapt(make(), x), x)
    assert effort.spikes.tolist() == [2, 1, 0]
    assert effort.synops.tolist() == [2 * (1 + 3), 1 + 3, 0]
    assert effort.macs.tolist() == [0, 0, 0]
    assert effort.dense_macs.tolist() == [4 * (8 + 12)] * 3
    assert (effort.neurons, effort.updates, effort.steps) == (4, 16, 4)


def test_a_model_of_stacked_frames_has_one_step():
    class Stacked(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fire, self.read = nn.Conv2d(8, 1, 1), neuron.IFNode(), nn.Linear(4, 3)

        def forward(self, x):
            return self.read(self.fire(self.conv(x)).flatten(1))

    x = three_recordings()
    effort = activity(adapt(Stacked(), x, layout="stacked"), x)
    assert (effort.neurons, effort.updates, effort.steps) == (4, 4, 1)


def test_neurons_that_answer_tuples():
    net = nn.Sequential(nn.Flatten(), nn.Linear(8, 2, bias=False), snn.Leaky(0.0, output=True))
    net[2].init_hidden = True
    net[1].weight.data.fill_(4.0)
    x = three_recordings()
    effort = activity(adapt(net, x), x)
    assert effort.spikes.tolist() == [4, 2, 0]


def test_of_an_averaged_model_it_is_the_mean_draw():
    x = three_recordings()
    effort = activity(ExpectationOverTransformation(adapt(jelly("m"), x), draws=5), x)
    assert effort.spikes.tolist() == [2, 1, 0]
    assert effort.synops.tolist() == [2 * (1 + 3), 1 + 3, 0]


def test_a_network_that_counts_for_itself_does_so_behind_an_adapter():
    x = torch.rand(3, 1, 1, 2, 2)
    relu = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    network = from_relu(relu, x)
    behind, itself = activity(adapt(network, x), x), activity(network, x)
    assert torch.equal(behind.acs, itself.acs)
    assert behind.unit == "windows"


def test_functions_are_not_measured():
    x = three_recordings()
    assert activity(adapt(lambda x: x.flatten(1)[:, :3], x), x) is None
