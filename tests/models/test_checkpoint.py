from __future__ import annotations

import hashlib
import json
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from spikeproof.errors import InvalidModel
from spikeproof.models import FastSigmoid, NeuronSpec, build, load_checkpoint, save_checkpoint
from spikeproof.models.checkpoint import FORMAT, read_tensors, write_tensors

ABOUT = {"grid": {"bins": 5}, "classes": ["ä", "b", "c"], "accuracy": [9, 10]}


def network(line="4c3-bn-p2-fc3", **settings):
    torch.manual_seed(0)
    return build(line, height=6, width=5, **settings)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"spiking": False},
        {"neuron": NeuronSpec("plif", 3.0, 0.5, "soft", FastSigmoid(2.0))},
        {"polarities": 1},
    ],
    ids=repr,
)
def test_round_trip(path, settings):
    net = network(**settings)
    net(torch.rand(4, 3, settings.get("polarities", 2), 6, 5))  # moves the batch norm statistics
    save_checkpoint(path, net, ABOUT)
    again = load_checkpoint(path)
    assert again.about == ABOUT
    assert again.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert again.network.description == net.description
    assert not again.network.training
    for name, value in net.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], value)
    x = torch.rand(2, 3, settings.get("polarities", 2), 6, 5)
    with torch.no_grad():
        assert torch.equal(again.network(x), net.eval()(x))


def test_the_same_network_gives_the_same_file(path):
    save_checkpoint(path, network(), ABOUT)
    before = path.read_bytes()
    save_checkpoint(path, load_checkpoint(path).network, ABOUT)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # no half files are left


def refused(path, message):
    with pytest.raises(InvalidModel) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)
    assert re.search(message, str(caught.value))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(path):
    refused(path, "no such file; make one with `spikeproof train --out")
    refused(path.parent, "no such file")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04zip", b"\x00" * 4, b"\xff" * 64, b"{}" * 40])
def test_other_files_are_refused(path, data):
    path.write_bytes(data)
    refused(path, "is not a readable safetensors file")


def test_a_truncated_file_is_refused(path):
    save_checkpoint(path, network(), ABOUT)
    data = path.read_bytes()
    for size in (1, 7, 8, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        refused(path, "is not a readable safetensors file")


def test_safetensors_of_others_are_refused(path):
    save_file({"x": torch.zeros(3)}, path)
    refused(path, r"not a spikeproof network \(format None\)")
    save_file({"x": torch.zeros(3)}, path, {"format": "pt"})
    refused(path, r"not a spikeproof network \(format 'pt'\)")


def change_tensors(path, **changes):
    save_checkpoint(path, network(), ABOUT)
    tensors, metadata = read_tensors(path)
    for name, value in changes.items():
        tensors.pop(name.replace("__", "."), None)
        if value is not None:
            tensors[name.replace("__", ".")] = value
    write_tensors(path, tensors, metadata)


def test_tensors_that_do_not_fit_are_refused(path):
    change_tensors(path, layers__0__weight__weight=None)
    refused(path, "has no 'layers.0.weight.weight', so it is not a '4c3-bn-p2-fc3'")
    change_tensors(path, more=torch.zeros(2))
    refused(path, "has unexpected 'more'")
    change_tensors(path, layers__0__weight__weight=torch.zeros(5, 2, 3, 3))
    refused(path, r"is \[5, 2, 3, 3\] but '4c3-bn-p2-fc3' needs \[4, 2, 3, 3\]")


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_weights_that_are_not_finite_are_refused(path, value):
    weight = torch.zeros(4, 2, 3, 3)
    weight[1, 1, 1, 1] = value
    change_tensors(path, layers__0__weight__weight=weight)
    refused(path, "'layers.0.weight.weight' holds NaN or infinite values; training diverged")


def write_description(path, network_text, about_text="{}"):
    save_checkpoint(path, network(), ABOUT)
    tensors, metadata = read_tensors(path)
    write_tensors(path, tensors, metadata | {"network": network_text, "about": about_text})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "8c3-bn-p2-fc3"}, "checkpoint is of another architecture"),
        ({"architecture": "4c3-fc3"}, "has no 'layers.0.weight.bias'"),
        ({"architecture": "4c4-fc3"}, "the kernel must be odd"),
        ({"architecture": 7}, "its description is damaged"),
        ({"input": [2, 6]}, "its description is damaged"),
        ({"input": [2, -6, 5]}, "inputs of 2x-6x5 maps have no cells"),
        ({"input": [2, 6, "wide"]}, "its description is damaged"),
        ({"input": None}, "its description is damaged"),
        ({"neuron": {"kind": "lif"}}, "unknown surrogate"),
        ({"neuron": "lif"}, "its description is damaged"),
        ({"neuron": NeuronSpec().to_dict() | {"tau": 0.5}}, "tau must be"),
        ({"architecture": "99999c99999-fc3"}, "its description is damaged"),
    ],
)
def test_damaged_descriptions_are_refused(path, changes, message):
    write_description(path, json.dumps(network().description | changes))
    refused(path, message)


@pytest.mark.parametrize("missing", ["architecture", "input", "spiking", "neuron"])
def test_incomplete_descriptions_are_refused(path, missing):
    description = network().description
    del description[missing]
    write_description(path, json.dumps(description))
    refused(path, "its description is damaged")


@pytest.mark.parametrize("text", ["", "{", "null", "[1, 2]", "3"])
def test_descriptions_that_are_no_table_are_refused(path, text):
    write_description(path, text)
    refused(path, "its description is damaged")
    write_description(path, json.dumps(network().description), text)
    refused(path, "its description is damaged")


def test_metadata_without_a_description_is_refused(path):
    save_file({"x": torch.zeros(1)}, path, {"format": FORMAT})
    refused(path, "its description is damaged")


@given(st.data())
def test_any_flipped_byte_is_refused_or_harmless(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("flip") / "net.safetensors"
    save_checkpoint(path, network("fc3"), ABOUT)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        load_checkpoint(path)
    except InvalidModel as error:
        assert str(path) in str(error)  # noqa: PT017


def test_a_failed_write_leaves_the_old_file(path, monkeypatch):
    save_checkpoint(path, network(), ABOUT)
    before = path.read_bytes()

    def fails(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fails)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(path, network("4c3-fc3"), ABOUT)
    assert path.read_bytes() == before
