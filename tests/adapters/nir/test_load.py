"""Graphs that the frameworks themselves exported must give what the frameworks give."""

from __future__ import annotations

from itertools import pairwise

import h5py
import nir
import numpy as np
import pytest
import snntorch
import torch
from snntorch.export_nir import export_to_nir
from torch import nn

from spikeproof.adapters.nir import file, load_nir
from spikeproof.errors import InvalidModel
from spikeproof.models import FastSigmoid, using_surrogate

BINS = 10


def recordings(n=4, size=8):
    rng = torch.Generator().manual_seed(0)
    return (torch.rand(n, BINS, 2, size, size, generator=rng) < 0.4).float()


def stepwise(net, x):
    with torch.no_grad():
        outs = [net(x[:, t]) for t in range(x.shape[1])]
    return torch.stack(outs, 1).mean(1)


def lively(net, factor=4.0):
    for p in net.parameters():
        if p.dim() > 1:
            p.data.mul_(factor)
    return net.eval()


def same(ours, theirs):
    assert theirs.std() > 0, "the original is silent"
    return torch.allclose(ours, theirs, atol=1e-6)


def jelly():
    pytest.importorskip("spikingjelly")
    from spikingjelly import activation_based
    from spikingjelly.activation_based import functional, layer, neuron, nir_exchange  # noqa: F401

    return activation_based


SPIKINGJELLY = {
    "if": lambda neuron: neuron.IFNode(v_threshold=0.75),
    "lif": lambda neuron: neuron.LIFNode(tau=1.5),
    "lif, input not decayed": lambda neuron: neuron.LIFNode(
        tau=3.0, decay_input=False, v_reset=-0.25
    ),
    "plif": lambda neuron: neuron.ParametricLIFNode(init_tau=1.5),
    "cuba": lambda neuron: neuron.CUBALIFNode(c_decay=0.5, v_decay=0.75),
}


@pytest.mark.parametrize("make", SPIKINGJELLY.values(), ids=SPIKINGJELLY)
def test_spikingjelly(make, tmp_path):
    sj = jelly()
    layer, neurons = sj.layer, lambda: make(sj.neuron)
    torch.manual_seed(0)
    conv, pool = layer.Conv2d(2, 4, 3, padding=1, stride=(1, 2)), layer.AvgPool2d(2)
    net = nn.Sequential(conv, neurons(), pool, layer.Flatten(), layer.Linear(32, 5), neurons())
    lively(net, 8.0)
    x = recordings()
    sj.nir_exchange.export_to_nir(net, x[:, 0], save_path=tmp_path / "net.nir")
    sj.functional.reset_net(net)
    expected = stepwise(net, x)
    for convention in (None, "spikingjelly"):  # they differ where a potential hits the threshold
        assert same(load_nir(tmp_path / "net.nir", convention=convention)(x), expected)


def test_spikingjelly_spikes_at_the_threshold_and_the_paper_above_it():
    sj = jelly()
    linear = sj.layer.Linear(128, 2, bias=False)
    net = nn.Sequential(sj.layer.Flatten(), linear, sj.neuron.IFNode())
    net[1].weight.data.fill_(1.0)
    x = torch.zeros(1, 4, 2, 8, 8)
    x[0, 1, 0, 3, 3] = 1.0  # the potential is now exactly 1
    graph = sj.nir_exchange.export_to_nir(net, x[:, 0])
    sj.functional.reset_net(net)
    expected = stepwise(net, x)
    assert expected.tolist() == [[0.25, 0.25]]
    assert load_nir(graph, convention="spikingjelly")(x).tolist() == expected.tolist()
    assert load_nir(graph)(x).tolist() == [[0.0, 0.0]]


def forget(net):
    for m in net.modules():
        if hasattr(m, "reset_mem"):
            m.reset_mem()


