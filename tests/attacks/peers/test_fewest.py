"""Bisection for the number of edits, against models whose boundary is known."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.attacks import Victim
from spikeproof.attacks.peers.fewest import fewest, trimmed
from spikeproof.goals import Untargeted
from spikeproof.threats import Flip


def wrong_where(rule):
    """A model that is wrong about recordings with a number of events that satisfies ``rule``."""

    def model(cells):
        fooled = torch.tensor([rule(int(n)) for n in cells.flatten(1).sum(1)]).float()
        return torch.stack([1 - 2 * fooled, 2 * fooled - 1], 1)

    return Victim(model)


def filled(counts):
    """Recordings with so many events, the first cells first."""
    cells = torch.arange(60) < counts.unsqueeze(1)
    return cells.float().view(-1, 5, 2, 2, 3)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=4), st.integers(1, 60))
def test_the_smallest_number_is_found(costs, needed):
    cost = torch.tensor(costs).clamp(min=needed)
    goal = Untargeted(torch.zeros(len(cost), dtype=torch.long))
    adv = fewest(wrong_where(lambda n: n >= needed), filled(cost), goal, cost, filled)
    assert adv.flatten(1).sum(1).tolist() == [needed] * len(cost)


@given(st.sets(st.integers(1, 60), min_size=1))
def test_the_goal_stays_reached_where_the_number_is_not_all(works):
    cost = torch.tensor([max(works), min(works)])
    goal = Untargeted(torch.zeros(2, dtype=torch.long))
    adv = fewest(wrong_where(lambda n: n in works), filled(cost), goal, cost, filled)
    assert set(adv.flatten(1).sum(1).int().tolist()) <= works


@pytest.mark.parametrize("budget", [None, 20])
def test_only_what_fools_is_trimmed_and_the_most_wanted_edits_stay(budget):
    x = torch.zeros(2, 5, 2, 2, 3)
    gain = torch.arange(120.0).view(x.shape) - 30  # the first 31 of the first sample are not wanted
    victim = wrong_where(lambda n: n >= 7)
    adv = trimmed(
        victim, x, Untargeted(torch.zeros(2, dtype=torch.long)), Flip(budget), gain,
        torch.tensor([True, False]),
    )  # fmt: skip
    assert adv[0].flatten().nonzero().flatten().tolist() == list(range(53, 60))
    assert adv[1].sum() == (budget or 60)
