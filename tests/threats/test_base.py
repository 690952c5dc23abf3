from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.errors import InvalidThreat
from spikeproof.threats import Flip, Patch, Retime, Sensor, Threat, Universal
from spikeproof.threats.base import active, best, flipped, resolve_budget

from .grids import problems


@pytest.mark.parametrize("threat", [Flip(), Retime(), Patch(2, 2), Universal(4)], ids=str)
def test_threats_are_threats_and_values(threat):
    assert isinstance(threat, Threat)
    assert str(threat) != repr(threat)
    with pytest.raises(AttributeError):
        threat.sensor = Sensor(1.0)


@given(problems(), st.data())
def test_best_is_a_stable_sort(problem, data):
    _, gain = problem
    cells = gain[0].numel()
    count = torch.tensor(data.draw(st.lists(st.integers(0, cells), min_size=len(gain),
                                            max_size=len(gain))))  # fmt: skip
    chosen = best(gain, count).flatten(1)
    for n, row in enumerate(gain.flatten(1).tolist()):
        order = sorted(range(cells), key=lambda i, row=row: -row[i])
        wanted = {i for i in order[: int(count[n])] if row[i] > 0}
        assert set(chosen[n].nonzero().flatten().tolist()) == wanted


def test_best_does_not_depend_on_the_batch():
    gain = torch.ones(2, 4, 2, 5, 5)
    alone = best(gain[:1], torch.tensor([7]))
    together = best(gain, torch.tensor([7, 150]))
    assert torch.equal(alone[0], together[0])
    assert alone.sum() == 7


def test_best_of_nothing():
    gain = torch.ones(0, 4, 2, 5, 5)
    assert best(gain, torch.zeros(0, dtype=torch.long)).shape == gain.shape


@pytest.mark.parametrize("percent", range(101))
def test_shares_are_rounded_down_as_decimals_are(percent):
    clean = torch.zeros(60, 5, 2, 15, 15)
    for n in range(60):
        clean[n].view(-1)[: 37 * n] = 1
    limits = resolve_budget(percent / 100, clean, "budget")
    assert limits.tolist() == [37 * n * percent // 100 for n in range(60)]


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (True, "must be a whole number of cells, a share or None"),
        ("3", "must be a whole number of cells, a share or None"),
        (-1, "is -1; it must be a number and not negative"),
        (-0.5, "is -0.5; it must be a number and not negative"),
        (math.nan, "is nan; it must be a number"),
        (math.inf, "is inf; it must be a number"),
        (1.5, "is a share of the active cells and above 1; .* write the whole number 2"),
        (64.0, "write the whole number 64"),
    ],
)
@pytest.mark.parametrize(
    "threat", [Flip, lambda b: Retime(max_events=b), Flip().at, Retime().at, Universal]
)
def test_bad_budgets_are_refused(threat, budget, message):
    with pytest.raises(InvalidThreat, match=message):
        threat(budget)


@pytest.mark.parametrize("threat", [Flip(41), Retime(max_events=41), Universal(41)], ids=str)
def test_budgets_larger_than_the_grid_are_refused(threat):
    clean = torch.zeros(2, 4, 2, 5, 1)
    uses = [threat.limit, lambda c: threat.check(c, c)]
    for use in uses[: 1 if isinstance(threat, Universal) else 2]:
        with pytest.raises(InvalidThreat, match="41 is larger than the grid, which has 40 cells"):
            use(clean)


def test_an_empty_batch_is_no_problem():
    clean = torch.zeros(0, 4, 2, 5, 5)
    sensor = Sensor(1000.0, refractory=1500, max_rate=2000.0)
    for threat in (
        Flip(3),
        Flip(0.5, sensor=sensor),
        Retime(),
        Retime(sensor=sensor),
        Patch(2, 2, (0, 0)),
        Patch(2, 2, (0, 0), sensor=sensor),
    ):
        assert threat.select(clean, clean).shape == clean.shape
        assert threat.limit(clean).tolist() == threat.cost(clean, clean).tolist() == []
        assert threat.check(clean, clean).why == ()


def test_active_and_flipped_count_occupied_cells():
    cells = torch.tensor([0.0, 1.0, 5.0, 0.0]).view(1, 1, 1, 1, 4)
    assert active(cells).tolist() == [2]
    assert flipped(cells).flatten().tolist() == [1, 0, 0, 1]
