from __future__ import annotations

import nir
import pytest
import torch

from spikeproof.adapters.nir import export, load_nir
from spikeproof.adapters.nir.export import save_nir, to_nir
from spikeproof.errors import InvalidModel
from spikeproof.models import NeuronSpec, build

LINE = "8c3-bn-p2-16c3s2-drop20-fc20-fc5"


def recordings(n=6, bins=7, size=8):
    rng = torch.Generator().manual_seed(0)
    return (torch.rand(n, bins, 2, size, size, generator=rng) < 0.4).float()


def network(line=LINE, **neuron):
    torch.manual_seed(0)
    made = build(line, height=8, width=8, neuron=NeuronSpec(**neuron))
    for name, value in made.named_buffers():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) * 0.2 + (0.5 if "var" in name else -0.1))
    return made


@pytest.mark.parametrize(
    "neuron", [{"kind": "if"}, {"tau": 2.5, "threshold": 0.4}, {"kind": "plif"}]
)
def test_out_and_back_gives_the_same_network(neuron, tmp_path):
    ours = network(**neuron).train()
    save_nir(tmp_path / "net.nir", ours)
    assert ours.training
    back = load_nir(tmp_path / "net.nir")
    x = recordings()
    expected = ours.eval()(x)
    assert expected.std() > 1e-3
    assert torch.allclose(back(x), expected, atol=1e-5)
    assert torch.equal(back(x).argmax(1), expected.argmax(1))
    assert "'spikeproof'" in back.assumptions[0]
    assert ">= v_threshold" in back.assumptions[1]


def test_spikingjelly_reads_it():
    pytest.importorskip("spikingjelly")
    from spikingjelly.activation_based import nir_exchange

    ours = network("8c3-bn-fc5", tau=2.0, threshold=0.4).eval()
    theirs = nir_exchange.import_from_nir(to_nir(ours)).eval()
    x = recordings()
    state, outs = None, []
    for t in range(x.shape[1]):
        out, state = theirs(x[:, t], state)
        outs.append(out)
    assert torch.allclose(torch.stack(outs, 1).mean(1), ours(x), atol=1e-5)


@pytest.mark.parametrize(
    ("line", "neuron", "words"),
    [
        ("8c3-mp2-fc5", {}, "layer 1 is max pooling, which NIR lacks; train with p2, not mp2"),
        ("pool 2 (-) pool 2 |> dense _ 5", {}, "layer 0 joins branches, which NIR has no node for"),
        ("8c3-fc5", {"reset": "soft"}, "NIR has no soft reset; train with a hard reset"),
    ],
)
def test_what_nir_cannot_say_is_refused(line, neuron, words):
    with pytest.raises(InvalidModel) as error:
        to_nir(network(line, **neuron))
    assert words in str(error.value)


def test_networks_without_spikes_are_refused():
    with pytest.raises(InvalidModel, match="NIR has no ReLU; export the spiking network"):
        to_nir(build("8c3-fc5", height=8, width=8, spiking=False))


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InvalidModel, match=r"net.nir: cannot be written .*choose another place"):
        save_nir(tmp_path / "nowhere" / "net.nir", network("8c3-fc5"))


def test_without_the_package(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(export, "import_module", absent)
    with pytest.raises(
        InvalidModel, match=r'needs the nir package; pip install "spikeproof\[nir\]"'
    ):
        to_nir(network("8c3-fc5"))


def test_the_graph_passes_the_checks_of_nir():
    graph = to_nir(network())
    assert graph.check_types()
    assert isinstance(graph.nodes["0_neuron"], nir.LIF)
