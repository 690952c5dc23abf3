from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from spikeproof.adapters import examine
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidModel
from spikeproof.goals import Untargeted
from spikeproof.models.ttfs import choose_windows, from_relu

from .nets import dense, images, made, plain_vgg, vgg


@pytest.mark.parametrize("optimiser", [torch.optim.SGD, torch.optim.Adam])
@pytest.mark.parametrize("net", [dense, plain_vgg], ids=lambda f: f.__name__)
def test_training_from_scratch_follows_the_relu_network(net, optimiser):
    x, labels = images(32), torch.arange(32) % 5
    relu = made(net).train()
    spiking = from_relu(relu, x[:4])
    rate = 0.2 if optimiser is torch.optim.SGD else 0.005
    mine, theirs = (optimiser(m.parameters(), lr=rate) for m in (spiking, relu))
    before = [p.detach().clone() for p in relu.parameters()]
    spiking.widen(spiking.trace(x))
    latency = spiking.latency
    for step in range(30):
        batch = torch.arange(step * 8, step * 8 + 8) % 32
        trace = spiking.trace(x[batch])
        for opt, logits in ((mine, trace.logits), (theirs, relu(x[batch]))):
            opt.zero_grad()
            F.cross_entropy(logits, labels[batch]).backward()
            opt.step()
        spiking.widen(trace)
    for p, q, start in zip(spiking.parameters(), relu.parameters(), before, strict=True):
        assert (q - start).abs().max() > 0.01
        torch.testing.assert_close(p.flatten(), q.flatten(), rtol=0, atol=1e-9)
    assert spiking.latency > latency
    torch.testing.assert_close(spiking(x), relu(x), rtol=0, atol=1e-9)


def test_windows_widen_by_the_rule_and_never_shrink():
    x = images()
    net = from_relu(made(dense), x)
    logits, trace = net(x), net.trace(x)
    largest = [
        float((end - t.min()).detach()) for t, end in zip(trace.times, trace.ends, strict=True)
    ][1:]
    net.widen(trace)
    lengths = [float(layer.length) for layer in net.spiking]
    assert lengths == pytest.approx([10 * value for value in largest])
    net.widen(net.trace(x * 0.01))
    assert [float(layer.length) for layer in net.spiking] == lengths
    torch.testing.assert_close(net(x), logits, rtol=0, atol=1e-10)
    assert net.latency == pytest.approx(1 + sum(lengths))
    choose_windows(net, x)
    assert [float(layer.length) for layer in net.spiking] == pytest.approx(
        [1.5 * value for value in largest]
    )
    torch.testing.assert_close(net(x), logits, rtol=0, atol=1e-10)
    with pytest.raises(InvalidModel, match="windows"):
        net.widen(trace, factor=0.5)


def test_spike_times_and_counts():
    x = images()
    relu = made(vgg)
    net = from_relu(relu, x)
    times, trace = net.times(x), net.trace(x)
    assert [t.shape[1:] for t in times] == [(2, 8, 8), (6, 8, 8), (6, 8, 8), (8, 4, 4), (12,)]
    torch.testing.assert_close(times[0][x > 0], 1 - x[x > 0])
    assert torch.isinf(times[0][x == 0]).all()
    active = relu[0](x) > 0
    assert torch.equal(torch.isfinite(times[1]), active)
    assert trace.spikes_per_neuron[1] == pytest.approx(float(active.double().mean()))
    for this, following in itertools.pairwise(times):
        assert this[this.isfinite()].max() <= following.min()


def test_an_answer_does_not_depend_on_batch_mates_or_on_form():
    x = images()
    net = from_relu(made(vgg), x)
    torch.testing.assert_close(net(x)[2:3], net(x[2:3]), rtol=0, atol=1e-12)
    assert torch.equal(net(x.unsqueeze(1)), net(x))
    assert torch.equal(net(x.flip(0)).flip(0), net(x))
    assert torch.equal(net(x * 2 - 0.5), net((x * 2 - 0.5).clamp(0, 1)))


def test_attacks_get_the_gradient_of_the_relu_network():
    x = images().unsqueeze(1)
    relu = made(vgg)
    net = from_relu(relu, x)
    goal = Untargeted(net(x).argmax(1))
    margin, gradient = Victim(net).gradient(x, goal)
    wanted, there = Victim(lambda image: relu(image.squeeze(1))).gradient(x, goal)
    torch.testing.assert_close(margin, wanted, rtol=0, atol=1e-10)
    assert (gradient != 0).any()
    torch.testing.assert_close(gradient, there, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_examination_before_attacks_finds_nothing(dtype):
    x = images(12, dtype=dtype).unsqueeze(1)
    net = from_relu(made(vgg).to(dtype), x)
    checks = examine(net, x)
    assert len(checks) > 8
    assert [check for check in checks if not check.ok] == []


def test_attacks_may_come_in_single_precision():
    x = images(dtype=torch.float32).unsqueeze(1)
    net = from_relu(made(vgg), x)
    _, gradient = Victim(net).gradient(x, Untargeted(net(x).argmax(1)))
    assert gradient.dtype == torch.float32
    assert gradient.isfinite().all()
    assert (gradient != 0).any()
