from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidModel
from spikeproof.models import (
    SURROGATES,
    ArcTan,
    FastSigmoid,
    PiecewiseQuadratic,
    PotentialDependent,
    surrogate_from_dict,
    surrogate_name,
    surrogate_named,
    surrogate_to_dict,
)

ALL = [ArcTan(3.0), FastSigmoid(2.0), PiecewiseQuadratic(0.5), PotentialDependent(0.1)]


def bump(surrogate, *u):
    return surrogate.derivative(torch.tensor(u, dtype=torch.float64).view(1, -1, 1)).flatten()


@pytest.mark.parametrize(
    ("surrogate", "golden"),
    [
        (ArcTan(), [0.0919997, 0.2884004, 1.0, 0.2884004]),
        (ArcTan(4.0), [0.0247044, 0.0919997, 1.0, 0.0919997]),
        (FastSigmoid(), [0.04, 1 / 9, 1.0, 1 / 9]),
        (PiecewiseQuadratic(), [0.0, 0.5, 1.0, 0.5]),
        (PiecewiseQuadratic(2.0), [0.5, 0.75, 1.0, 0.75]),
    ],
    ids=repr,
)
def test_values_at_known_points(surrogate, golden):
    values = bump(surrogate, -1.0, -0.5, 0.0, 0.5)
    assert values.tolist() == pytest.approx(golden, abs=1e-6)


def test_the_triangle_is_zero_outside_its_width():
    assert bump(PiecewiseQuadratic(0.25), -3.0, -0.25, 0.25, 3.0).tolist() == [0, 0, 0, 0]


def test_potential_dependent_is_a_gaussian_as_wide_as_the_potentials():
    # standard deviation of (-1, 1, -1, 1) is 1 and the peak lies at shift * 1
    values = bump(PotentialDependent(0.5), -1.0, 1.0, -1.0, 1.0)
    peak = 1 / math.sqrt(2 * math.pi)
    assert values.tolist() == pytest.approx(
        [peak * math.exp(-(1.5**2) / 2), peak * math.exp(-(0.5**2) / 2)] * 2
    )


def test_potential_dependent_has_one_width_per_sample_and_channel():
    rng = torch.Generator().manual_seed(0)
    u = torch.randn(3, 5, 4, 2, 2, generator=rng)
    whole = PotentialDependent().derivative(u)
    for n in range(3):
        for c in range(4):
            alone = PotentialDependent().derivative(u[n : n + 1, :, c : c + 1])
            assert torch.allclose(whole[n, :, c], alone[0, :, 0])


def test_a_single_potential_has_a_finite_derivative():
    assert torch.isfinite(PotentialDependent().derivative(torch.ones(2, 1, 3, 1, 1))).all()


@given(
    st.sampled_from(ALL[:3]),
    st.floats(-10, 10),
    st.floats(0, 10),
)
def test_bumps_are_even_fall_off_and_peak_at_one(surrogate, u, further):
    here, mirrored, away, top = bump(surrogate, u, -u, math.copysign(abs(u) + further, u), 0.0)
    assert here == mirrored
    assert 0 <= away <= here <= top == 1


@pytest.mark.parametrize("surrogate", ALL, ids=repr)
def test_derivative_leaves_its_argument_alone(surrogate):
    u = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1))
    before = u.clone()
    assert surrogate.derivative(u).shape == u.shape
    assert torch.equal(u, before)


@pytest.mark.parametrize("surrogate", [*ALL, *(cls() for cls in SURROGATES.values())], ids=repr)
def test_descriptions_survive_json(surrogate):
    assert surrogate_from_dict(json.loads(json.dumps(surrogate_to_dict(surrogate)))) == surrogate


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"name": "sigmoid"}, "unknown surrogate 'sigmoid'; choose one of arctan"),
        ({}, "unknown surrogate None"),
        ({"name": "arctan", "width": 2.0}, "surrogate 'arctan' has wrong settings"),
        ({"name": "arctan", "slope": "steep"}, "surrogate 'arctan' has wrong settings"),
        ({"name": "arctan", "slope": -1.0}, "slope of a surrogate must be positive, not -1"),
        ({"name": "piecewise-quadratic", "width": 0}, "width of a surrogate must be positive"),
        ({"name": "fast-sigmoid", "slope": math.nan}, "slope of a surrogate must be positive"),
    ],
)
def test_wrong_descriptions_are_refused(description, message):
    with pytest.raises(InvalidModel, match=message):
        surrogate_from_dict(description)


@pytest.mark.parametrize("text", ["arctan:4", "fast-sigmoid:2.5", "potential-dependent:0.5"])
def test_names_and_surrogates_stand_for_each_other(text):
    assert surrogate_name(surrogate_named(text)) == text


def test_a_name_alone_takes_the_default():
    assert surrogate_named("arctan") == ArcTan()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sigmoid", "unknown surrogate 'sigmoid'; choose one of arctan"),
        ("arctan:steep", "'steep' is no number; give one such as arctan:4"),
        ("arctan:-1", "slope of a surrogate must be positive"),
    ],
)
def test_names_that_are_none(text, message):
    with pytest.raises(InvalidModel, match=message):
        surrogate_named(text)
