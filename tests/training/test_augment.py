from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.training import Augment

NOTHING = Augment(shift=0, rotate=0, scale=0, warp=0, drop=0)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def cells(*shape, seed=0):
    return (torch.rand(*shape, generator=rng(seed)) < 0.3).float()


@given(
    st.builds(
        Augment,
        shift=st.floats(0, 5),
        rotate=st.floats(0, 180),
        scale=st.floats(0, 0.5),
        warp=st.floats(0, 4),
        drop=st.floats(0, 1),
    ),
    st.integers(0, 2**32 - 1),
    st.integers(1, 3),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_binary_cells_stay_binary_and_repeat_by_generator(augment, seed, n, h, w):
    x = cells(n, 3, 2, h, w)
    before = x.clone()
    view = augment(x, rng(seed))
    assert view.shape == x.shape
    assert ((view == 0) | (view == 1)).all()
    assert torch.equal(x, before)
    assert torch.equal(augment(x, rng(seed)), view)


def test_nothing_changes_nothing():
    x = cells(3, 4, 2, 7, 5)
    assert torch.equal(NOTHING(x, rng()), x)


def test_samples_get_views_of_their_own_and_seeds_matter():
    x = cells(1, 4, 2, 12, 12).expand(4, -1, -1, -1, -1)
    view = Augment()(x, rng(0))
    assert not torch.equal(view[0], view[1])
    assert not torch.equal(Augment()(x, rng(1)), view)


def test_bins_and_polarities_move_together():
    x = cells(2, 1, 1, 12, 12).expand(-1, 5, 2, -1, -1)
    view = Augment(drop=0)(x, rng())
    assert (view == view[:, :1, :1]).all()


def test_counts_are_moved_not_mixed():
    x = torch.randint(0, 9, (4, 3, 2, 10, 10), generator=rng()).float()
    assert set(Augment()(x, rng()).unique().tolist()) <= set(range(9))


def test_dropping_loses_no_more_than_its_share_and_adds_nothing():
    x = torch.ones(50, 4, 2, 12, 12)
    view = Augment(shift=0, rotate=0, scale=0, warp=0, drop=0.4)(x, rng())
    kept = view.mean((1, 2, 3, 4))
    assert 0.55 < kept.min() < 0.7
    assert kept.max() > 0.9


def test_a_shift_of_whole_pixels_moves_every_event():
    x = torch.zeros(200, 1, 2, 21, 21)
    x[:, :, :, 10, 10] = 1
    view = Augment(shift=3, rotate=0, scale=0, warp=0, drop=0)(x, rng())
    _, _, _, rows, columns = view.nonzero().T
    for moved in (rows - 10, columns - 10):
        assert moved.min() == -3
        assert moved.max() == 3


@pytest.mark.parametrize(("h", "w"), [(41, 41), (31, 61)])
def test_turning_keeps_distances_on_any_sensor(h, w):
    x = torch.zeros(100, 1, 2, h, w)
    x[:, :, :, h // 2, w // 2] = 1
    x[:, :, :, h // 2 - 1 : h // 2 + 2, w // 2 + 11 : w // 2 + 14] = 1  # a blob 12 pixels right
    view = Augment(shift=0, rotate=45, scale=0, warp=0, drop=0)(x, rng())
    angles = []
    for one in view[:, 0, 0]:
        rows, columns = one.nonzero().T.double()
        away = torch.hypot(rows - h // 2, columns - w // 2)
        blob = away > 5
        assert (away[blob] - 12).abs().max() < 3
        angles.append(torch.atan2(rows[blob].mean() - h // 2, columns[blob].mean() - w // 2))
    turned = torch.stack(angles).rad2deg()
    assert 35 < turned.max() < 48
    assert -48 < turned.min() < -35


def test_of_a_share_the_others_stay_as_they_are():
    x = cells(400, 1, 1, 9, 9)
    view = Augment(drop=0, share=0.3)(x, rng())
    same = (view == x).flatten(1).all(1)
    assert 0.6 < float(same.float().mean()) < 0.8
    assert torch.equal(Augment(share=0)(x, rng()), x)


def test_intensities_are_interpolated():
    x = torch.zeros(200, 1, 1, 9, 9)
    x[..., 4, 4] = 1.0
    views = Augment(shift=1, rotate=0, scale=0, warp=0, drop=0, smooth=True)(x, rng())
    assert bool(((views > 0) & (views < 1)).any())
    assert 0 <= float(views.min()) <= float(views.max()) <= 1
    torch.testing.assert_close(views.flatten(1).sum(1), torch.ones(200))  # none leaves the sensor
