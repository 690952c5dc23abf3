"""NIR graphs and twins of Norse and Sinabs, whose environments need not hold the others."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from spikeproof.adapters.adapted import Adapted
from spikeproof.adapters.nir import load_nir
from spikeproof.adapters.twin import Twin, fast_twin
from spikeproof.errors import InvalidModel

BINS = 10


def recordings(n=4):
    rng = torch.Generator().manual_seed(0)
    return (torch.rand(n, BINS, 2, 8, 8, generator=rng) < 0.4).float()


def lively(net, factor=4.0):
    for p in net.parameters():
        if p.dim() > 1:
            p.data.mul_(factor)
    return net.eval()


def same(ours, theirs):
    assert theirs.std() > 0, "the original is silent"
    return torch.allclose(ours, theirs, atol=1e-6)


def agrees(model, x):
    twin = fast_twin(model, x)
    assert isinstance(twin, Twin), twin
    assert twin.agree == 1.0


@pytest.mark.filterwarnings("ignore:nirtorch.extract_nir_graph:DeprecationWarning")
def test_graphs_of_norse():
    norse = pytest.importorskip("norse.torch")
    from norse.torch.utils.export_nir import to_nir

    for make in (norse.LIFBoxCell, norse.LIFCell, norse.IAFCell, norse.LIBoxCell):
        torch.manual_seed(0)
        net = norse.SequentialState(nn.Linear(128, 20), make(), nn.Linear(20, 5), make())
        lively(net, 20.0)
        x, state, outs = recordings(), None, []
        with torch.no_grad():
            for t in range(BINS):
                out, state = net(x[:, t].flatten(1), state)
                outs.append(out)
        graph = to_nir(net, x[:1, 0].flatten(1))
        assert same(load_nir(graph, convention="norse")(x), torch.stack(outs, 1).mean(1))
    with pytest.raises(InvalidModel, match=r"tau of 1e-05 is shorter than a step .* dt=1e-6"):
        load_nir(graph)


@pytest.mark.filterwarnings("ignore:nirtorch.extract_nir_graph:DeprecationWarning")
def test_graphs_of_sinabs():
    sinabs = pytest.importorskip("sinabs")
    from sinabs.nir import to_nir

    sl, n = sinabs.layers, 4
    for make in (
        lambda: sl.IAFSqueeze(batch_size=n),
        lambda: sl.LIFSqueeze(tau_mem=3.0, batch_size=n),
        lambda: sl.ExpLeakSqueeze(tau_mem=3.0, batch_size=n, norm_input=True),
    ):
        torch.manual_seed(0)
        layers = [nn.Conv2d(2, 4, 3), make(), sl.SumPool2d(2), nn.Flatten(), nn.Linear(36, 5)]
        net, x = lively(nn.Sequential(*layers, make()), 12.0), recordings(n)
        with torch.no_grad():
            expected = net(x.flatten(0, 1)).unflatten(0, (n, BINS)).mean(1)
            sinabs.reset_states(net)
            graph = to_nir(net, x.flatten(0, 1))
        model = load_nir(graph, convention="sinabs")
        assert same(model(x), expected)
        assert "decay by exp(-dt/tau)" in model.assumptions[0]


def test_twins_of_norse():
    norse = pytest.importorskip("norse.torch")
    for make in (norse.LIFBoxCell, norse.LIFCell, norse.IAFCell, norse.LICell, norse.LIBoxCell):
        torch.manual_seed(0)
        net = norse.SequentialState(
            nn.Conv2d(2, 4, 3), make(), nn.Flatten(), nn.Linear(144, 5), make()
        )
        lively(net, 40.0)

        def forward(x, net=net):
            state, outs = None, []
            for t in range(x.shape[1]):
                out, state = net(x[:, t], state)
                outs.append(out)
            return torch.stack(outs, 1).mean(1)

        agrees(Adapted(net, forward, framework="test"), recordings())


def test_twins_of_sinabs():
    sinabs = pytest.importorskip("sinabs")
    from sinabs import activation

    sl, n = sinabs.layers, 12
    single, hard = {"spike_fn": activation.SingleSpike}, activation.MembraneReset()
    for make in (
        lambda: sl.IAFSqueeze(batch_size=n, min_v_mem=-0.3),
        lambda: sl.LIFSqueeze(tau_mem=3.0, batch_size=n),
        lambda: sl.LIFSqueeze(tau_mem=3.0, tau_syn=2.0, norm_input=False, batch_size=n),
        lambda: sl.LIFSqueeze(tau_mem=3.0, reset_fn=hard, batch_size=n, **single),
        lambda: sl.ExpLeakSqueeze(tau_mem=4.0, batch_size=n),
    ):
        torch.manual_seed(0)
        layers = [nn.Conv2d(2, 4, 3), make(), sl.SumPool2d(2), nn.Flatten(), nn.Linear(36, 5)]
        net = lively(nn.Sequential(*layers, make()), 12.0)

        def forward(x, net=net):
            sinabs.reset_states(net)
            return net(x.flatten(0, 1)).unflatten(0, x.shape[:2]).mean(1)

        agrees(Adapted(net, forward, framework="test"), recordings(n))
