from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidThreat
from spikeproof.threats import Retime, Sensor

from .grids import budgets, legal_for, problems, sensors


def line(*cells):
    return torch.tensor(cells, dtype=torch.float32).view(1, -1, 1, 1, 1).repeat(1, 1, 2, 1, 1)


def reachable(clean, max_shift, most, total=None):
    """All lines that legal moves make of ``clean``, by trying: each event stays or goes to a cell
    that was empty, at most ``max_shift`` away, and no two go to the same one."""
    bins = len(clean)
    events = [t for t in range(bins) if clean[t]]
    empty = [t for t in range(bins) if not clean[t]]
    targets = [[t] + [e for e in empty if abs(e - t) <= max_shift] for t in events]
    found = set()
    for places in itertools.product(*targets):
        moved = sum(a != b for a, b in zip(events, places, strict=True))
        bins_moved = sum(abs(a - b) for a, b in zip(events, places, strict=True))
        allowed = moved <= most and (total is None or bins_moved <= total)
        if len(set(places)) == len(places) and allowed:
            found.add(tuple(int(t in places) for t in range(bins)))
    return found


@pytest.mark.parametrize("max_shift", [1, 2, 4])
@pytest.mark.parametrize(("most", "total"), [(None, None), (0, None), (1, None), (2, None),
                                             (None, 0), (None, 1), (None, 3), (2, 3)])  # fmt: skip
def test_check_agrees_with_brute_force_on_every_line(max_shift, most, total):
    bins = 5
    every = list(itertools.product((0, 1), repeat=bins))
    advs = torch.zeros(len(every), bins, 2, 1, 1)
    advs[:, :, 0, 0, 0] = torch.tensor(every, dtype=torch.float32)
    threat = Retime(max_shift, most, max_total=total)
    for clean in every:
        cells = torch.zeros_like(advs)
        cells[:, :, 0, 0, 0] = torch.tensor(clean, dtype=torch.float32)
        legal = reachable(clean, max_shift, bins if most is None else most, total)
        assert threat.check(cells, advs).ok.tolist() == [adv in legal for adv in every]


def shifts(clean, adv):
    """Bins that events moved in all, per sample, one pixel after the other."""
    totals = []
    for c, a in zip(clean, adv, strict=True):
        bins = 0
        for place in itertools.product(*(range(size) for size in c.shape[1:])):
            before, after = c[(slice(None), *place)], a[(slice(None), *place)]
            gone = ((before > 0) & (after == 0)).nonzero().flatten().tolist()
            come = ((before == 0) & (after > 0)).nonzero().flatten().tolist()
            bins += sum(abs(g - k) for g, k in zip(gone, come, strict=True))
        totals.append(bins)
    return totals


@given(problems(), st.integers(1, 8), budgets, sensors, budgets)
def test_select_keeps_every_promise(problem, max_shift, budget, sensor, total):
    clean, gain = problem
    if isinstance(budget, int):
        budget = min(budget, clean[0].numel())
    threat = Retime(max_shift, budget, sensor, total)
    before, wish = clean.clone(), gain.clone()
    adv = threat.select(clean, gain)
    assert torch.equal(clean, before)
    assert torch.equal(gain, wish)
    assert (threat.cost(clean, adv) <= threat.limit(clean)).all()
    verdict = threat.check(clean, adv)
    assert verdict.ok.all(), verdict.why
    assert ((adv == 0) | (adv == 1)).all()
    assert torch.equal(adv.sum(1), clean.sum(1))  # no event is merged, none is lost
    if total is not None:
        active = (clean > 0).flatten(1).sum(1).tolist()
        most = [total if isinstance(total, int) else total * n + 1e-6 for n in active]
        assert all(moved <= m for moved, m in zip(shifts(clean, adv), most, strict=True))
    if sensor is not None:
        assert all(legal_for(sensor, c, a) for c, a in zip(clean, adv, strict=True))


@given(problems(), st.integers(1, 3))
def test_a_budget_of_nothing_changes_nothing(problem, max_shift):
    clean, gain = problem
    assert torch.equal(Retime(max_shift, 0).select(clean, gain), clean)
    assert torch.equal(Retime(max_shift, max_total=0).select(clean, gain), clean)
    none = torch.zeros(len(clean), dtype=torch.long)
    assert torch.equal(Retime(max_shift).select(clean, gain, none), clean)


