"""Frame, corner and dash: exactly which cells they add, and when they stop."""

from __future__ import annotations

import pytest
import torch

from spikeproof.attacks import Victim
from spikeproof.attacks.peers import CornerAttack, DashAttack, FrameAttack
from spikeproof.attacks.peers.corner import growth
from spikeproof.attacks.peers.frame import border
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Untargeted
from spikeproof.threats import Flip, Patch, Retime

PATTERNS = [FrameAttack(), CornerAttack(), DashAttack(), DashAttack(activity=1)]


def rng():
    return torch.Generator().manual_seed(0)


def run(attack, x, enough, threat=None):
    """The attack against a model that is wrong about recordings for which ``enough`` is true."""
    asked = []

    def model(cells):
        asked.append(len(cells))
        fooled = torch.stack([torch.as_tensor(enough(c)) for c in cells]).float()
        return torch.stack([1 - 2 * fooled, 2 * fooled - 1], 1)

    goal = Untargeted(torch.zeros(len(x), dtype=torch.long))
    return attack(Victim(model), x, goal, threat or Flip(), rng=rng()), sum(asked)


def never(_):
    return False


def picture(cells):
    """Rows of a sample at its first bin and polarity, as text."""
    return ["".join(".#"[int(c)] for c in row) for row in cells[0, 0]]


def test_the_frame_is_the_border_in_all_bins_and_polarities():
    adv, asked = run(FrameAttack(), torch.zeros(1, 3, 2, 4, 5), never)
    assert picture(adv[0]) == ["#####", "#...#", "#...#", "#####"]
    assert (adv == adv[:, :1, :1]).all()
    assert asked == 2
    wide, _ = run(FrameAttack(2), torch.zeros(1, 3, 2, 5, 6), never)
    assert picture(wide[0]) == ["######", "######", "##..##", "######", "######"]


def test_events_inside_and_under_the_frame_stay():
    x = (torch.rand(3, 4, 2, 6, 6, generator=rng()) < 0.4).float()
    adv, _ = run(FrameAttack(), x, never)
    assert torch.equal(adv, torch.where(border(6, 6), torch.ones_like(x), x))


@pytest.mark.parametrize("attack", [FrameAttack(), DashAttack(), DashAttack(None)])
def test_a_small_budget_ends_the_pattern_early(attack):
    x = (torch.rand(2, 6, 2, 5, 5, generator=rng()) < 0.2).float()
    whole, _ = run(attack, x, never)
    part, _ = run(attack, x, never, Flip(9))
    assert (Flip().cost(x, part) == 9).all()
    for clean, one, all_ in zip(x, part, whole, strict=True):
        times = ((all_ > clean).nonzero()[:, 0]).tolist()
        assert ((one > clean).nonzero()[:, 0]).tolist() == times[:9]


def test_corners_take_turns_and_end_as_the_frame():
    assert growth(4, 6)[:9] == [(0, 0), (3, 5), (0, 5), (3, 0), (0, 1), (3, 4), (0, 4), (3, 1),
                                (0, 2)]  # fmt: skip
    for height, width in [(4, 6), (5, 5), (5, 4), (1, 3), (1, 1), (34, 34)]:
        pixels = growth(height, width)
        assert len(set(pixels)) == len(pixels)
        assert {tuple(p) for p in border(height, width).nonzero().tolist()} == set(pixels)


