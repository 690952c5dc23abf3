from __future__ import annotations

import pytest
import torch
from torch import nn

from spikeproof.adapters import lend
from spikeproof.adapters.lend import lending, mentions, rebound, undisturbed

SCALE = 2.0


def inner(x):
    return x * SCALE


def outer(x, *, plus=1.0):
    return inner(x) + plus


def recursive(x):
    return recursive(x - 1) if x > 0 else SCALE


def test_what_is_lent_shadows_parameters_buffers_submodules_and_attributes():
    net = nn.Module()
    net.weight, net.part, net.plain = nn.Parameter(torch.ones(1)), nn.Linear(1, 1), 5
    net.register_buffer("state", torch.zeros(1))
    before = dict(vars(net))
    names = ("weight", "part", "plain", "state", "absent")

    def interrupted():
        with lending((net, name, "lent") for name in names):
            assert {getattr(net, name) for name in names} == {"lent"}
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert vars(net) == before
    assert not hasattr(net, "absent")
    assert isinstance(net.part, nn.Linear)


def test_assignments_of_a_call_are_undone():
    net = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2)).train()
    mean = net[0].running_mean
    with undisturbed(net):
        assert not any(m.training for m in net.modules())
        net[0].running_mean = torch.ones(2)
        net[1].trace = net(torch.rand(3, 2))
    assert net[0].running_mean is mean
    assert not hasattr(net[1], "trace")
    assert all(m.training for m in net.modules())
    with undisturbed(lambda x: x):
        pass


def test_a_copy_of_a_function_sees_another_global():
    package = outer.__module__.split(".")[0]
    assert mentions(outer, "SCALE", package)
    assert not mentions(outer, "TORCH", package)
    assert not mentions(lend.lending, "SCALE", package)
    assert not mentions("text", "SCALE", package)
    copy = rebound(outer, package, "SCALE", 10.0)
    assert (copy(1.0), copy(1.0, plus=2.0), outer(1.0)) == (11.0, 12.0, 3.0)


def test_recursive_functions_do_not_go_round_for_ever():
    package = recursive.__module__.split(".")[0]
    assert rebound(recursive, package, "SCALE", 10.0)(0) == 10.0
