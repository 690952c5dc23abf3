"""Networks on other devices; what can be tested without one."""

from __future__ import annotations

import pytest
import torch

from spikeproof.attacks.victim import Victim
from spikeproof.errors import SpikeproofError
from spikeproof.evaluate import activity
from spikeproof.goals import Untargeted
from spikeproof.models import build
from spikeproof.models.device import choose, placed

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def test_auto_finds_something():
    assert choose("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose("cpu").type == "cpu"


def test_an_unknown_device_is_named():
    with pytest.raises(SpikeproofError, match=r"'tpu'.*auto, cpu, cuda"):
        choose("tpu")


def test_on_the_cpu_nothing_is_changed():
    network = build("fc3", height=4, width=4)
    assert placed(network, torch.device("cpu")) is network
    assert not network._forward_pre_hooks


@needs_cuda
def test_a_placed_network_answers_on_the_cpu():
    torch.manual_seed(0)
    network = build("4c3-bn-p2-fc3", height=8, width=8).eval()
    x = (torch.rand(5, 4, 2, 8, 8) < 0.2).float()
    goal = Untargeted(torch.zeros(5, dtype=torch.long))
    before, (_, gradient), effort = (
        network(x),
        Victim(network).gradient(x, goal),
        activity(network, x),
    )
    placed(network, torch.device("cuda"))
    assert next(network.parameters()).is_cuda
    assert torch.allclose(network(x), before, atol=1e-4)
    assert torch.allclose(Victim(network).gradient(x, goal)[1], gradient, atol=1e-4)
    assert torch.equal(activity(network, x).spikes, effort.spikes)
