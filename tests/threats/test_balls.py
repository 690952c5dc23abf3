"""Linf, L2 and L0: what their geometry promises."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeproof.errors import InvalidThreat
from spikeproof.threats import L0, L2, Ball, Flip, Linf, Patch, Retime, Universal
from spikeproof.threats.ball import TOLERANCE, as_ball

THREATS = [Linf(0.1), Linf(0.0), Linf(), L2(0.7), L2(0.0), L2(), L0(3), L0(0), L0()]


def images(seed, n=4, shape=(1, 3, 4, 5)):
    """Images with pixels at both ends of the box, and gradients of either sign."""
    rng = torch.Generator().manual_seed(seed)
    clean = (1.6 * torch.rand(n, *shape, generator=rng) - 0.3).clamp(0, 1)
    return clean, torch.randn(clean.shape, generator=rng)


def within(threat, clean, adv):
    verdict = threat.check(clean, adv)
    assert verdict.ok.all(), verdict.why
    assert (threat.cost(clean, adv) <= threat.limit(clean) + TOLERANCE).all()


@pytest.mark.parametrize("threat", THREATS, ids=str)
@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_whatever_a_ball_gives_is_within_it(threat, seed):
    clean, gain = images(seed)
    before, wish = clean.clone(), gain.clone()
    rng = torch.Generator().manual_seed(seed)
    for adv in (
        threat.select(clean, gain),
        threat.project(clean, clean + gain),
        threat.start(clean, rng),
    ):
        within(threat, clean, adv)
    assert torch.equal(clean, before)
    assert torch.equal(gain, wish)
    within(threat, clean, clean)


@pytest.mark.parametrize("threat", [Linf(0.3), L2(1.0), L0(6)], ids=str)
@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_a_radius_stands_for_the_limit_but_never_exceeds_it(threat, seed):
    clean, gain = images(seed, n=3)
    radius = threat.limit(clean) * torch.tensor([0.0, 0.5, 2.0])
    rng = torch.Generator().manual_seed(seed)
    for adv in (
        threat.select(clean, gain, radius),
        threat.project(clean, clean + gain, radius),
        threat.start(clean, rng, radius),
    ):
        cost = threat.cost(clean, adv)
        assert (cost <= radius.minimum(threat.limit(clean)) + TOLERANCE).all()
        assert cost[0] == 0


@pytest.mark.parametrize("threat", [Linf(0.1), L2(0.7), L0(3)], ids=str)
@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_nothing_within_gains_more_than_what_is_selected(threat, seed):
    clean, gain = images(seed)
    value = ((threat.select(clean, gain) - clean) * gain).flatten(1).sum(1)
    rng = torch.Generator().manual_seed(seed)
    others = [threat.start(clean, rng) for _ in range(3)]
    others += [threat.project(clean, clean + scale * gain) for scale in (0.1, 1.0, 10.0)]
    others += [threat.project(clean, clean + scale * gain.sign()) for scale in (0.1, 1.0, 10.0)]
    for other in others:
        assert ((other - clean) * gain).flatten(1).sum(1).le(value + 1e-4).all()


@pytest.mark.parametrize("threat", THREATS, ids=str)
def test_what_is_within_is_its_own_projection(threat):
    clean, gain = images(3)
    adv = threat.select(clean, gain)
    assert torch.allclose(threat.project(clean, adv), adv, atol=1e-6)


@pytest.mark.parametrize("threat", [Linf(0.1), L2(0.7), L0(3)], ids=str)
def test_a_sample_does_not_depend_on_its_batch(threat):
    clean, gain = images(4)
    for act in (threat.select, lambda c, g: threat.project(c, c + g)):
        together = act(clean, gain)
        for n in range(len(clean)):
            assert torch.equal(act(clean[n : n + 1], gain[n : n + 1])[0], together[n])


def test_the_steepest_steps_have_length_one():
    _, gradient = images(5)
    assert torch.equal(Linf().steepest(gradient), gradient.sign())
    flat = L2().steepest(gradient).flatten(1)
    assert torch.allclose(flat.norm(dim=1), torch.ones(4))
    flat = L0().steepest(gradient).flatten(1)
    assert torch.allclose(flat.abs().sum(1), torch.ones(4))
    for threat in (Linf(), L2(), L0()):
        assert torch.equal(threat.steepest(torch.zeros_like(gradient)), torch.zeros_like(gradient))


def test_costs_by_hand():
    clean = torch.zeros(1, 1, 2, 2, 2)
    adv = clean.clone()
    adv[0, 0, 0, 0, 0], adv[0, 0, 1, 0, 0], adv[0, 0, 1, 1, 1] = 0.3, 0.4, 1.0
    assert Linf().cost(clean, adv).item() == 1.0
    assert L2().cost(clean, adv).item() == pytest.approx((0.09 + 0.16 + 1.0) ** 0.5)
    assert L0().cost(clean, adv).item() == 2  # a pixel is all its channels


def test_checks_refuse_what_is_not_within():
    clean = torch.full((2, 1, 1, 3, 3), 0.5)
    a_little, far = clean.clone(), clean.clone()
    a_little[:, 0, 0, 0, 0] += 0.1 + 5e-7
    far[1, 0, 0, :2] += 0.2
    assert Linf(0.1).check(clean, a_little).ok.all()
    assert Linf(0.1).check(clean, far).ok.tolist() == [True, False]
    assert "changed by more than 0.1" in Linf(0.1).check(clean, far).why[1]
    assert L2(0.1).check(clean, a_little).ok.all()
    assert L2(0.4).check(clean, far).ok.tolist() == [True, False]
    assert "longer than 0.4" in L2(0.4).check(clean, far).why[1]
    assert L0(5).check(clean, far).ok.tolist() == [True, False]
    assert "more than 5 pixels" in L0(5).check(clean, far).why[1]
    for bad in (1.5, -0.1, torch.nan):
        for threat in (Linf(), L2(), L0()):
            broken = clean.clone()
            broken[0, 0, 0, 0, 0] = bad
            verdict = threat.check(clean, broken)
            assert verdict.ok.tolist() == [False, True]
            assert "outside [0, 1]" in verdict.why[0]


@pytest.mark.parametrize("make", [Linf, L2])
@pytest.mark.parametrize("radius", [-0.1, torch.inf, torch.nan, True, "0.1"])
def test_radii_that_make_no_sense(make, radius):
    with pytest.raises(InvalidThreat, match="eps"):
        make(radius)


@pytest.mark.parametrize("pixels", [-1, 0.5, True])
def test_pixels_that_make_no_sense(pixels):
    with pytest.raises(InvalidThreat, match="whole number"):
        L0(pixels)


def test_more_pixels_than_there_are():
    clean, _ = images(0)
    assert L0().limit(clean).tolist() == [20.0] * 4
    with pytest.raises(InvalidThreat, match="21 is more than the image has, which are 20"):
        L0(21).limit(clean)


def test_at_changes_the_budget_only():
    assert Linf(0.1).at(0.2) == Linf(0.2)
    assert L2(0.1).at(None) == L2()
    assert L0(1).at(4) == L0(4)


def test_balls_are_told_from_threats_over_events():
    for threat in (Linf(), L2(), L0()):
        assert isinstance(threat, Ball)
        assert as_ball(threat, "an attack") is threat
    for other in (Flip(), Retime(1), Patch(2, 2), Universal(4)):
        assert not isinstance(other, Ball)
        with pytest.raises(InvalidThreat, match="PGD moves intensities"):
            as_ball(other, "PGD")