@pytest.mark.parametrize("needed", [1, 6, 13])
def test_corners_grow_until_the_model_is_wrong(needed):
    adv, asked = run(CornerAttack(), torch.zeros(2, 3, 2, 5, 6), lambda c: c[0, 0].sum() >= needed)
    for sample in adv:
        assert sample[0, 0].nonzero().tolist() == sorted(map(list, growth(5, 6)[:needed]))
        assert (sample == sample[:1, :1]).all()
    assert asked == 2 * (1 + needed)
    coarse, asked = run(
        CornerAttack(4), torch.zeros(2, 3, 2, 5, 6), lambda c: c[0, 0].sum() >= needed
    )
    assert coarse[0, 0, 0].sum() == -(-needed // 4) * 4
    assert asked == 2 * (1 + -(-needed // 4))


def test_corners_stop_at_the_budget():
    x = torch.zeros(3, 3, 2, 5, 6)
    x[1, :, :, 0, 0] = 1  # the first pixel is on already
    x[2] = 1
    adv, _ = run(CornerAttack(), x, never, Flip(13))  # a pixel takes 6 events
    assert Flip().cost(x, adv).tolist() == [12, 12, 0]
    assert adv[0, 0, 0].nonzero().tolist() == [[0, 0], [4, 5]]
    assert adv[1, 0, 0].nonzero().tolist() == [[0, 0], [0, 5], [4, 5]]


def places(adv):
    """Pixels on, bin by bin; the same in both polarities."""
    assert torch.equal(adv[:, 0], adv[:, 1])
    return [[tuple(p) for p in frame.nonzero().tolist()] for frame in adv[:, 0]]


def test_the_dash_moves_on_by_its_length_row_after_row():
    x = torch.zeros(1, 4, 2, 3, 5)
    adv, asked = run(DashAttack(), x, lambda c: c[0, 0, 1].sum() > 0)  # the second row fools
    assert places(adv[0]) == [
        [(1, 0), (1, 1)], [(1, 2), (1, 3)], [(2, 0), (2, 1)], [(2, 2), (2, 3)],
    ]  # fmt: skip
    assert asked == 1 + 2
    adv, asked = run(DashAttack(), x, never)
    assert places(adv[0]) == [
        [(2, 0), (2, 1)], [(2, 2), (2, 3)], [(0, 0), (0, 1)], [(0, 2), (0, 3)],
    ]  # fmt: skip
    assert asked == 1 + 3


def test_the_dash_stays_as_long_as_it_is_told():
    x = torch.zeros(1, 4, 2, 2, 4)
    adv, _ = run(DashAttack(2), x, lambda c: c.sum() > 0)
    assert places(adv[0]) == [[(0, 0), (0, 1)]] * 2 + [[(0, 2), (0, 3)]] * 2
    adv, _ = run(DashAttack(None), x, lambda c: c[:, :, 1].sum() > 0)
    assert places(adv[0]) == [[(1, 0), (1, 1)]] * 4


def test_an_aware_dash_stays_below_the_mask_filter():
    x = (torch.rand(4, 8, 2, 6, 6, generator=rng()) < 0.25).float()
    for limit in (0, 2, 5):
        for stay in (1, 4, None):
            aware, _ = run(DashAttack(stay, limit), x, never)
            blind, _ = run(DashAttack(stay), x, never)
            before, after = x.sum((1, 2)), aware.sum((1, 2))
            assert (after <= before.clamp(min=limit)).all()
            assert (aware <= blind).all()
            # nothing is left out that would have gone unnoticed
            room = (limit - before).clamp(min=0)
            assert torch.equal(after - before, torch.minimum(blind.sum((1, 2)) - before, room))


@pytest.mark.parametrize("attack", PATTERNS, ids=repr)
@pytest.mark.parametrize("threat", [Retime(1), Patch(2, 2, (0, 0)), Flip(5, add=False)], ids=str)
def test_threats_that_may_not_add_events_anywhere_are_refused(attack, threat):
    with pytest.raises(InvalidThreat, match=r"only adds events; give it Flip\(budget, add=True\)"):
        run(attack, torch.zeros(1, 2, 2, 4, 4), never, threat)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: FrameAttack(0), "at least 1 pixel wide, not 0"),
        (lambda: CornerAttack(0), "at least 1 pixel, not 0"),
        (lambda: DashAttack(0), "at least 1 bin at a place, not 0"),
        (lambda: DashAttack(activity=-1), "activity limit is -1; it cannot be negative"),
    ],
)
def test_senseless_settings_are_refused(make, why):
    with pytest.raises(InvalidThreat, match=why):
        make()
