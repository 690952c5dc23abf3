from __future__ import annotations

import snntorch as snn
import torch
from snntorch import surrogate
from torch import nn

from spikeproof.adapters import adapt
from spikeproof.models import FastSigmoid, using_surrogate

from .. import nets
from ..nets import recordings


def test_logits_are_those_of_snntorch():
    net, x = nets.build("snntorch", "hidden"), recordings(4)
    for m in net.modules():
        if isinstance(m, snn.Leaky):
            m.reset_mem()
    spikes = torch.stack([net(frame)[0] for frame in x.unbind(1)])
    assert torch.equal(adapt(net, x)(x), spikes.mean(0))

    net = nets.build("snntorch", "explicit")
    spikes, _ = net(x.transpose(0, 1))
    assert torch.equal(adapt(net, x)(x), spikes.mean(0))


def test_other_networks_of_the_process_keep_their_state():
    net, other, x = nets.build("snntorch", "hidden"), nets.build("snntorch", "hidden"), recordings()
    other(x[:, 0])
    state = [m.mem.clone() for m in other.modules() if isinstance(m, snn.Leaky)]
    adapt(net, x)(x)
    after = [m.mem for m in other.modules() if isinstance(m, snn.Leaky)]
    assert all(torch.equal(a, b) for a, b in zip(after, state, strict=True))
    assert any(s.abs().sum() > 0 for s in state)


def test_their_own_surrogate_is_what_ours_replaces():
    """snnTorch's fast sigmoid of slope k is ours: same bump, same gradient."""
    torch.manual_seed(0)
    neuron = snn.Leaky(beta=0.7, init_hidden=True, spike_grad=surrogate.fast_sigmoid(slope=3))
    net = nets.lively(nn.Sequential(nn.Flatten(), nn.Linear(nets.CELLS, 4), neuron), 4.0)
    x = recordings()
    model = adapt(net, x)

    def gradient():
        leaf = x.clone().requires_grad_()
        return torch.autograd.grad((model(leaf) * torch.arange(1.0, 5.0)).sum(), leaf)[0]

    own = gradient()
    with using_surrogate(model, FastSigmoid(slope=3.0)):
        torch.testing.assert_close(gradient(), own)


def test_smooth_neurons_keep_their_own_gradient():
    neuron = snn.Leaky(beta=0.7, init_hidden=True, spike_grad=torch.sigmoid)
    net = nn.Sequential(nn.Flatten(), nn.Linear(nets.CELLS, 4), neuron)
    model = adapt(net, recordings())
    with using_surrogate(model, FastSigmoid()):
        assert neuron.spike_grad is torch.sigmoid


def test_neurons_that_see_all_steps():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(2), nn.Linear(nets.CELLS, 4), snn.StateLeaky(0.7, 4))
    net[2].output = True
    x = recordings(4)
    model = adapt(nets.lively(net, 6.0), x)
    assert "time first [T, N, P, H, W], all steps in one call" in model.assumptions
    torch.testing.assert_close(model(x), net(x.transpose(0, 1))[0].mean(0))
