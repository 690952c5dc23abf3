"""The surrogate that an audit names is one that its attacks can use."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from spikeproof.adapters import ExpectationOverTransformation, adapt
from spikeproof.audit.surrogates import surrogate_of
from spikeproof.errors import InvalidModel
from spikeproof.models import ArcTan, build

X = (torch.rand(4, 3, 2, 8, 8, generator=torch.Generator().manual_seed(0)) < 0.2).float()
Y = torch.zeros(4, dtype=torch.long)


def spiking():
    return build("4c3-fc4", height=8, width=8).eval()


@pytest.mark.parametrize(
    "model",
    [spiking, lambda: adapt(spiking(), X), lambda: ExpectationOverTransformation(spiking())],
)
def test_spiking_layers_take_what_is_named(model):
    assert surrogate_of("arctan:2", model(), X, Y) == (ArcTan(2.0), [])
    assert surrogate_of("own", model(), X, Y) == (None, [])


def test_a_model_without_keeps_its_own():
    flat = nn.Sequential(nn.Flatten(), nn.Linear(384, 4))
    for model in (adapt(flat, X), flat, lambda x: flat(x)):
        assert surrogate_of("arctan:2", model, X, Y) == (None, [])
    with pytest.raises(InvalidModel, match="unknown surrogate 'bad'"):
        surrogate_of("bad", flat, X, Y)