def of_snntorch(kind, reset, beta, *shape):
    # nir wants a value for each neuron
    settings = {"beta": torch.full(shape, beta), "threshold": torch.full(shape, 0.7)}
    if kind == "Synaptic":
        settings["alpha"] = torch.full(shape, 0.5)
    return getattr(snntorch, kind)(**settings, init_hidden=True, reset_mechanism=reset)


@pytest.mark.filterwarnings("ignore:nirtorch.extract_nir_graph:DeprecationWarning")
@pytest.mark.parametrize("kind", ["Leaky", "Synaptic"])
@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("beta", [0.8, 1.0])
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")  # its own, at beta = 1
def test_snntorch(kind, reset, beta, tmp_path):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3),
        of_snntorch(kind, reset, beta, 4, 6, 6),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(36, 5),
        of_snntorch(kind, reset, beta, 5),
    )
    lively(net)
    x = recordings()
    graph = export_to_nir(net, x[:1, 0], ignore_dims=[0])
    nir.write(tmp_path / "net.nir", graph)
    forget(net)
    expected = stepwise(net, x)
    # the file does not say how the neurons reset
    how = {"subtract": None, "zero": "hard" if kind == "Leaky" else "erase"}[reset]
    for source in (graph, tmp_path / "net.nir"):
        assert same(load_nir(source, convention="snntorch", reset=how)(x), expected)
    if reset == "subtract":
        assert not torch.equal(load_nir(graph)(x), expected)


@pytest.mark.filterwarnings("ignore:nirtorch.extract_nir_graph:DeprecationWarning")
def test_snntorch_with_recurrence(tmp_path):
    torch.manual_seed(0)
    recurrent = snntorch.RLeaky(beta=0.8, linear_features=6, init_hidden=True)
    net = lively(nn.Sequential(nn.Flatten(), nn.Linear(128, 6), recurrent, nn.Linear(6, 3)), 2.0)
    x = recordings()
    graph = export_to_nir(net, x[:1, 0], ignore_dims=[0])
    nir.write(tmp_path / "net.nir", graph)
    forget(net)
    model = load_nir(tmp_path / "net.nir", convention="snntorch")
    assert same(model(x), stepwise(net, x))
    assert model.assumptions[-1] == "What neurons feed back arrives one bin later."


def line(*nodes, shape=(2, 8, 8), out=(5,)):
    names = ["input", *(f"n{i}" for i in range(len(nodes))), "output"]
    ends = [nir.Input(np.array(shape)), nir.Output(np.array(out))]
    everything = dict(zip(names, [ends[0], *nodes, ends[1]], strict=True))
    edges = list(pairwise(names))
    return nir.NIRGraph(everything, edges, type_check=False)


def flat():
    return nir.Flatten(np.array([2, 8, 8]), start_dim=0)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 0.2, shape).astype(np.float32)


def test_every_other_node():
    x = recordings()
    five = np.ones(5)
    graph = line(
        nir.Scale(numbers(2, 8, 8)),
        nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        nir.Flatten(np.array([2, 4, 4]), start_dim=0),
        nir.Linear(numbers(5, 32)),
        nir.I(five * 2000.0),
        nir.Threshold(five * 0.1),
        nir.CubaLI(tau_syn=five * 2e-4, tau_mem=five * 4e-4, r=five, v_leak=five * 0.5),
    )
    y = x * torch.tensor(graph.nodes["n0"].scale)
    y = y.unfold(3, 2, 2).unfold(4, 2, 2).sum((5, 6)).flatten(2)
    y = (y @ torch.tensor(graph.nodes["n3"].weight).T).cumsum(1) * 0.2
    z = (y > 0.1).float()
    i, v, outs = torch.zeros(4, 5), torch.full((4, 5), 0.5), []
    for t in range(BINS):
        i = 0.5 * i + 0.5 * z[:, t]
        v = v + 0.25 * (0.5 - v + i)
        outs.append(v)
    assert same(load_nir(graph)(x), torch.stack(outs, 1).mean(1))


