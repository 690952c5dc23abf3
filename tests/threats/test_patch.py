from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidThreat
from spikeproof.threats import Patch

from .grids import legal_for, problems, sensors


@st.composite
def cases(draw):
    clean, gain = draw(problems(counts=True))
    bins, _, h, w = clean.shape[1:]
    height, width = draw(st.integers(1, h)), draw(st.integers(1, w))
    start = draw(st.integers(0, bins - 1))
    threat = Patch(
        height,
        width,
        (draw(st.integers(0, h - height)), draw(st.integers(0, w - width))),
        start,
        draw(st.none() | st.integers(1, bins - start)),
        draw(sensors),
    )
    return clean, gain, threat


def inside(threat, clean):
    """The owned cells, one after the other."""
    bins = clean.shape[1]
    end = bins if threat.duration is None else threat.start + threat.duration
    mask = torch.zeros(clean.shape[1:], dtype=torch.bool)
    for t, y, x in itertools.product(
        range(threat.start, end), range(threat.height), range(threat.width)
    ):
        mask[t, :, threat.place[0] + y, threat.place[1] + x] = True
    return mask


@given(cases())
def test_select_keeps_every_promise(case):
    clean, gain, threat = case
    before = clean.clone()
    adv = threat.select(clean, gain)
    owned = inside(threat, clean)
    assert torch.equal(clean, before)
    assert (threat.cost(clean, adv) <= threat.limit(clean)).all()
    assert threat.limit(clean).tolist() == [int(owned.sum())] * len(clean)
    assert torch.equal(threat.region(clean).expand_as(owned), owned)
    assert torch.equal(adv[:, ~owned], clean[:, ~owned])
    changed = adv != clean
    assert ((adv == 0) | (adv == 1))[changed].all()
    for judge in (threat, Patch(threat.height, threat.width, None, threat.start, threat.duration)):
        verdict = judge.check(clean, adv)
        assert verdict.ok.all(), verdict.why
    if threat.sensor is not None:
        assert all(legal_for(threat.sensor, c, a) for c, a in zip(clean, adv, strict=True))
    else:
        assert torch.equal(changed, owned & (gain > 0))
    none = torch.zeros(len(clean), dtype=torch.long)
    assert torch.equal(threat.select(clean, gain, none), clean)


@given(cases(), st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_check_agrees_with_the_region_cell_by_cell(case, seed, edits):
    clean, _, threat = case
    threat = Patch(threat.height, threat.width, threat.place, threat.start, threat.duration)
    rng = torch.Generator().manual_seed(seed)
    adv = clean.clone()
    for n in range(len(adv)):
        for place in torch.randint(adv[n].numel(), (edits,), generator=rng):
            adv[n].view(-1)[place] = torch.randint(2, (), generator=rng).float()
    fixed = threat.check(clean, adv).ok
    free = Patch(threat.height, threat.width, None, threat.start, threat.duration)
    anywhere = free.check(clean, adv).ok
    h, w = clean.shape[-2:]
    for n in range(len(clean)):
        changed = clean[n] != adv[n]
        assert bool(fixed[n]) == (not (changed & ~inside(threat, clean)).any())
        places = itertools.product(range(h - threat.height + 1), range(w - threat.width + 1))
        fits = any(not (changed & ~inside(threat.at_place(p), clean)).any() for p in places)
        assert bool(anywhere[n]) == fits


@pytest.mark.parametrize(
    ("place", "value", "why"),
    [
        ((1, 0, 1, 1), 1, ""),
        ((0, 0, 1, 1), 1, "a change is outside the patch's duration"),
        ((3, 0, 1, 1), 1, "a change is outside the patch's duration"),
        ((1, 0, 0, 1), 1, "a change is outside the patch's place"),
        ((1, 0, 1, 3), 1, "a change is outside the patch's place"),
        ((1, 0, 1, 1), 0.5, "a cell is neither as it was nor 0 or 1"),
    ],
)
def test_violations_are_named_for_the_sample_at_fault(place, value, why):
    clean = torch.zeros(2, 4, 2, 4, 4)
    adv = clean.clone()
    adv[(1, *place)] = value
    assert Patch(2, 2, (1, 1), start=1, duration=2).check(clean, adv).why == ("", why)


def test_changes_too_far_apart_are_refused_anywhere():
    clean = torch.zeros(1, 4, 2, 4, 4)
    adv = clean.clone()
    adv[0, 0, 0, 0, 0] = adv[0, 3, 1, 0, 2] = 1
    assert Patch(4, 2).check(clean, adv).why == ("changes do not fit into the patch",)
    assert Patch(1, 3).check(clean, adv).ok.all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((0, 3), "a patch of 0x3 pixels has no content"),
        ((3, 3, None, -1), "a patch from bin -1"),
        ((3, 3, None, 0, 0), "for 0 bins is never there"),
    ],
)
def test_impossible_patches_are_refused(settings, message):
    with pytest.raises(InvalidThreat, match=message):
        Patch(*settings)


@pytest.mark.parametrize(
    "threat", [Patch(5, 1), Patch(1, 5), Patch(1, 1, start=3), Patch(1, 1, None, 1, 3)], ids=repr
)
def test_patches_that_do_not_fit_are_refused(threat):
    clean = torch.zeros(1, 3, 2, 4, 4)
    placed = threat.at_place((0, 0))
    for use in (threat.limit, placed.region, lambda c: threat.check(c, c)):
        with pytest.raises(InvalidThreat, match="does not fit into 4x4 pixels and 3 bins"):
            use(clean)


@pytest.mark.parametrize("place", [(-1, 0), (0, 3), (3, 0)])
def test_patches_over_the_edge_are_refused(place):
    with pytest.raises(InvalidThreat, match="leaves the sensor, which has 4x4 pixels"):
        Patch(2, 2, place).region(torch.zeros(1, 3, 2, 4, 4))


def test_selecting_needs_a_place():
    clean = torch.zeros(1, 3, 2, 4, 4)
    with pytest.raises(InvalidThreat, match=r"fix one with at_place\(\(row, column\)\)"):
        Patch(2, 2).select(clean, clean)


def test_threats_say_what_they_allow():
    assert str(Patch(3, 4)) == "free content in 3x4 pixels anywhere"
    assert (
        str(Patch(3, 4, (1, 2), 0, 5)) == "free content in 3x4 pixels at row 1, column 2 for 5 bins"
    )
