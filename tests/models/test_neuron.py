from __future__ import annotations

import json
import math

import pytest
import torch

from spikeproof.errors import InvalidModel
from spikeproof.models import ArcTan, FastSigmoid, NeuronSpec, ParametricLIF

# Worked out by hand for a constant input of 0.6, threshold 1:
#   lif, tau 2, decay 1/2:  0.6, 0.9, 1.05*          -> 0 after the spike (hard), 0.05 (soft)
#   if, no decay:           0.6, 1.2*                -> 0 (hard), 0.2 (soft)
GOLDEN = [
    ("lif", "hard", [0, 0, 1, 0, 0, 1, 0, 0]),  # 0.6 0.9 1.05* 0.6 0.9 1.05* 0.6 0.9
    ("lif", "soft", [0, 0, 1, 0, 0, 1, 0, 0]),  # 0.6 0.9 1.05* 0.625 0.9125 1.056* 0.628 0.914
    ("if", "hard", [0, 1, 0, 1, 0, 1, 0, 1]),  # 0.6 1.2* 0.6 1.2* ...
    ("if", "soft", [0, 1, 0, 1, 1, 0, 1, 0]),  # 0.6 1.2* 0.8 1.4* 1.0* 0.6 1.2* 0.8
    ("plif", "hard", [0, 0, 1, 0, 0, 1, 0, 0]),
]


@pytest.mark.parametrize(("kind", "reset", "golden"), GOLDEN)
def test_spikes_of_a_constant_input(kind, reset, golden):
    neuron = NeuronSpec(kind=kind, reset=reset).build()
    current = torch.full((1, 8, 1), 0.6)
    if (kind, reset) == (
        "if",
        "soft",
    ):  # 5 steps of 0.6 meet the threshold exactly; stay clear of it
        current += 1e-4
    assert neuron(current).flatten().tolist() == golden


def test_membranes_of_a_leaky_neuron():
    """Thresholds just above and just below each hand-computed potential tell what it is."""
    current = torch.tensor([0.5, 0.25, -0.5, 1.0]).view(1, 4, 1)  # decay 1/2, no spike before
    for t, potential in enumerate([0.5, 0.5, -0.25, 0.875]):
        if potential <= 0:
            continue
        for threshold, fires in ((potential, 1), (potential + 1e-6, 0)):
            spikes = NeuronSpec(threshold=threshold).build()(current).flatten()
            assert spikes[t] == fires or spikes[:t].any()


def test_golden_gradient():
    """decay 1/2, inputs (0.5, 1, 0): potentials 0.5, 1.25*, 0; d = h(-0.5), h(0.25), h(-1)."""
    current = torch.tensor([0.5, 1.0, 0.0]).view(1, 3, 1).requires_grad_()
    NeuronSpec(surrogate=FastSigmoid(4.0)).build()(current).sum().backward()
    third = 1 / 25
    second = 1 / 4  # the spike at 2 cuts what comes from later
    first = 1 / 9 + second / 2
    assert current.grad.flatten().tolist() == pytest.approx([first, second, third])


def test_the_leak_of_a_parametric_neuron_starts_at_tau_and_is_learned():
    neuron = NeuronSpec(kind="plif", tau=5.0).build()
    assert isinstance(neuron, ParametricLIF)
    assert neuron.leak.sigmoid().item() == pytest.approx(1 - 1 / 5)
    neuron(torch.full((2, 6, 3), 0.4)).sum().backward()
    assert neuron.leak.grad > 0  # less leak, more spikes


def test_nothing_survives_a_call():
    neuron = NeuronSpec().build()
    current = torch.full((1, 2, 1), 0.9)
    assert torch.equal(neuron(current), neuron(current))
    assert not list(neuron.buffers())


@pytest.mark.parametrize("kind", ["if", "lif", "plif"])
def test_descriptions_survive_json(kind):
    spec = NeuronSpec(kind, tau=3.0, threshold=0.5, reset="soft", surrogate=ArcTan(5.0))
    assert NeuronSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert "threshold=0.5" in repr(spec)
    assert "decay" in repr(NeuronSpec().build())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "izhikevich"}, "unknown neuron 'izhikevich'; choose one of if, lif, plif"),
        ({"reset": "none"}, "unknown reset 'none'; choose hard or soft"),
        ({"tau": 1.0}, "tau must be a number above 1 time bin, not 1.0"),
        ({"tau": math.nan}, "tau must be a number above 1"),
        ({"tau": math.inf}, "tau must be a number above 1"),
        ({"threshold": 0.0}, "threshold must be positive"),
        ({"threshold": math.inf}, "threshold must be positive"),
        ({"tau": "long"}, "neuron has wrong settings"),
        ({"leak": 3}, "neuron has wrong settings"),
        ({"surrogate": {}}, "unknown surrogate"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(InvalidModel, match=message):
        NeuronSpec.from_dict(NeuronSpec().to_dict() | settings)


def test_a_description_without_surrogate_is_refused():
    with pytest.raises(InvalidModel, match="unknown surrogate None"):
        NeuronSpec.from_dict({"kind": "lif"})
