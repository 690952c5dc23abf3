"""The race of first spikes, against membranes computed on a fine clock and by hand."""

from __future__ import annotations

import pytest
import torch

from spikeproof.adapters import examine
from spikeproof.errors import InvalidModel
from spikeproof.images import load_images
from spikeproof.models import load_checkpoint, save_checkpoint
from spikeproof.models.latency import LatencyNetwork


def network(hidden=12, winners=5, size=3, classes=4, dtype=torch.float64, seed=0):
    """Random weights, thresholds and read-out."""
    torch.manual_seed(seed)
    net = LatencyNetwork((1, size, size), classes, hidden=hidden, winners=winners)
    with torch.no_grad():
        net.threshold.uniform_(0.2, 0.6)
        net.readout.normal_()
        net.bias.normal_()
    return net.to(dtype).eval()


def images(n=20, size=3, dtype=torch.float64, seed=1):
    rng = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 1, 1, size, size, generator=rng, dtype=dtype)
    return x * (torch.rand(x.shape, generator=rng) < 0.8)  # some pixels never spike


def test_times_by_hand():
    net = LatencyNetwork((1, 1, 2), 2, hidden=3, winners=3).double()
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[1.0, 0.0], [0.5, 1.0], [0.1, 0.1]]))
        net.threshold.copy_(torch.tensor([0.3, 0.6, 0.5]))
        net.readout.copy_(torch.tensor([[1.0, 0.0, 5.0], [0.0, 2.0, 5.0]]))
        net.bias.copy_(torch.tensor([0.25, 0.0]))
    x = torch.tensor([1.0, 0.5]).view(1, 1, 1, 1, 2).double()  # spikes at 0 and at 0.5
    times, who = net.first_spikes(x)
    # neuron 0: v = t.  neuron 1: 0.25 at 0.5, then slope 1.5.  neuron 2: 0.15 at the end, silent
    assert who[0, :2].tolist() == [0, 1]
    torch.testing.assert_close(times, torch.tensor([[0.3, 0.5 + 0.35 / 1.5, 1.0]]).double())
    lead = 1 - times[0]
    expected = torch.tensor([[0.25 + lead[0], 2 * lead[1]]]).double()
    torch.testing.assert_close(net(x).detach(), expected.detach())


def test_times_are_those_of_membranes_on_a_fine_clock():
    net, x = network(winners=12), images(40)
    times, who = net.first_spikes(x)
    clock = torch.linspace(0, 1, 20_001, dtype=torch.float64)
    arrived = (clock.view(-1, 1, 1) - (1 - x.flatten(1))).clamp(min=0)  # [clock, N, F]
    above = (arrived @ net.weight.T >= net.threshold).double()  # [clock, N, H]
    expected = torch.where(above.any(0), clock[above.argmax(0)], 1.0)
    spiked = times < 1
    assert 0.3 < spiked.double().mean() < 1
    torch.testing.assert_close(times[spiked], expected.gather(1, who)[spiked], atol=6e-5, rtol=0)
    assert spiked.sum(1).equal(above.any(0).sum(1))  # who is not named was silent


def test_the_race_ends_with_the_last_winner():
    x = images()
    every, names = network(winners=12).first_spikes(x)
    first, who = network(winners=5).first_spikes(x)
    assert torch.equal(first, every[:, :5])
    assert torch.equal(who[first < 1], names[:, :5][first < 1])
    assert (first.diff(dim=1) >= 0).all()


def test_the_gradient_is_that_of_finite_differences():
    net, x = network(), images(6).requires_grad_()
    (net(x) * torch.arange(4)).sum().backward()
    step = 1e-6
    for n, j in torch.cartesian_prod(torch.arange(6), torch.arange(9)).tolist():
        if not step < x[n].flatten()[j] < 1 - step:
            continue
        moved = torch.zeros(1, 9, dtype=torch.float64)
        moved[0, j] = step
        moved = moved.view_as(x[:1])
        with torch.no_grad():
            up, down = net(x[n : n + 1] + moved), net(x[n : n + 1] - moved)
        slope = ((up - down) / (2 * step) * torch.arange(4)).sum()
        torch.testing.assert_close(x.grad[n].flatten()[j], slope, atol=1e-5, rtol=1e-4)


def test_pixels_after_the_race_have_no_effect():
    net, x = network(winners=2), images()
    end = net.first_spikes(x)[0][:, -1:]
    late = 1 - x.flatten(1) > end
    assert late.any()
    dimmed = torch.where(late, 0.0, x.flatten(1)).view_as(x)
    assert torch.equal(net(dimmed), net(x))


def test_black_images_and_intensities_beyond_the_range():
    net = network()
    dark = torch.zeros(1, 1, 1, 3, 3, dtype=torch.float64)
    assert torch.equal(net(dark)[0], net.bias)
    wild = images(4) * 3 - 1
    assert torch.equal(net(wild), net(wild.clamp(0, 1)))


def test_it_is_a_sound_victim():
    data = load_images().test
    net = network(60, 20, 8, 10, torch.float32)
    checks = examine(net, data.x[:32], data.labels[:32])
    assert all(check.ok for check in checks), [c.says for c in checks if not c.ok]


def test_saved_and_loaded_it_answers_the_same(tmp_path):
    net, x = network(dtype=torch.float32), images(dtype=torch.float32)
    save_checkpoint(tmp_path / "net.safetensors", net, {})
    again = load_checkpoint(tmp_path / "net.safetensors").network
    assert isinstance(again, LatencyNetwork)
    assert again.description == net.description
    assert torch.equal(again(x), net(x))
    assert again.n_parameters == 12 * 9 + 12 + 4 * 12 + 4


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidModel, match="cannot win"):
        LatencyNetwork((1, 3, 3), 4, hidden=5, winners=6)
    with pytest.raises(InvalidModel, match=r"\[N, 1, 1, 3, 3\]"):
        network()(images(size=4))
