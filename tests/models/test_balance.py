from __future__ import annotations

import pytest
import torch
from torch import nn

from spikeproof.errors import InvalidModel
from spikeproof.models import NeuronSpec, balanced, build, twin
from spikeproof.models.modules import Weighted

RATE = NeuronSpec("if", reset="soft")
PROGRAMS = [
    "dense _ 6 |> dense 6 3",
    "4c3-bn-p2-6c3s2-mp2-drop20-fc8-bn-fc3",
    "conv _ 4 3 norm |> (conv _ 3 3 (-) conv _ 2 5 norm) |> pool 2 |> dense _ 6 |> dense _ 3",
    "dense _ 6 |> (dense 6 5 (-) (dropout 5 |> dense _ 4) (-) dropout 5) |> dense _ 3",
    "dense _ 6 |> (dense 6 1 (-) (dense 6 4 |> dense 4 2))",
]


def cells(n, bins=1, seed=0):
    return torch.rand(n, bins, 2, 9, 8, generator=torch.Generator().manual_seed(seed))


def network(program, scale=3.0, spiking=False):
    """A network with strong activities, whose batch norms have seen data."""
    torch.manual_seed(0)
    net = build(program, height=9, width=8, spiking=spiking)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, Weighted):
                module.weight.weight *= scale
        for _ in range(40):
            net(cells(8))
    return net.eval()


def activities(net, x):
    """What the hidden layers give, each ``[C, ...]``."""
    seen = []
    for m in net.modules():
        if isinstance(m, Weighted) and not isinstance(m.activation, nn.Identity):
            m.register_forward_hook(lambda _m, _x, y: seen.append(y.movedim(2, 0).flatten(1)))
    with torch.no_grad():
        net(x)
    return seen


@pytest.mark.parametrize("program", PROGRAMS)
def test_logits_stay_and_activities_do_not_exceed_one(program):
    net, x = network(program), cells(20, 2)
    other = balanced(net, x, share=1.0)
    with torch.no_grad():
        assert torch.allclose(other(x), net(x), rtol=1e-4, atol=1e-4)
        fresh = cells(5, seed=1)
        assert torch.allclose(other(fresh), net(fresh), rtol=1e-4, atol=1e-4)
    assert max(a.max() for a in activities(net, x)) > 1.5
    peaks = torch.cat([a.amax(1) for a in activities(other, x)])
    active = peaks > 0  # some units never are
    assert active.sum() > len(peaks) / 2
    assert torch.allclose(peaks[active], torch.ones(()), atol=1e-4)


def test_the_share_of_activities_below_one_is_as_asked():
    net, x = network("dense _ 50 |> dense _ 3"), cells(1000)
    (a,) = activities(balanced(net, x, share=0.9), x)
    below = (a[a.amax(1) > 0] <= 1.0001).float().mean(1)
    assert torch.allclose(below.min(), torch.tensor(0.9), atol=1e-6)


def test_the_network_itself_is_left_alone():
    net, x = network(PROGRAMS[1]), cells(8)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    other = balanced(net.train(), x)
    assert other.training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


@pytest.mark.parametrize("program", [PROGRAMS[0], PROGRAMS[2], PROGRAMS[3]])
def test_the_spiking_network_comes_close_to_the_other_with_more_bins(program):
    net, x = network(program), cells(30)
    fitted = twin(balanced(net, x, share=1.0), neuron=RATE)
    assert fitted.description["neuron"]["kind"] == "if"
    with torch.no_grad():
        want = net(x)
        gaps = [
            (fitted(x.expand(-1, bins, -1, -1, -1)) - want).abs().mean() for bins in (8, 64, 512)
        ]
        plain = twin(net, neuron=RATE)(x.expand(-1, 512, -1, -1, -1))
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2]
    assert gaps[2] < 0.05 * want.std()
    assert (plain - want).abs().mean() > 5 * gaps[2]  # without balance rates saturate


def test_what_cannot_be_balanced_is_refused():
    with pytest.raises(InvalidModel, match="only a non-spiking network can be balanced; give its"):
        balanced(network(PROGRAMS[0], spiking=True), cells(2))
    for share in (0.0, 1.1, float("nan")):
        with pytest.raises(InvalidModel, match="share must be above 0 and at most 1, not"):
            balanced(network(PROGRAMS[0]), cells(2), share=share)
