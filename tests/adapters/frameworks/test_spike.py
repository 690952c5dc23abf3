from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.adapters.frameworks.spike import Lent, is_step
from spikeproof.models import ArcTan, FastSigmoid, PiecewiseQuadratic, PotentialDependent

potentials = st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=8)


@pytest.mark.parametrize("surrogate", [ArcTan(), FastSigmoid(), PiecewiseQuadratic()], ids=str)
@given(potentials)
def test_spikes_are_the_owners_and_gradients_ours(surrogate, values):
    for own in (lambda u: (u >= 0).to(u), lambda u: (u > 0).to(u)):
        u = torch.tensor([values], requires_grad=True)
        spikes = Lent(own, surrogate)(u)
        assert torch.equal(spikes, own(u))
        (g,) = torch.autograd.grad((3 * spikes).sum(), u)
        torch.testing.assert_close(g, 3 * surrogate.derivative(u.detach()))


def test_widths_are_taken_per_sample_and_channel():
    u = torch.randn(3, 2, 4, 4)
    bump = PotentialDependent().derivative(u.unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(Lent(None, PotentialDependent()).derivative(u), bump)
    series = torch.randn(5, 3, 2, 4, 4)
    expected = PotentialDependent().derivative(series.transpose(0, 1)).transpose(0, 1)
    lent = Lent(None, PotentialDependent(), series=True)
    torch.testing.assert_close(lent.derivative(series), expected)


def test_one_dimension_is_enough():
    assert Lent(None, PotentialDependent()).derivative(torch.randn(6)).shape == (6,)


def test_other_questions_go_to_the_owner():
    class Own:
        spiking = True

    assert Lent(Own(), ArcTan()).spiking
    with pytest.raises(AttributeError):
        _ = Lent(Own(), ArcTan()).alpha


def test_what_counts_as_a_step():
    assert is_step(lambda u: (u >= 0).float())
    assert not is_step(torch.sigmoid)
    assert not is_step(lambda u: u.round().clamp(0, 4))
    assert is_step(lambda u: (u + 0.2 * torch.randn(4) > 0).float())
    assert not is_step(lambda u: None)