@given(problems(), st.integers(1, 4), budgets, sensors, budgets)
def test_moves_with_values_of_their_own_keep_every_promise(problem, max_shift, budget, sensor, tot):
    clean, gain = problem
    if isinstance(budget, int):
        budget = min(budget, clean[0].numel())
    threat = Retime(max_shift, budget, sensor, tot)
    source, there, inside = threat.places(clean)
    assert torch.equal(source, (clean > 0).flatten().nonzero().flatten())
    assert (clean.flatten()[there[inside]] == 0).all()
    value = torch.randn(there.shape, generator=torch.Generator().manual_seed(0))
    adv = threat.select_moves(clean, value)
    verdict = threat.check(clean, adv)
    assert verdict.ok.all(), verdict.why
    assert (threat.cost(clean, adv) <= threat.limit(clean)).all()
    assert torch.equal(threat.select_moves(clean, -value.abs()), clean)
    if sensor is None:  # what cells gain is a special case
        sums = gain.flatten()[source].unsqueeze(1) + gain.flatten()[there]
        assert torch.equal(threat.select_moves(clean, sums), threat.select(clean, gain))


def test_each_event_makes_its_most_valuable_move_or_the_next_one_if_that_is_taken():
    clean = line(0, 1, 0, 1, 0)
    threat = Retime(1)
    assert threat.steps == (1, -1)
    # rows: bin 1 off, bin 1 on, bin 3 off (which wants bin 2 more than the first does), bin 3 on
    value = torch.tensor([[3.0, 2.0], [-1.0, 4.0], [-1.0, 5.0], [9.0, -1.0]])
    adv = threat.select_moves(clean, value)
    assert adv[0, :, 0, 0, 0].tolist() == [1, 0, 1, 0, 0]
    assert adv[0, :, 1, 0, 0].tolist() == [1, 0, 0, 0, 1]


@given(problems(), st.integers(1, 8), budgets)
def test_a_total_that_cannot_run_out_is_none(problem, max_shift, budget):
    clean, gain = problem
    if isinstance(budget, int):
        budget = min(budget, clean[0].numel())
    slack = clean[0].numel() * 8
    with_total = Retime(max_shift, budget, max_total=slack).select(clean, gain)
    assert torch.equal(with_total, Retime(max_shift, budget).select(clean, gain))


@given(problems(n=1), st.integers(0, 6))
def test_bins_are_left_only_where_a_larger_total_changes_nothing(problem, total):
    clean, _ = problem
    gain = torch.ones_like(clean)
    adv = Retime(1, max_total=total).select(clean, gain)
    if shifts(clean, adv)[0] < total:
        more = Retime(1, max_total=total + 3).select(clean, gain)
        assert torch.equal(more, adv)
    assert Retime(3, max_total=total).limit(clean)[0] <= total  # a move takes a bin at least


@given(st.lists(st.integers(0, 1), min_size=1, max_size=6), st.integers(1, 3), st.data())
def test_moves_of_select_are_among_all_legal_ones_and_never_lose(cells, max_shift, data):
    clean = torch.zeros(1, len(cells), 2, 1, 1)
    clean[0, :, 0, 0, 0] = torch.tensor(cells, dtype=torch.float32)
    wish = st.lists(st.floats(-4, 4, width=16), min_size=len(cells), max_size=len(cells))
    gain = torch.full_like(clean, -1.0)
    gain[0, :, 0, 0, 0] = torch.tensor(data.draw(wish), dtype=torch.float32)
    adv = Retime(max_shift).select(clean, gain)
    assert not adv[:, :, 1].any()
    line = tuple(adv[0, :, 0, 0, 0].int().tolist())
    assert line in reachable(tuple(cells), max_shift, len(cells))
    assert (gain * (adv != clean)).sum() >= 0
    assert torch.equal(adv, clean) == (not improves(cells, gain[0, :, 0, 0, 0], max_shift))


def improves(cells, gain, max_shift):
    return any(
        cells[a] == 1 and cells[b] == 0 and abs(a - b) <= max_shift and gain[a] + gain[b] > 0
        for a, b in itertools.permutations(range(len(cells)), 2)
    )


def test_one_move_is_the_best_one():
    clean = line(1, 0, 0, 1, 0)
    gain = torch.zeros_like(clean)
    gain[0, :, 0, 0, 0] = torch.tensor([1.0, 2.0, 3.0, 5.0, 1.0])
    adv = Retime(2).select(clean, gain, torch.tensor([1]))
    assert adv[0, :, 0, 0, 0].tolist() == [1, 0, 1, 0, 0]  # bin 3 to bin 2 gains 8
    assert torch.equal(adv[:, :, 1], clean[:, :, 1])


def test_two_events_that_want_one_cell_both_find_a_place():
    clean = line(1, 0, 1, 0)
    gain = torch.zeros_like(clean)
    gain[0, :, 0, 0, 0] = torch.tensor([1.0, 9.0, 2.0, 0.5])
    adv = Retime(1).select(clean, gain)
    assert adv[0, :, 0, 0, 0].tolist() == [1, 1, 0, 0]
    adv = Retime(3).select(clean, gain)
    assert adv[0, :, 0, 0, 0].tolist() == [0, 1, 0, 1]


