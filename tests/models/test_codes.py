"""Spike times; the other codes are tested beside those of frameworks, in tests/adapters."""

from __future__ import annotations

import pytest
import torch

from spikeproof.errors import InvalidModel
from spikeproof.models import Latency, SpikeTime

IMAGES = torch.rand(3, 1, 2, 4, 4, generator=torch.Generator().manual_seed(0)).round(decimals=2)


def test_shapes():
    assert SpikeTime()(IMAGES).shape == IMAGES.shape
    assert SpikeTime()(IMAGES[:, 0]).shape == IMAGES.shape


def test_times_are_what_a_latency_code_of_many_steps_comes_to():
    steps = 1001
    spikes = Latency(steps)(IMAGES)
    times = spikes.argmax(1, keepdim=True) / (steps - 1)
    assert torch.allclose(SpikeTime(threshold=0.0, never=1.0)(IMAGES), times, atol=1e-3)


def test_what_is_too_dark_never_spikes():
    x = torch.tensor([0.0, 0.2, 0.21, 1.0, 1.5, -1.0]).view(1, 1, 1, 1, 6)
    times = SpikeTime(10.0, threshold=0.2)(x).flatten()
    assert times.tolist() == pytest.approx([torch.inf, torch.inf, 7.9, 0.0, 0.0, torch.inf])
    assert SpikeTime(never=3.0)(x).flatten()[0] == 3.0


def test_the_gradient_reaches_silent_inputs_too():
    x = torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 1, 1, 3).requires_grad_()
    (gradient,) = torch.autograd.grad(SpikeTime(10.0, never=20.0)(x).sum(), x)
    assert (gradient == -10.0).all()


@pytest.mark.parametrize("settings", [{"horizon": 0.0}, {"horizon": torch.inf}, {"threshold": 1.0}])
def test_settings_that_make_no_sense(settings):
    with pytest.raises(InvalidModel, match="positive horizon"):
        SpikeTime(**settings)
