"""A network and its code are one model, one description and one file."""

from __future__ import annotations

import pytest
import torch

from spikeproof.adapters import ExpectationOverTransformation, examine
from spikeproof.errors import InvalidModel
from spikeproof.evaluate import activity
from spikeproof.models import Coded, CodeSpec, Direct, build, load_checkpoint, save_checkpoint


def coded(name="direct", steps=3):
    torch.manual_seed(0)
    net = build("4c3-bn-p2-fc3", height=6, width=5, polarities=1)
    return Coded(CodeSpec(name, steps), net).eval()


@pytest.mark.parametrize("name", ["direct", "bernoulli", "poisson", "latency"])
def test_round_trip(name, tmp_path):
    net, path = coded(name), tmp_path / "net.safetensors"
    save_checkpoint(path, net, {})
    again = load_checkpoint(path).network
    assert isinstance(again, Coded)
    assert again.description == net.description
    assert (again.n_classes, again.input_shape) == (3, (1, 6, 5))
    x = torch.rand(2, 1, 1, 6, 5)
    with torch.no_grad():
        torch.manual_seed(1)
        before = net(x)
        torch.manual_seed(1)
        assert torch.equal(again(x), before)


def test_it_is_the_network_behind_its_code():
    net, x = coded(), torch.rand(2, 1, 1, 6, 5)
    with torch.no_grad():
        assert torch.equal(net(x), net.network(Direct(3)(x)))


@pytest.mark.parametrize("name", ["direct", "latency", "bernoulli"])
def test_it_is_a_victim_like_any_other(name):
    net = coded(name)
    next(net.parameters()).data.mul_(6)  # so that few inputs at a time make neurons fire
    model = ExpectationOverTransformation(net, draws=4) if name == "bernoulli" else net
    x = torch.rand(6, 1, 1, 6, 5, generator=torch.Generator().manual_seed(3))
    checks = examine(model, x, torch.arange(6) % 3)
    assert [c.name for c in checks if not c.ok and c.name not in ("accuracy", "ties")] == []


def test_its_work_is_counted_in_batches_as_one_by_one():
    net, x = coded(), torch.rand(3, 1, 1, 6, 5)
    whole, single = activity(net, x), [activity(net, one) for one in torch.split(x, 1)]
    assert torch.equal(whole.synops, torch.cat([w.synops for w in single]))
    assert torch.equal(whole.spikes, torch.cat([w.spikes for w in single]))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ({"name": "morse", "steps": 3}, "unknown code 'morse'"),
        ({"name": "direct", "speed": 3}, "wrong settings"),
    ],
)
def test_a_code_that_is_none_is_refused(code, said):
    with pytest.raises(InvalidModel, match=said):
        CodeSpec.from_dict(code)
