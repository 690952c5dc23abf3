from __future__ import annotations

import pytest
import torch

from spikeproof.attacks.events.edits import Edits, edits, lone, separable, wanted
from spikeproof.threats import Flip, Linf, Patch, Retime, Threat
from spikeproof.threats.base import active


def pair(threat: Threat, seed=0):
    """Clean recordings and others within the threat, of different numbers of edits."""
    rng = torch.Generator().manual_seed(seed)
    clean = (torch.rand(5, 6, 2, 4, 4, generator=rng) < 0.3).float()
    wish = torch.rand(clean.shape, generator=rng)
    count = torch.tensor([0, 1, 3, 7, 12])
    return clean, threat.select(clean, wish, count), wish


def turned(clean, cells):
    """``clean`` ``[T, P, H, W]`` with some cells turned over."""
    flat = clean.flatten().clone()
    flat[cells] = 1 - flat[cells]
    return flat.view_as(clean)


@pytest.mark.parametrize("threat", [Flip(), Retime(1), Retime(3), Patch(3, 3, (0, 1))], ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_edits_are_all_that_differs_and_each_is_one_by_itself(threat, seed):
    clean, adv, value = pair(threat, seed)
    found = edits(threat, clean, adv, value, weakest=True)
    assert torch.equal(found.count, threat.cost(clean, adv).long())
    for i, count in enumerate(found.count.tolist()):
        mine = found.cells[i, :count]
        assert torch.equal(turned(clean[i], mine.flatten()), adv[i])
        worth = value[i].flatten()[mine].sum(1)
        assert torch.equal(worth, worth.sort().values)
        for cells in mine:
            one, whole = turned(clean[i], cells).unsqueeze(0), clean[i : i + 1]
            assert threat.check(whole, one).ok.all()
            assert threat.cost(whole, one) == 1
    first = edits(threat, clean, adv, value, weakest=False)
    last = found.count[-1] - 1
    assert torch.equal(first.cells[-1, 0], found.cells[-1, last])


def test_recordings_without_edits():
    clean = pair(Flip())[0]
    for threat in (Flip(), Retime(1)):
        none = edits(threat, clean, clean, clean, weakest=True)
        assert none.count.tolist() == [0] * len(clean)
        cells, real = none.some(torch.zeros(len(clean), dtype=torch.long), 3)
        assert cells.shape[:2] == real.shape == (len(clean), 3)
        assert not real.any()


def test_the_most_wanted_moves_are_all_that_there_are_in_order():
    clean, _, wish = pair(Retime(1))
    every = wanted(Retime(1), clean, wish, 10**6)
    for i, count in enumerate(every.count.tolist()):
        mine = every.cells[i, :count]
        events = clean[i].flatten().nonzero().flatten().tolist()
        steps = [(e, e + s * 32) for e in events for s in (-1, 1) if 0 <= e + s * 32 < 192]
        free = {(e, to) for e, to in steps if clean[i].flatten()[to] == 0}
        assert {(a, b) for a, b in mine.tolist()} == free
        assert len(mine) == len(free)
        worth = wish[i].flatten()[mine].sum(1)
        assert torch.equal(worth, worth.sort(descending=True).values)
    few = wanted(Retime(1), clean, wish, 4)
    assert torch.equal(few.cells, every.cells[:, :4])
    assert few.count.tolist() == [4] * len(clean)


def test_windows_go_on_or_around():
    table = Edits(torch.tensor([[[4], [7], [9]], [[5], [0], [0]]]), torch.tensor([3, 1]))
    cells, real = table.some(torch.tensor([2, 2]), 2)
    assert real.tolist() == [[True, False], [False, False]]
    assert cells[0, 0] == 9
    cells, real = table.some(torch.tensor([2, 2]), 2, around=True)
    assert real.tolist() == [[True, True], [True, False]]
    assert cells[real].flatten().tolist() == [9, 4, 5]


def test_which_threats_have_edits_of_their_own():
    told = [(t, separable(t), lone(t)) for t in (Flip(), Patch(2, 2, (0, 0)), Retime(1))]
    assert [answers[1:] for answers in told] == [(True, True), (True, True), (True, False)]
    assert not any(separable(t) or lone(t) for t in (Patch(2, 2), Linf(0.1)))
    assert active(pair(Flip())[0]).min() > 12  # moves enough for the tests above
