"""Work per inference against networks counted by hand."""

from __future__ import annotations

import torch
from torch import nn

from spikeproof.evaluate import work
from spikeproof.models import build


class OneConv(nn.Module):
    """One 3x3 convolution, same padding, 2 input and 4 output channels."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1, stride=stride)

    def forward(self, x):
        return self.conv(x.flatten(0, 1)).unflatten(0, x.shape[:2]).mean((1, 3, 4))


def one_event(*places):
    x = torch.zeros(len(places), 1, 2, 3, 3)
    for sample, (row, column) in enumerate(places):
        x[sample, 0, 0, row, column] = 1
    return x


def test_fan_out_is_exact_at_the_borders():
    x = one_event((0, 0), (0, 1), (1, 1))  # reach 4, 6 and 9 places, each in 4 channels
    assert work(OneConv(), x).synops.tolist() == [16, 24, 36]


def test_fan_out_of_a_strided_convolution():
    # outputs at rows and columns 0 and 2: the middle input reaches all 4, a corner only one
    x = one_event((1, 1), (0, 0), (0, 1))
    assert work(OneConv(stride=2), x).synops.tolist() == [16, 4, 8]


def test_a_linear_layer_costs_its_outputs_for_each_input():
    model = nn.Sequential(nn.Flatten(), nn.Linear(18, 5))
    assert work(model, one_event((0, 0), (2, 2))).synops.tolist() == [5, 5]


def test_a_silent_recording_costs_no_operation_before_the_first_neuron():
    effort = work(OneConv(), torch.zeros(2, 3, 2, 3, 3))
    assert effort.synops.tolist() == [0, 0]
    assert effort.spikes is None  # nothing in it is known to spike
    assert effort.of(0) == {"synops": 0}


def test_spikes_and_operations_of_our_own_network():
    torch.manual_seed(0)
    network = build("3c3-fc2", height=3, width=3).eval()
    with torch.no_grad():
        network.layers[0].weight.weight.fill_(2.0)  # every neuron that an event reaches fires
        network.layers[0].weight.bias.zero_()
    x = one_event((1, 1))
    effort = work(network, x)
    assert effort.spikes.tolist() == [27]  # 9 places, 3 channels
    assert effort.synops.tolist() == [27 + 27 * 2]  # the event's connections, the spikes' two each


def test_what_is_no_torch_module_is_not_measured():
    assert work(lambda x: x.sum((1, 2, 3)), torch.zeros(1, 1, 2, 3, 3)) is None
