from __future__ import annotations

import pytest
import torch

from spikeproof.errors import InvalidModel
from spikeproof.models import (
    Direct,
    EncodedNetwork,
    Latency,
    NeuronSpec,
    build,
    load_checkpoint,
    save_checkpoint,
)
from spikeproof.models.encoded_network import CODES, code_of
from spikeproof.models.modules import Weighted


def network(program="conv _ 3 3 norm |> pool 2 |> dense _ 4"):
    torch.manual_seed(0)
    neuron = NeuronSpec("if", threshold=0.3)
    return build(program, height=6, width=6, polarities=1, neuron=neuron).eval()


@pytest.mark.parametrize("kind", CODES)
def test_a_saved_network_answers_as_before(kind, tmp_path):
    model = EncodedNetwork({"kind": kind, "steps": 7}, network())
    save_checkpoint(tmp_path / "net.safetensors", model, {})
    again = load_checkpoint(tmp_path / "net.safetensors").network
    assert again.description == model.description
    assert (again.n_classes, again.input_shape) == (4, (1, 6, 6))
    x = torch.rand(5, 1, 1, 6, 6)
    torch.manual_seed(1)
    want = model(x)
    torch.manual_seed(1)
    assert torch.equal(again(x), want)
    assert want.std() > 0


def test_the_code_is_made_as_described():
    assert isinstance(code_of({"kind": "direct", "steps": 3}), Direct)
    code = code_of({"kind": "latency", "steps": 9, "law": "log", "threshold": 0.1})
    assert isinstance(code, Latency)
    assert (code.steps, code.law, code.threshold) == (9, "log", 0.1)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ({"kind": "phase", "steps": 3}, "unknown code 'phase'; choose one of bernoulli, direct"),
        ({"steps": 3}, "unknown code None"),
        ({"kind": "direct", "steps": 3, "rate": 1}, "code 'direct' has wrong settings: .*rate"),
        ({"kind": "direct", "steps": 0}, "needs at least 1 time step"),
    ],
)
def test_codes_that_are_not_known_are_refused(code, message):
    with pytest.raises(InvalidModel, match=message):
        EncodedNetwork(code, network())


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