def test_a_scarce_total_buys_the_moves_that_gain_most_per_bin():
    clean = torch.zeros(1, 3, 2, 1, 2)
    clean[0, 0] = 1
    gain = torch.full_like(clean, -9.0)
    gain[0, :, 0, 0, 0] = torch.tensor([0.0, -9.0, 5.0])  # 5 for 2 bins
    gain[0, :, 0, 0, 1] = torch.tensor([0.0, 3.0, -9.0])  # 3 for one
    gain[0, :, 1, 0, 0] = torch.tensor([0.0, 2.6, -9.0])  # 2.6 for one

    def moved(total):
        adv = Retime(2, max_total=total).select(clean, gain)
        return [int(p) for p in (adv[0, 0] == 0).flatten()]  # off left, off right, on left, ...

    assert moved(1) == [0, 1, 0, 0]
    assert moved(2) == [0, 1, 1, 0]
    assert moved(3) == [0, 1, 1, 0]  # 5 for 2 bins is the dearest, and one bin is too few
    assert moved(4) == [1, 1, 1, 0]
    assert Retime(2, max_total=2).select(clean, gain, torch.tensor([1]))[0, 2, 0, 0, 0] == 1


@pytest.mark.parametrize(
    ("threat", "adv", "why"),
    [
        (Retime(2), (0, 0, 0, 0, 0), "a pixel's number of events changed"),
        (Retime(2), (1, 1, 0, 0, 0), "a pixel's number of events changed"),
        (Retime(2), (0, 0, 0, 1, 0), "an event moved by more than 2 of 5 bins"),
        (Retime(2, 0), (0, 1, 0, 0, 0), "more events than the budget were moved"),
        (Retime(2, 0.4), (0, 1, 0, 0, 0), "more events than the budget were moved"),
        (Retime(2, max_total=1), (0, 0, 1, 0, 0), "all shifts together come to more bins than"),
        (Retime(2, max_total=0.9), (0, 1, 0, 0, 0), "all shifts together come to more bins than"),
        (Retime(2, max_total=2), (0, 0, 1, 0, 0), ""),
        (Retime(2), (0, 0.5, 0.5, 0, 0), "a cell is not 0 or 1"),
        (Retime(2), (0, 0, 1, 0, 0), ""),
        (Retime(2, sensor=Sensor(1.0, max_rate=1.0)), (0, 1, 0, 0, 0), "a time bin has more"),
    ],
)  # fmt: skip
def test_violations_are_named_for_the_sample_at_fault(threat, adv, why):
    clean = torch.cat([line(1, 0, 0, 0, 0)] * 2)[:, :, :1].repeat(1, 1, 2, 1, 1)
    clean[:, :, 1] = 0
    changed = clean.clone()
    changed[1, :, 0, 0, 0] = torch.tensor(adv)
    first, second = threat.check(clean, changed).why
    assert first == ""
    assert second.startswith(why)
    assert bool(second) == bool(why)


def test_moving_to_another_pixel_or_polarity_is_refused():
    clean = torch.zeros(1, 3, 2, 1, 2)
    clean[0, 0, 0, 0, 0] = 1
    for place in [(0, 1, 0, 0), (0, 0, 0, 1), (1, 1, 0, 0)]:
        adv = torch.zeros_like(clean)
        adv[(0, *place)] = 1
        assert not Retime(2).check(clean, adv).ok.any()


def test_impossible_shifts_are_refused():
    with pytest.raises(InvalidThreat, match="max_shift is 0; moving needs at least 1 bin"):
        Retime(0)
    with pytest.raises(InvalidThreat, match="max_total is -1; it must be a number and not neg"):
        Retime(1, max_total=-1)


@pytest.mark.parametrize(
    ("threat", "text"),
    [
        (Retime(1), "move any number of events in time, each by at most 1 bin"),
        (Retime(2, 0.1), "move at most 10 % of the events in time, each by at most 2 bins"),
        (
            Retime(2, 9, max_total=500),
            "move at most 9 events in time, each by at most 2 bins, all together by at most 500"
            " bins",
        ),
        (
            Retime(1, max_total=0.25).at(None),
            "move any number of events in time, each by at most 1 bin, all together by at most"
            " 0.25 bins per active cell",
        ),
        (Retime(3).at(7), "move at most 7 events in time, each by at most 3 bins"),
    ],
)
def test_threats_say_what_they_allow(threat, text):
    assert str(threat) == text
