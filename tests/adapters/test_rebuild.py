from __future__ import annotations

import pytest
import snntorch
import torch
from torch import nn

from spikeproof.adapters.rebuild import layers_of
from spikeproof.errors import InvalidModel
from spikeproof.models.circuit import chain
from spikeproof.models.dynamics import Dynamics


def kinds(model):
    return [type(layer).__name__ for layer in layers_of(model)]


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.ModuleList([nn.Conv2d(2, 3, 3), nn.ModuleDict({"norm": nn.BatchNorm2d(3)})])
        self.drop = nn.Dropout2d(0.3)
        self.relu = nn.ReLU()
        self.head = nn.Sequential(nn.Identity(), nn.Linear(48, 4))


def test_containers_are_opened_in_order():
    assert kinds(Nested()) == ["Conv2d", "BatchNorm2d", "ReLU", "Flatten", "Linear"]
    assert kinds(nn.Sequential(nn.Flatten(2), nn.Linear(8, 2))) == ["Flatten", "Linear"]


LAYERS = {
    "conv": nn.Conv2d(2, 6, (3, 1), (1, 2), (1, 0), groups=2, bias=False, padding_mode="circular"),
    "dilated": nn.Conv2d(2, 3, 3, padding="same", dilation=2),
    "max": nn.MaxPool2d(3, 2, 1, ceil_mode=True),
    "mean": nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "sum": nn.LPPool2d(1, 2),
    "adaptive": nn.AdaptiveAvgPool2d((2, 3)),
    "norm": nn.BatchNorm2d(2, affine=False),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_copies_compute_the_same(layer):
    layer.eval()
    if isinstance(layer, nn.BatchNorm2d):
        layer.running_mean.uniform_(0, 1)
    x = torch.rand(2, 3, 2, 7, 8)
    expected = layer(x.flatten(0, 1)).unflatten(0, (2, 3)).flatten(2).mean(1)
    copy = chain(layers_of(layer), input_shape=(2, 7, 8))
    assert torch.allclose(copy(x), expected, atol=1e-6)
    ours = {p.data_ptr() for p in copy.parameters()}
    assert not ours & {p.data_ptr() for p in layer.parameters()}


def test_constants_are_read_when_walked():
    beta = torch.tensor([0.5, 1.5])  # snnTorch clamps it
    neuron = snntorch.Leaky(beta, threshold=2.0, reset_mechanism="zero")
    (layer,) = layers_of(neuron)
    assert isinstance(layer, Dynamics)
    assert layer.decay.tolist() == [0.5, 1.0]
    assert layer.threshold.item() == 2.0
    assert (layer.reset, layer.strict, layer.multiple) == ("hard", True, False)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.Bilinear(2, 2, 2), "layer 'x' of type Bilinear is not known"),
        (nn.LPPool2d(2, 2), r"layer 'x' is an unusual LPPool2d (norm_type=2)"),
        (snntorch.RLeaky(0.5, linear_features=3), "layer 'x' of type RLeaky is not known"),
        (snntorch.Leaky(0.5, graded_spikes_factor=2.0), "an unusual Leaky (graded spikes)"),
    ],
)
def test_what_is_not_understood_is_named(layer, words):
    with pytest.raises(InvalidModel) as error:
        layers_of(nn.ModuleDict({"x": layer}))
    assert words in str(error.value)
