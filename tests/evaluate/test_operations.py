"""Operations per inference against networks counted by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from spikeproof.evaluate import COSTS, FLOAT32, activity, recorded
from spikeproof.models import Direct, Encoded, NeuronSpec, build, twin
from spikeproof.models.activity import Activity, Ledger, settled
from spikeproof.models.circuit import Circuit
from spikeproof.models.dynamics import Dynamics
from spikeproof.models.ttfs import from_relu


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
    assert activity(OneConv(), x).synops.tolist() == [16, 24, 36]


def test_fan_out_of_a_strided_convolution():
    # outputs at rows and columns 0 and 2: the middle input reaches all 4, a corner only one
    x = one_event((1, 1), (0, 0), (0, 1))
    assert activity(OneConv(stride=2), x).synops.tolist() == [16, 4, 8]


def test_a_linear_layer_costs_its_outputs_for_each_input():
    model = nn.Sequential(nn.Flatten(), nn.Linear(18, 5))
    assert activity(model, one_event((0, 0), (2, 2))).synops.tolist() == [5, 5]


def test_a_silent_recording_costs_no_operation_before_the_first_neuron():
    effort = activity(OneConv(), torch.zeros(2, 3, 2, 3, 3))
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
    effort = activity(network, x)
    assert effort.spikes.tolist() == [27]  # 9 places, 3 channels
    assert effort.synops.tolist() == [27 + 27 * 2]  # the event's connections, the spikes' two each


def test_what_is_no_torch_module_is_not_measured():
    assert activity(lambda x: x.sum((1, 2, 3)), torch.zeros(1, 1, 2, 3, 3)) is None


def tiny(spiking=True, classes=1):
    """3-2-classes: hidden neuron A sees input 0, neuron B inputs 1 and 2; neither leaks."""
    network = build(
        f"fc2-fc{classes}",
        height=1,
        width=3,
        polarities=1,
        spiking=spiking,
        neuron=NeuronSpec("if"),
    ).eval()
    hidden, read = (layer.weight for layer in network.layers)
    with torch.no_grad():
        hidden.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1, 1]]))
        hidden.bias.zero_()
        read.weight.fill_(1.0)
        read.bias.zero_()
    return network


def inputs(*steps):
    """One sample [1, T, 1, 1, 3]."""
    return torch.tensor(steps, dtype=torch.float32).view(1, -1, 1, 1, 3)


def test_dense_3_2_1_with_three_input_spikes():
    found = activity(tiny(), inputs([1, 0, 0], [0, 1, 1], [0, 0, 0]))
    assert found.spikes.tolist() == [2]  # A in the first step, B in the second
    assert found.acs.tolist() == [3 * 2 + 2 * 1]  # input spikes meet 2 connections, hidden ones 1
    assert found.macs.tolist() == [0]
    assert found.dense_macs.tolist() == [3 * (3 * 2 + 2 * 1)]  # all connections in 3 steps
    assert (found.neurons, found.updates, found.steps) == (2, 6, 3)
    assert found.spikes_per_neuron.tolist() == [1.0]
    assert FLOAT32.energy(found).tolist() == pytest.approx([8 * 0.9e-3])  # nJ
    assert FLOAT32.dense_energy(found).tolist() == pytest.approx([24 * 4.6e-3])


def test_a_whole_number_is_that_many_spikes_and_a_fraction_makes_the_layer_multiply():
    counts = activity(tiny(), inputs([3, 0, 0]))  # A fires once
    assert (counts.acs.tolist(), counts.macs.tolist()) == ([3 * 2 + 1], [0])
    mixed = activity(tiny(), inputs([1, 0, 0], [0.5, 0, 0]))  # A fires in the first step
    assert (mixed.acs.tolist(), mixed.macs.tolist()) == ([1], [2 + 2])


def test_a_direct_code_multiplies_in_the_first_layer_in_every_step():
    found = activity(Encoded(Direct(4), tiny()), inputs([0.5, 0.25, 0]))
    assert found.macs.tolist() == [4 * 2 * 2]  # 4 steps, 2 pixels that are not black, 2 neurons
    assert found.spikes.tolist() == [2 + 1]  # A has 1 in steps 2 and 4, B in step 4
    assert found.acs.tolist() == [3]
    assert found.steps == 4


def test_without_spikes_all_is_multiplied_and_zeros_count_only_in_the_dense_figure():
    found = activity(tiny(spiking=False), inputs([0.5, 0, 0]))
    assert found.spikes is None
    assert found.spikes_per_neuron is None
    assert found.acs.tolist() == [0]
    assert found.macs.tolist() == [1 * 2 + 1 * 1]  # B is 0
    assert found.dense_macs.tolist() == [3 * 2 + 2 * 1]


def test_averages_of_spikes_are_fractions_and_multiply():
    network = build("p2-fc3", height=2, width=4, polarities=1).eval()  # two squares
    x = torch.zeros(3, 1, 1, 2, 4)
    x[0, 0, 0, 0, 0] = 1  # 0.25 in the first square
    x[1, 0, 0, :, :2] = 1  # 1 in the first square, a whole number
    x[2, 0, 0, :, :2] = x[2, 0, 0, 0, 3] = 1  # 1 and 0.25
    found = activity(network, x)
    assert found.macs.tolist() == [3, 0, 6]
    assert found.acs.tolist() == [0, 3, 0]


def test_groups_connect_to_their_own_outputs_only():
    class Grouped(OneConv):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 4, 3, padding=1, groups=2)

    found = activity(Grouped(), one_event((1, 1), (0, 0)))
    assert found.acs.tolist() == [9 * 2, 4 * 2]
    # a corner of 3x3 reaches 4 places, a side 6, the middle 9: 49 in all, padding left out
    assert found.dense_macs.tolist() == [2 * 2 * 49] * 2


def test_batch_norm_is_part_of_the_weights():
    plain, normed = (build(line, height=3, width=3).eval() for line in ("3c3-fc2", "3c3-bn-fc2"))
    for network in (plain, normed):
        network.layers[0].weight.weight.data.fill_(2.0)
    plain.layers[0].weight.bias.data.zero_()
    x = one_event((1, 1), (0, 0))
    a, b = activity(plain, x), activity(normed, x)
    assert a.acs.tolist() == b.acs.tolist() == [27 + 27 * 2, 12 + 12 * 2]
    assert torch.equal(a.dense_macs, b.dense_macs)


def test_first_spikes_add_once_for_each_connection():
    hidden, read = nn.Linear(3, 2, bias=False), nn.Linear(2, 4, bias=False)
    hidden.weight.data.copy_(torch.tensor([[1.0, 0, 0], [0, -1, 1]]))
    relu = nn.Sequential(nn.Flatten(), hidden, nn.ReLU(), read)
    x = torch.tensor([[0.5, 0.0, 0.0], [0.2, 0.4, 0.8]]).view(2, 1, 1, 1, 3)
    network = from_relu(relu, x)
    found = activity(network, x)
    assert found.spikes.tolist() == [1, 2]  # in the first sample only A is above 0
    assert found.acs.tolist() == [1 * 2 + 1 * 4, 3 * 2 + 2 * 4]  # black pixels do not spike
    assert found.macs.tolist() == [0, 0]
    assert found.dense_macs.tolist() == [3 * 2 + 2 * 4] * 2
    assert (found.neurons, found.unit) == (2, "windows")
    assert found.decided.tolist() == pytest.approx([network.latency] * 2)


def test_first_spikes_through_convolution_and_pooling():
    conv, read = nn.Conv2d(1, 1, 2, bias=False), nn.Linear(1, 3)
    conv.weight.data.fill_(1.0)
    relu = nn.Sequential(conv, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), read)
    x = torch.zeros(1, 1, 1, 3, 3)
    x[..., 1, 1] = 0.5  # reaches all four neurons; the first spike of them passes
    found = activity(from_relu(relu, x), x)
    assert (found.spikes.tolist(), found.acs.tolist()) == ([4], [4 + 3])


def mixed_network():
    torch.manual_seed(0)
    network = build("4c3-bn-p2-6c3s2-fc3", height=8, width=7, neuron=NeuronSpec(threshold=0.2))
    return network.eval()


def mixed_inputs():
    rng = torch.Generator().manual_seed(1)
    return (torch.rand(5, 4, 2, 8, 7, generator=rng) < 0.3).float()


@pytest.mark.parametrize("model", [mixed_network(), Encoded(Direct(2), twin(mixed_network()))])
def test_a_sample_costs_what_it_costs_alone(model):
    x = mixed_inputs()
    together, again = activity(model, x), activity(model, x.repeat(2, 1, 1, 1, 1).flip(0), chunk=4)
    assert together.macs.min() > 0
    for name in ("acs", "macs", "dense_macs", "decided"):
        alone = torch.cat([getattr(activity(model, one), name) for one in torch.split(x, 1)])
        assert torch.equal(getattr(together, name), alone)
        assert torch.equal(getattr(again, name), alone.repeat(2).flip(0))


def test_longer_recordings_cost_more_and_silence_only_the_dense_figure():
    x = mixed_inputs()
    found = activity(mixed_network(), torch.cat([x, torch.zeros_like(x)], 1))
    once = activity(mixed_network(), x)
    assert torch.equal(found.dense_macs, 2 * once.dense_macs)
    assert found.neurons == once.neurons == 4 * 8 * 7 + 6 * 2 * 2
    assert found.updates == 2 * once.updates == 8 * once.neurons


def test_the_step_from_which_the_answer_stays():
    answers = torch.tensor([[0, 1, 1], [1, 1, 1], [1, 1, 0], [1, 0, 1]])
    assert settled(answers).tolist() == [2, 1, 3, 3]
    network = tiny(classes=2)
    network.layers[1].weight.weight.data.copy_(torch.tensor([[1.0, 0], [0, 1]]))
    # A fires first, then B twice: the running mean of class 1 is the larger one from step 3 on
    found = activity(network, inputs([1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 0]))
    assert found.decided.tolist() == [3]


def test_circuits_with_loops_are_counted_step_by_step():
    read = nn.Linear(2, 3, bias=False)
    nodes = {"in": nn.Flatten(), "fire": Dynamics(0.0, threshold=1.0), "read": read}
    back = nn.Linear(2, 2, bias=False)
    back.weight.data.zero_()
    edges = [("in", "fire"), ("fire", "back"), ("back", "fire"), ("fire", "read")]
    circuit = Circuit({**nodes, "back": back}, edges, input_shape=(2, 1, 1))
    assert circuit.recurrent
    x = torch.zeros(1, 3, 2, 1, 1)
    x[0, 0, 0] = x[0, 2] = 1
    found = activity(circuit, x)
    assert found.spikes.tolist() == [3]
    # three spikes reach three classes; those of the last step come too late for the loop
    assert found.acs.tolist() == [3 * 3 + 1 * 2]
    assert (found.neurons, found.updates, found.steps) == (2, 6, 3)


def test_layers_that_are_not_counted_are_named():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.memory, self.read = nn.LSTM(18, 4, batch_first=True), nn.Linear(4, 2)

        def forward(self, x):
            return self.read(self.memory(x.flatten(2))[0][:, -1])

    assert activity(Recurrent(), one_event((1, 1))).uncounted == ("memory (LSTM)",)
    assert activity(mixed_network(), mixed_inputs()).uncounted == ()


def test_a_network_may_count_for_itself():
    class Knowing(nn.Module):
        def activity(self, x):
            ledger = Ledger(len(x))
            ledger.receives(x[:, 0], torch.tensor(5.0))
            ledger.fires(x[:, 0, :1] > 0)
            return ledger.activity(1)

    found = activity(Knowing(), one_event((0, 0), (1, 1)), chunk=1)
    assert isinstance(found, Activity)
    assert (found.acs.tolist(), found.spikes.tolist(), found.neurons) == ([5, 5], [1, 1], 9)


def test_chips_without_multipliers_have_no_estimate_for_products():
    loihi = next(costs for costs in COSTS if costs.name == "Loihi")
    spikes, currents = (activity(tiny(), inputs([value, 0, 0])) for value in (1.0, 0.5))
    assert loihi.energy(spikes).tolist() == pytest.approx([3 * 23.6e-3])
    assert loihi.energy(currents).isnan().all()
    records = {e.costs: e for e in recorded(currents).estimates}
    assert records["Loihi"].energy_nj is None
    assert records["32-bit floating point"].energy_nj.median == pytest.approx(2 * 4.6e-3)
