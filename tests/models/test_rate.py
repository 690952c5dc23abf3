from __future__ import annotations

import pytest
import torch

from spikeproof.errors import InvalidModel
from spikeproof.models import NeuronSpec
from spikeproof.models.modules import Pooling
from spikeproof.models.rate import RateMaxPool, RateNeurons, rate_network, spread

IF = NeuronSpec("if", reset="soft")
DESCRIPTION = {
    "kind": "rate",
    "architecture": "conv _ 3 3 |> maxpool 2 |> dense _ 4",
    "input": [1, 6, 6],
    "neuron": IF.to_dict(),
    "start": 0.5,
    "balance": "weights",
}


@pytest.mark.parametrize("start", [0.0, 0.5])
def test_counts_are_the_staircase_of_the_module(start):
    x = torch.rand(1, 1, 500, generator=torch.Generator().manual_seed(0)) * 1.5 - 0.3
    neurons = RateNeurons(IF, start)
    for steps in (1, 2, 7, 32):
        counts = neurons(x.double().expand(1, steps, -1)).sum(1).flatten()
        want = (steps * x.double().flatten() + start).floor().clamp(0, steps)
        assert torch.equal(counts, want)


def test_spread_membranes_start_anywhere_below_the_threshold_and_are_a_staircase_each():
    x = torch.rand(1, 1, 20_000, generator=torch.Generator().manual_seed(0)).double()
    begin = spread(x[0, 0])
    assert 0 <= begin.min() < 1e-3
    assert 1 - 1e-3 < begin.max() < 1
    assert torch.equal(begin, spread(x[0, 0]))
    for steps in (1, 2, 7):
        counts = RateNeurons(IF, "spread")(x.expand(1, steps, -1)).sum(1).flatten()
        assert torch.equal(counts, (steps * x.flatten() + begin).floor())
        error = counts / steps - x.flatten()
        assert error.mean().abs() < 0.01
        # all of one input err alike if they start alike, and not if they start apart
        alike = (x.flatten() - 0.6).abs() < 0.02
        assert error[alike].mean().abs() < 0.05


def test_the_mean_error_is_zero_from_half_a_threshold_and_half_a_step_below_from_none():
    x = torch.rand(1, 1, 20_000, generator=torch.Generator().manual_seed(0))
    errors = [
        (RateNeurons(IF, start)(x.expand(1, 10, -1)).mean(1) - x[:, 0]).mean().item()
        for start in (0.0, 0.5)
    ]
    assert errors[0] == pytest.approx(-0.05, abs=0.002)
    assert errors[1] == pytest.approx(0.0, abs=0.002)


def test_a_threshold_is_what_a_spike_weighs():
    own = RateNeurons(IF, 0.5, channels=2)
    assert own.threshold is not None
    own.threshold.copy_(torch.tensor([2.0, 4.0]))
    x = torch.rand(3, 9, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    scale = own.threshold.view(2, 1, 1)
    assert torch.equal(own(x * scale), scale * RateNeurons(IF, 0.5)(x))
    assert list(own.state_dict()) == ["threshold"]
    assert not RateNeurons(IF, 0.5).state_dict()


def test_the_input_of_neurons_is_left_as_it_is():
    x = torch.rand(2, 3, 4)
    before = x.clone()
    RateNeurons(IF, 0.5)(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_what_passes_a_maximum_are_spikes_and_their_sum_is_the_largest_count(weight):
    spikes = torch.rand(4, 50, 3, 6, 7, generator=torch.Generator().manual_seed(0)) < 0.3
    x = weight * spikes.float()
    out = RateMaxPool(2)(x)
    assert torch.allclose(out, weight * (out > 0).float(), atol=1e-5)
    counts = torch.stack([Pooling(2, maximum=True)(x[:, :t].sum(1, keepdim=True)) for t in (1, 50)])
    assert torch.allclose(out[:, :1].sum(1), counts[0, :, 0], atol=1e-5)
    assert torch.allclose(out.sum(1), counts[1, :, 0], atol=1e-4)
    assert out.sum() < Pooling(2, maximum=True)(x).sum()  # which is the rate of any of them


def test_a_maximum_gives_its_gradient_to_the_largest():
    x = torch.tensor([[0.2, 0.9], [0.4, 0.1]]).view(1, 1, 1, 2, 2).requires_grad_()
    (grad,) = torch.autograd.grad(RateMaxPool(2)(x.expand(1, 8, 1, 2, 2)).sum(), x)
    assert torch.allclose(grad.flatten(), torch.tensor([0.0, 8.0, 0.0, 0.0]))


def test_a_network_is_made_of_what_computes_with_rates():
    network = rate_network(DESCRIPTION)
    kinds = [type(m).__name__ for m in network.modules()]
    assert kinds.count("RateNeurons") == kinds.count("RateMaxPool") == 1
    assert "Pooling" not in kinds
    assert "ReLU" not in kinds
    assert network.description["spiking"]
    assert network(torch.rand(2, 5, 1, 6, 6)).shape == (2, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"neuron": NeuronSpec("lif").to_dict()}, "rates need neurons of kind if"),
        ({"neuron": NeuronSpec("if", reset="hard").to_dict()}, "with soft reset"),
        ({"architecture": "conv _ 3 3 norm |> dense _ 4"}, "has no batch norm; fold it first"),
        ({"start": 1.0}, "membranes start at 0 to below 1 threshold, .* not at 1"),
        ({"start": "here"}, "membranes start at 0 to below 1 threshold, .* not at here"),
    ],
)
def test_what_is_no_network_of_rates_is_refused(change, message):
    with pytest.raises(InvalidModel, match=message):
        rate_network({**DESCRIPTION, **change})
