"""Norse's own forward against ours; runs where Norse is installed."""

from __future__ import annotations

import pytest
import torch

from spikeproof.adapters import adapt
from spikeproof.models import FastSigmoid, using_surrogate

from .. import nets
from ..nets import recordings

norse = pytest.importorskip("norse.torch")


def test_logits_are_those_of_norse():
    x = recordings()
    for name in ("lifted", "recurrent"):
        net = nets.build("norse", name)
        frames = x.transpose(0, 1) if name == "lifted" else x.flatten(2).transpose(0, 1)
        y, _ = net(frames)
        torch.testing.assert_close(adapt(net, x)(x), y.mean(0))
    cells = nets.build("norse", "cells")
    state, outputs = None, []
    for frame in x.unbind(1):
        y, state = cells(frame, state)
        outputs.append(y)
    torch.testing.assert_close(adapt(cells, x)(x), torch.stack(outputs).mean(0))


@pytest.mark.parametrize(
    "name",
    [
        "LIFCell",
        "LIFExCell",
        "LIFAdExCell",
        "LIFRefracCell",
        "LIFAdExRefracCell",
        "LIFBoxCell",
        "IAFCell",
        "LSNNCell",
    ],
)
def test_every_neuron_takes_a_surrogate(name):
    torch.manual_seed(0)
    cell = getattr(norse, name)()
    net = nets.lively(
        norse.SequentialState(torch.nn.Flatten(), torch.nn.Linear(nets.CELLS, 4), cell), 6.0
    )
    x = recordings(3, 9)
    model = adapt(net, x)
    assert model.neurons == (cell,)
    gradients = []
    for surrogate in (FastSigmoid(0.1), FastSigmoid(20.0)):
        leaf = x.clone().requires_grad_()
        with using_surrogate(model, surrogate):
            gradients.append(torch.autograd.grad(model(leaf).sum(), leaf)[0])
    assert not torch.allclose(*gradients)


def test_integrators_do_not_spike():
    net = norse.SequentialState(torch.nn.Flatten(), torch.nn.Linear(nets.CELLS, 4), norse.LICell())
    assert adapt(net, recordings()).neurons == ()
