"""Gradient rules are offered where neurons are ours, and left out where a framework has its own."""

from __future__ import annotations

import pytest
import torch
from spikingjelly.activation_based import layer, neuron
from torch import nn

from spikeproof.adapters import adapt, fast_twin
from spikeproof.attacks.ensemble.autospike import AutoSpike
from spikeproof.attacks.ensemble.surrogate_choice import CANDIDATES, choose_surrogate
from spikeproof.attacks.victim import Victim
from spikeproof.audit.surrogates import surrogate_of
from spikeproof.errors import InvalidModel
from spikeproof.goals import Untargeted
from spikeproof.models import RateGradient, Rule
from spikeproof.threats import Flip

RULES = {"rate", "hybrid"}


@pytest.fixture(scope="module")
def foreign():
    torch.manual_seed(0)
    net = nn.Sequential(
        layer.Flatten(step_mode="m"),
        layer.Linear(32, 16, step_mode="m"),
        neuron.LIFNode(step_mode="m", v_threshold=0.2),
        layer.Linear(16, 3, step_mode="m"),
    ).eval()
    x = (torch.rand(6, 5, 2, 4, 4, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    model = adapt(net, x)
    with torch.no_grad():
        return model, x, model(x).argmax(1)


def names(model, x, y):
    """The parts of the ensemble, those for what still stands included."""
    search = AutoSpike("budget", steps=3)
    did = search.evaluate(Victim(model), x, Untargeted(y), Flip(0), rng=torch.Generator()).did
    return {d.name for d in did}


def test_the_ensemble_leaves_rules_out_where_they_cannot_be(foreign):
    model, x, y = foreign
    twin = fast_twin(model, x).network
    assert names(twin, x, y) - names(model, x, y) == RULES
    assert names(twin, x, y) >= names(model, x, y)


def test_so_does_the_choice_by_trial(foreign):
    model, x, y = foreign
    goal = Untargeted(y)
    tried = [t.surrogate for t in choose_surrogate(model, x, goal, Flip(), steps=2)[1]]
    assert tried == [s for s in CANDIDATES if not isinstance(s, Rule)]
    twin = fast_twin(model, x).network
    tried = [t.surrogate for t in choose_surrogate(twin, x, goal, Flip(), steps=2)[1]]
    assert tried == list(CANDIDATES)


def test_a_rule_that_is_named_is_refused_before_any_attack(foreign):
    model, x, y = foreign
    with pytest.raises(InvalidModel, match="search on the faster copy"):
        surrogate_of("rate", model, x, y)
    assert surrogate_of("rate", fast_twin(model, x).network, x, y) == (RateGradient(), [])
