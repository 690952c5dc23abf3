from __future__ import annotations

import torch

from spikeproof.models import Direct, NeuronSpec, build
from spikeproof.models.modules import Weighted


def network(program="conv _ 3 3 norm |> pool 2 |> dense _ 4"):
    torch.manual_seed(0)
    neuron = NeuronSpec("if", threshold=0.3)
    return build(program, height=6, width=6, polarities=1, neuron=neuron).eval()


def test_a_constant_current_is_weighted_once_and_gives_the_same():
    net, x = network(), torch.rand(3, 1, 1, 6, 6, requires_grad=True)
    seen = []
    first = net.layers[0]
    assert isinstance(first, Weighted)
    first.weight.register_forward_hook(lambda _m, _x, y: seen.append(len(y)))
    copied, constant = x.repeat(1, 8, 1, 1, 1), Direct(8)(x)
    assert constant.stride(1) == 0
    assert torch.equal(copied, constant)
    logits = [net(copied), net(constant)]
    assert torch.allclose(*logits, atol=1e-6)
    grads = [torch.autograd.grad(out.square().sum(), x)[0] for out in logits]
    assert torch.allclose(*grads, atol=1e-6)
    assert grads[0].abs().sum() > 0


def test_training_sees_all_steps():
    net, x = network().train(), torch.rand(3, 1, 1, 6, 6)
    before = net.state_dict()["layers.0.norm.running_var"].clone()
    want = network().train()
    assert torch.allclose(net(Direct(8)(x)), want(x.repeat(1, 8, 1, 1, 1)), atol=1e-6)
    after = [n.state_dict()["layers.0.norm.running_var"] for n in (net, want)]
    assert torch.allclose(*after)
    assert not torch.equal(after[0], before)
