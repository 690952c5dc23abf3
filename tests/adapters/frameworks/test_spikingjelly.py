from __future__ import annotations

import pytest
import torch
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import nn

from spikeproof.adapters import adapt
from spikeproof.models import ArcTan, FastSigmoid, using_surrogate

from .. import nets
from ..nets import recordings


def gradient(model, x):
    leaf = x.clone().requires_grad_()
    return torch.autograd.grad((model(leaf) * torch.arange(1.0, 5.0)).sum(), leaf)[0]


@pytest.mark.parametrize("mode", ["s", "m"])
def test_logits_and_gradients_are_those_of_spikingjelly(mode):
    net, x = nets.build("spikingjelly", f"{dict(s='single', m='multi')[mode]} step"), recordings(4)

    def theirs(x):
        functional.reset_net(net)
        if mode == "m":
            return net(x.transpose(0, 1)).mean(0)
        return torch.stack([net(frame) for frame in x.unbind(1)]).mean(0)

    model = adapt(net, x)
    assert torch.equal(model(x), theirs(x))
    torch.testing.assert_close(gradient(model, x), gradient(theirs, x))


def test_a_network_in_the_middle_of_a_sequence_stays_there():
    net, x = nets.build("spikingjelly", "single step"), recordings(2)
    model = adapt(net, x)
    functional.reset_net(net)
    net(x[:, 0])
    before = [value.clone() for value in net[2].memories()]
    model(recordings(5)).sum()
    assert all(torch.equal(a, b) for a, b in zip(net[2].memories(), before, strict=True))
    assert torch.equal(net(x[:, 1]), theirs_second_bin(net, x))


def theirs_second_bin(net, x):
    functional.reset_net(net)
    net(x[:, 0])
    return net(x[:, 1])


def test_no_graph_is_kept_alive():
    net, x = nets.build("spikingjelly", "multi step"), recordings()
    model = adapt(net, x)
    model(x.requires_grad_())
    for m in net.modules():
        held = [*vars(m).values(), *getattr(m, "_memories", {}).values()]
        assert not any(isinstance(v, torch.Tensor) and v.requires_grad for v in held)


NEURONS = {
    "IFNode": {},
    "LIFNode": {},
    "SimpleIFNode": {},
    "SimpleLIFNode": {"tau": 2.0, "decay_input": False},
    "ParametricLIFNode": {},
    "HalfThresholdIFNode": {},
    "ActivationAwareIFNode": {},
    "QIFNode": {},
    "EIFNode": {},
    "KLIFNode": {},
    "CUBALIFNode": {},
    "RAFNode": {},
    "TernaryIFNode": {},
    "ComplementaryLIFNode": {},
    "OTTTLIFNode": {},
    "SLTTLIFNode": {},
}


@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("name", NEURONS)
def test_every_neuron_has_its_gradient_in_evaluation_mode(name, mode):
    make = getattr(neuron, name)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(-3), nn.Linear(nets.CELLS, 4), make(**NEURONS[name]))
    if mode == "m" and name == "OTTTLIFNode":
        return  # takes single steps only
    net[2].step_mode = mode
    nets.lively(net, 10.0)
    x = recordings(3, 6)
    model = adapt(net, x)
    with torch.no_grad():
        functional.reset_net(net)
        seen = x.transpose(0, 1)
        spikes = net(seen) if mode == "m" else torch.stack([net(frame) for frame in seen])
    assert torch.equal(model(x), spikes.mean(0))  # their bare heaviside fires alike
    own = gradient(model, x)
    assert torch.isfinite(own).all()
    assert (own != 0).any()
    with using_surrogate(model, FastSigmoid(0.3)):
        assert torch.equal(model(x), spikes.mean(0))
        assert not torch.allclose(gradient(model, x), own)
    assert not any("single_step_functional_forward" in vars(m) for m in net.modules())


def test_their_own_surrogate_is_what_ours_replaces():
    """SpikingJelly's arctan of alpha 2 has height 1, as ours: same bump, same gradient."""
    net, x = nets.build("spikingjelly", "multi step"), recordings()
    for m in net.modules():
        if hasattr(m, "surrogate_function"):
            m.surrogate_function = surrogate.ATan(alpha=2.0)
    model = adapt(net, x)
    own = gradient(model, x)
    with using_surrogate(model, ArcTan(slope=2.0)):
        torch.testing.assert_close(gradient(model, x), own)


def test_graded_spikes_keep_their_own_gradient():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(2), nn.Linear(nets.CELLS, 4), neuron.ILIFNode(step_mode="m"))
    model, x = adapt(nets.lively(net, 8.0), recordings()), recordings()
    own = gradient(model, x)
    with using_surrogate(model, FastSigmoid(0.3)):
        assert torch.equal(gradient(model, x), own)


def test_wrapped_single_steps():
    torch.manual_seed(0)
    net = layer.MultiStepContainer(
        nn.Conv2d(2, 3, 3), neuron.LIFNode(), nn.Flatten(), nn.Linear(3 * 7 * 5, 4)
    )
    x = recordings(4)
    model = adapt(nets.lively(net, 6.0), x)
    torch.testing.assert_close(model(x), net(x.transpose(0, 1)).mean(0))
    torch.testing.assert_close(torch.cat([model(one) for one in x.split(1)]), model(x))
