from __future__ import annotations

import json

import pytest
import torch

from spikeproof.errors import InvalidModel
from spikeproof.models import SerializableNetwork, load_checkpoint, save_checkpoint
from spikeproof.models.checkpoint import read_tensors, write_tensors
from spikeproof.models.ttfs import FirstSpikeNetwork, Hardware, from_relu

from .nets import NETS, averages, dense, images, made, vgg


@pytest.mark.parametrize("net", NETS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
def test_saved_and_loaded_it_gives_the_same_logits(net, dtype, tmp_path):
    x = images()
    spiking = from_relu(made(net), x).to(dtype).eval()
    save_checkpoint(tmp_path / "net.safetensors", spiking, {})
    back = load_checkpoint(tmp_path / "net.safetensors").network
    assert isinstance(back, FirstSpikeNetwork)
    assert torch.equal(back(x), spiking(x))
    assert back(x).dtype == dtype
    assert back.description == spiking.description
    assert [layer.length for layer in back.spiking] == [layer.length for layer in spiking.spiking]


def test_it_knows_its_shape():
    spiking = from_relu(made(vgg), images())
    assert isinstance(spiking, SerializableNetwork)
    assert (spiking.input_shape, spiking.n_classes) == ((2, 8, 8), 5)
    assert json.loads(json.dumps(spiking.description)) == spiking.description


def test_neurons_that_average_do_not_learn_afterwards_either(tmp_path):
    spiking = from_relu(made(averages), images())
    save_checkpoint(tmp_path / "net.safetensors", spiking, {})
    back = load_checkpoint(tmp_path / "net.safetensors").network
    learns = [p.requires_grad for p in spiking.parameters()]
    assert [p.requires_grad for p in back.parameters()] == learns
    assert False in learns


def test_hardware_is_kept(tmp_path):
    x = images()
    spiking = from_relu(made(dense), x)
    poor = spiking.on(Hardware(time_bits=3, weight_bits=4))
    save_checkpoint(tmp_path / "net.safetensors", poor, {})
    back = load_checkpoint(tmp_path / "net.safetensors").network
    assert back.hardware == poor.hardware
    assert torch.equal(back(x), poor(x))
    assert not torch.equal(back(x), spiking(x))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dtype": "float16"}, "computes in 'float16'"),
        ({"layers": [{"layer": "lif"}]}, "a layer 'lif'"),
        ({"readout": {"layer": "flatten"}}, "no read-out"),
        ({"input": [2, 8]}, "description is damaged"),
    ],
)
def test_a_damaged_description_is_refused(change, says, tmp_path):
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, from_relu(made(dense), images()), {})
    tensors, metadata = read_tensors(path)
    described = json.loads(metadata["network"]) | change
    write_tensors(path, tensors, metadata | {"network": json.dumps(described)})
    with pytest.raises(InvalidModel, match=rf"net\.safetensors: .*{says}"):
        load_checkpoint(path)
