from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch
from torch import nn

from spikeproof.models import ArcTan, FastSigmoid, NeuronSpec, build, using_surrogate
from spikeproof.models.neuron import LIF

MINE, THEIRS = FastSigmoid(9.0), ArcTan(1.5)


def network(kind="lif"):
    spec = NeuronSpec(kind, surrogate=THEIRS)
    return build("4c3-fc5-fc3", height=6, width=6, neuron=spec)


def surrogates(model):
    return [m.surrogate for m in model.modules() if hasattr(m, "surrogate")]


@pytest.mark.parametrize("kind", ["if", "lif", "plif"])
def test_surrogates_are_lent_and_given_back(kind):
    model = nn.Sequential(network(kind))
    with using_surrogate(model, MINE):
        assert surrogates(model) == [MINE, MINE]
        with using_surrogate(model, ArcTan(8.0)):
            assert surrogates(model) == [ArcTan(8.0)] * 2
        assert surrogates(model) == [MINE, MINE]
    assert surrogates(model) == [THEIRS, THEIRS]


def test_they_are_given_back_after_an_exception():
    model = network()
    with pytest.raises(KeyError), using_surrogate(model, MINE):
        raise KeyError
    assert surrogates(model) == [THEIRS, THEIRS]


def test_each_neuron_gets_its_own_back():
    model = nn.ModuleList([LIF(NeuronSpec(surrogate=s), 0.5) for s in (MINE, THEIRS)])
    with using_surrogate(model, ArcTan(8.0)):
        pass
    assert surrogates(model) == [MINE, THEIRS]


def test_none_and_foreign_models_change_nothing():
    model = network()
    with using_surrogate(model, None):
        assert surrogates(model) == [THEIRS, THEIRS]
    with using_surrogate(lambda x: x, MINE), using_surrogate(nn.Linear(2, 2), MINE):
        pass


def test_spikes_do_not_depend_on_the_surrogate_but_gradients_do():
    torch.manual_seed(0)
    model = network()
    x = (torch.rand(3, 5, 2, 6, 6) < 0.4).float().requires_grad_()
    outputs, gradients = [], []
    for surrogate in (None, MINE):
        with using_surrogate(model, surrogate):
            outputs.append(model(x))
            gradients.append(torch.autograd.grad(outputs[-1][:, 0].sum(), x)[0])
    assert torch.equal(*outputs)
    assert not torch.allclose(*gradients)


class Lending(nn.Module):
    def __init__(self):
        super().__init__()
        self.lent = []

    @contextmanager
    def using_surrogate(self, surrogate):
        self.lent.append(surrogate)
        try:
            yield
        finally:
            self.lent.pop()


def test_models_that_lend_their_own_neurons_are_asked():
    model = Lending()
    whole = nn.Sequential(network(), nn.Sequential(model))
    for asked in (model, whole):
        with using_surrogate(asked, MINE):
            assert model.lent == [MINE]
        assert model.lent == []
        with using_surrogate(asked, None):
            assert model.lent == []
    with pytest.raises(KeyError), using_surrogate(whole, MINE):
        raise KeyError
    assert model.lent == []
    assert surrogates(whole) == [THEIRS, THEIRS]
