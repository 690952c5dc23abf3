"""Sinabs' own forward against ours; runs where Sinabs is installed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from spikeproof.adapters import adapt
from spikeproof.evaluate import activity
from spikeproof.models import ArcTan, using_surrogate

from .. import nets
from ..nets import recordings

sinabs = pytest.importorskip("sinabs")
sl = pytest.importorskip("sinabs.layers")


def test_logits_are_those_of_sinabs():
    x = recordings()
    net = nets.build("sinabs", "repeated")
    sinabs.reset_states(net)
    expected = net(x).mean(1)
    torch.testing.assert_close(adapt(net, x)(x), expected)

    net = nets.build("sinabs", "squeezed")
    model = adapt(net, x)
    sinabs.set_batch_size(net, 3)
    expected = net(x.flatten(0, 1)).unflatten(0, (3, 5)).mean(1)
    torch.testing.assert_close(model(x), expected)
    assert sinabs.utils.get_batch_size(net) == 3


def test_a_network_in_the_middle_of_a_sequence_stays_there():
    x = recordings()
    net = nets.build("sinabs", "repeated")
    net(x)
    membranes = [m.v_mem for m in net.modules() if hasattr(m, "v_mem")]
    values = [v.clone() for v in membranes]
    adapt(net, x)(recordings(7, 2))
    after = [m.v_mem for m in net.modules() if hasattr(m, "v_mem")]
    assert all(a is b for a, b in zip(after, membranes, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(after, values, strict=True))


def test_the_surrogate_of_several_spikes_has_a_bump_at_each_threshold():
    layer = sl.IAF()
    net = nn.Sequential(nn.Flatten(2), nn.Linear(nets.CELLS, 2, bias=False), layer)
    with torch.no_grad():
        net[1].weight.zero_()
        net[1].weight[:, 0] = 1.0
    model = adapt(net, recordings())
    slopes = []
    for v in (0.0, 1.0, 1.25, 2.0, 3.4):
        x = torch.zeros(1, 1, 2, nets.HEIGHT, nets.WIDTH)
        x[..., 0, 0, 0] = v
        x.requires_grad_()
        with using_surrogate(model, ArcTan(2.0)):
            slopes.append(torch.autograd.grad(model(x)[0, 0], x)[0][0, 0, 0, 0, 0])
    bump = ArcTan(2.0).derivative(torch.tensor([-1.0, 0.0, 0.25, 0.0, 0.4]))
    torch.testing.assert_close(torch.stack(slopes), bump)


@pytest.mark.parametrize("squeeze", [False, True])
def test_work_is_counted_per_recording(squeeze):
    neuron = sl.IAFSqueeze(batch_size=9) if squeeze else sl.IAF()
    layers = (nn.Conv2d(2, 1, 1, bias=False), neuron, nn.Flatten(-3), nn.Linear(4, 3, bias=False))
    net = nn.Sequential(*layers) if squeeze else nn.Sequential(sl.Repeat(layers[0]), *layers[1:])
    with torch.no_grad():
        layers[0].weight.fill_(2.0)  # an event makes its place fire twice
        layers[3].weight.fill_(1.0)
    x = torch.zeros(3, 4, 2, 2, 2)
    x[0, 0, 0, 0, 0] = x[0, 3, 1, 1, 1] = x[1, 2, 0, 0, 1] = 1
    effort = activity(adapt(net, x), x)
    assert effort.spikes.tolist() == [4, 2, 0]
    assert effort.synops.tolist() == [2 * (1 + 3), 1 + 3, 0]