def test_graphs_within_graphs():
    weight = numbers(5, 128)
    inner = nir.NIRGraph(
        {"input": nir.Input(np.array([128])), "w": nir.Linear(weight), "output": nir.Output([5])},
        [("input", "w"), ("w", "output")],
    )
    x = recordings()
    expected = x.flatten(2).mean(1) @ torch.tensor(weight).T
    assert torch.allclose(load_nir(line(flat(), inner))(x), expected, atol=1e-5)


def test_time_constants_in_bins_are_seen():
    one = np.ones(5)
    neuron = nir.LI(tau=2 * one, r=one, v_leak=0 * one)
    model = load_nir(line(flat(), nir.Linear(numbers(5, 128)), neuron))
    assert "a bin is 1 in the units" in model.assumptions[0]
    model = load_nir(line(flat(), nir.Linear(numbers(5, 128)), neuron), dt=0.5)
    assert model.module.layers[3].decay.tolist() == [0.75] * 5


def test_the_batch_of_the_sample_is_no_part_of_the_shape():
    x = recordings()
    graphs = [line(flat(), nir.Linear(numbers(5, 128)), shape=s) for s in ((1, 2, 8, 8), (2, 8, 8))]
    graphs.append(line(nir.Linear(numbers(5, 128)), shape=(1, 128)))
    answers = [load_nir(graph)(x) for graph in graphs]
    assert torch.equal(answers[0], answers[1])
    assert torch.allclose(answers[0], answers[2])


def test_attacks_may_bring_their_own_surrogate():
    one = np.ones(5)
    spiking = nir.LIF(tau=one * 2e-4, r=one * 2, v_leak=0 * one, v_threshold=one)
    model = load_nir(line(flat(), nir.Linear(numbers(5, 128)), spiking), surrogate=FastSigmoid(1.0))
    x = recordings().requires_grad_()
    (own,) = torch.autograd.grad(model(x).sum(), x)
    with using_surrogate(model, FastSigmoid(20.0)):
        (other,) = torch.autograd.grad(model(x).sum(), x)
    (again,) = torch.autograd.grad(model(x).sum(), x)
    assert own.abs().max() > 0
    assert torch.equal(own, again)
    assert not torch.allclose(own, other)
    assert len(model.neurons) == 1


def damaged(weight=None, **changes):
    one = np.ones(5)
    spiking = nir.LIF(tau=one * 2e-4, r=one * 2, v_leak=0 * one, v_threshold=one)
    for key, value in changes.items():
        setattr(spiking, key, value)
    return line(flat(), nir.Linear(numbers(5, 128) if weight is None else weight), spiking)


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (lambda: damaged(weight=numbers(5, 9) * np.nan), "node 'n1' weight holds NaN or infinite"),
        (lambda: damaged(weight=numbers(5, 9)), "node 'n1' cannot take 128 ("),
        (lambda: damaged(weight=numbers(5, 9, 2)), "node 'n1' weight has shape [5, 9, 2]"),
        (lambda: damaged(tau=-np.ones(5)), "node 'n2' tau must be positive"),
        (lambda: damaged(v_threshold=np.zeros(5)), "node 'n2' v_threshold must be positive"),
        (lambda: damaged(r=np.ones(4)), "node 'n2' is no valid LIF (operands could not be"),
        (lambda: damaged(v_leak=np.array("x")), "node 'n2' is no valid LIF"),
        (lambda: line(nir.Delay(np.ones(5))), "node 'n0' nodes of type 'Delay' are not supported"),
        (lambda: line(flat(), shape=(2**20, 2**20)), "node 'input' has shape [1048576.0"),
        (lambda: damaged().nodes, "dict is no NIR graph; give a nir.NIRGraph or the path"),
    ],
)
def test_damaged_graphs_are_refused(graph, words):
    with pytest.raises(InvalidModel) as error:
        load_nir(graph())
    assert words in str(error.value)


