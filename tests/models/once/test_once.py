"""Neurons that spike once: times by hand, the compiled loops beside plain PyTorch, gradients."""

from __future__ import annotations

import pytest
import torch

from spikeproof.adapters import examine
from spikeproof.errors import InvalidModel
from spikeproof.models import load_checkpoint, save_checkpoint
from spikeproof.models.once import Neuron, spike_once, spike_once_network
from spikeproof.models.once import layer as once

NEURON = Neuron(threshold=10.0, steps=20)


def times_of(*rows):
    return torch.tensor(rows, dtype=torch.float32)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([10.0, 0.0, 0.0], 3),  # the first input alone reaches the threshold
        ([6.0, 4.0, 0.0], 5),  # the second completes it
        ([6.0, 3.0, 0.9], 20),  # just below: no spike
        ([12.0, -5.0, 0.0], 3),  # what comes later cannot take a spike back
        ([6.0, -6.0, 10.0], 7),
    ],
)
def test_a_neuron_spikes_at_the_first_crossing(weights, expected):
    out = spike_once(times_of([3, 5, 7]), torch.tensor(weights).unsqueeze(1), NEURON)
    assert out.item() == expected


def test_spikes_of_a_step_are_added_before_anybody_looks():
    weights = torch.tensor([[12.0], [-5.0]])
    assert spike_once(times_of([4, 4]), weights, NEURON).item() == 20
    assert spike_once(times_of([4, 5]), weights, NEURON).item() == 4


def test_who_does_not_spike_adds_nothing():
    weights = torch.tensor([[9.0], [9.0]])
    assert spike_once(times_of([2, 20]), weights, NEURON).item() == 20


def drawn():
    rng = torch.Generator().manual_seed(0)
    times = torch.randint(0, 21, (7, 30), generator=rng).float()
    weight = torch.rand(30, 9, generator=rng) * 4 - 1
    error = torch.randn(7, 9, generator=rng)
    error[2] = 0
    return times, weight, error


def gradients(monkeypatch, compiled):
    times, weight, error = drawn()
    if not compiled:
        monkeypatch.setattr(once, "_compiled", lambda _: False)
    times.requires_grad_()
    weight.requires_grad_()
    out = spike_once(times, weight, Neuron(10.0, 20, early=0.8, late=0.2))
    return out.detach(), *torch.autograd.grad(out, (times, weight), error)


def test_compiled_loops_do_what_plain_ones_do(monkeypatch):
    fast, slow = gradients(monkeypatch, True), gradients(monkeypatch, False)
    assert torch.equal(fast[0], slow[0])
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(fast[1:], slow[1:], strict=True))


def test_the_rule_is_that_of_the_definition(monkeypatch):
    times, weight, error = drawn()
    out, to_times, to_weight = gradients(monkeypatch, True)
    causal = (times.unsqueeze(2) <= out.unsqueeze(1)) & (times.unsqueeze(2) < 20)
    u = torch.where(causal, 0.8, -0.2)
    assert torch.allclose(to_weight, -(u * error.unsqueeze(1)).sum(0), atol=1e-5)
    assert torch.allclose(to_times, (causal * weight * error.unsqueeze(1)).sum(2), atol=1e-5)


def small():
    torch.manual_seed(1)
    return spike_once_network("4c3-mp2-fc12-fc3", (1, 8, 8)).eval()


def test_a_convolution_is_a_dense_layer_on_patches():
    torch.manual_seed(0)
    net = spike_once_network("2c3-fc3", (1, 5, 5))
    x = torch.rand(2, 1, 1, 5, 5)
    pixels, hidden, _ = net.trace(x)
    padded = torch.nn.functional.pad(pixels, (1, 1, 1, 1), value=float(net.steps))
    weight = net.spiking[0].weight
    for row in range(5):
        for column in range(5):
            patch = padded[:, :, row : row + 3, column : column + 3].flatten(1)
            there = spike_once(patch, weight, Neuron())
            assert torch.equal(there, hidden[:, :, row, column])


def test_black_pixels_are_silent_and_bright_ones_early():
    net = small()
    x = torch.zeros(1, 1, 1, 8, 8)
    x[..., 0, 0], x[..., 0, 1] = 1.0, 0.5
    times = net.encoded(x)
    assert times[0, 0, 0, :3].tolist() == [0, 127, 255]


def test_it_is_a_victim_that_can_be_saved(tmp_path):
    net, x = small(), torch.rand(8, 1, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    failed = [c.name for c in examine(net, x, torch.arange(8) % 3) if not c.ok]
    assert set(failed) <= {"accuracy", "ties", "varied"}
    save_checkpoint(tmp_path / "net.safetensors", net, {})
    again = load_checkpoint(tmp_path / "net.safetensors").network
    assert torch.equal(net(x), again(x))
    leaf = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(net(leaf)[:, 0].sum(), leaf)
    assert bool((slope != 0).any())
    assert bool(torch.isfinite(slope).all())


def test_what_such_neurons_cannot_do_is_refused():
    with pytest.raises(InvalidModel, match="spike once"):
        spike_once_network("4c3-bn-fc3", (1, 8, 8))
    with pytest.raises(InvalidModel, match="steps"):
        Neuron(steps=1)