def test_unknown_conventions_and_steps():
    with pytest.raises(InvalidModel, match="unknown convention 'brian'; choose one of nir, snn"):
        load_nir(damaged(), convention="brian")
    with pytest.raises(InvalidModel, match="dt must be a positive number of seconds, not -1"):
        load_nir(damaged(), dt=-1)


def written(path, change=None):
    nir.write(str(path), damaged())
    if change is not None:
        with h5py.File(path, "r+") as file:
            change(file)
    return path


def test_files_that_are_no_graphs(tmp_path):
    path = tmp_path / "net.nir"
    with pytest.raises(InvalidModel, match=r"net.nir: no such file"):
        load_nir(path)
    path.write_bytes(b"\x80\x04 no pickle will be opened")
    with pytest.raises(InvalidModel, match=r"net.nir: is not a readable NIR file"):
        load_nir(path)
    whole = written(path).read_bytes()
    for size in (100, 1000, len(whole) // 2, len(whole) - 200):
        path.write_bytes(whole[:size])
        with pytest.raises(InvalidModel, match=r"net.nir: "):
            load_nir(path)
    with h5py.File(path, "w") as file:
        file["data"] = 1
    with pytest.raises(InvalidModel, match=r"net.nir: holds no NIR graph \(no group 'node'\)"):
        load_nir(path)


def link(file):
    file["node/nodes/n1/bias"] = h5py.ExternalLink("/etc/hosts", "x")


def huge(file):
    file.create_dataset("node/nodes/n1/bias", (2**20, 2**20), "f4", chunks=True)


def ragged(file):
    kind = h5py.vlen_dtype(np.float32)
    file.create_dataset("node/nodes/n1/bias", (2,), kind)


def data_type(file):
    file["node/nodes/n1/bias"] = np.dtype("f4")


def loop(file):
    file["node/nodes/n1/again"] = file["node"]


def no_tau(file):
    del file["node/nodes/n2/tau"]


def no_way_out(file):
    del file["node/nodes/output"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (link, "node/nodes/n1/bias: is a link; a NIR file holds its data itself"),
        (huge, "holds more than 2 GiB of data; is it a NIR graph?"),
        (ragged, "node/nodes/n1/bias: is of type object; a NIR file holds numbers and text"),
        (data_type, "node/nodes/n1/bias: is a data type; a NIR file holds groups and arrays"),
        (loop, "groups are nested more than 16 deep"),
        (no_tau, "node 'n2' has no 'tau', which LIF needs"),
        (no_way_out, "a graph needs exactly one Output node, not 0 (none)"),
    ],
)
def test_hostile_files(tmp_path, change, words):
    path = written(tmp_path / "net.nir", change)
    with pytest.raises(InvalidModel) as error:
        load_nir(path)
    assert str(error.value).startswith(f"{path}: ")
    assert words in str(error.value)


def test_without_h5py(monkeypatch, tmp_path):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(file, "import_module", absent)
    with pytest.raises(InvalidModel, match=r'needs h5py; pip install "spikeproof\[nir\]"'):
        load_nir(tmp_path / "net.nir")


@pytest.mark.parametrize(
    ("deed", "word"),
    [("os.kill(os.getpid(), 9)", "crashes"), ("time.sleep(30)", "hangs")],
)
def test_a_file_that_brings_the_hdf5_library_down_is_only_an_error(
    tmp_path, monkeypatch, deed, word
):
    (tmp_path / "probe.py").write_text(f"import os, time\n{deed}\n")
    monkeypatch.setattr(file.probe, "__file__", str(tmp_path / "probe.py"))
    monkeypatch.setattr(file, "_PATIENCE", 1.0)
    path = written(tmp_path / "net.nir")
    with pytest.raises(InvalidModel, match=rf"net\.nir: is damaged: the HDF5 library {word} on it"):
        load_nir(path)
