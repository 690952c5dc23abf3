"""The parts of the attacks that only ask: starts, groups, plans."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.attacks.queries import Decision, Greedy
from spikeproof.attacks.queries.groups import Draw, Groups, grouped, nearness
from spikeproof.attacks.queries.plans import PLANS, plans
from spikeproof.attacks.queries.starts import edited, starts
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Untargeted
from spikeproof.threats import Flip, Patch, Retime, Sensor, unlimited

from ..events.test_refine import CLEAN, GOAL, WEIGHTS, Weighs
from ..toy import data

THREATS = [
    Flip(),
    Flip(3, remove=False),
    Flip(add=False),
    Flip(sensor=Sensor(bin_us=1000.0, refractory=1000)),
    Patch(3, 3, (1, 1)),
    Retime(2),
]


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("threat", THREATS, ids=str)
def test_starts_are_legal_but_for_the_budget_and_many(threat):
    clean, _ = data(3)
    other, _ = data(2, seed=5)
    free = unlimited(threat)
    made = list(starts(clean, free, rng(), other))
    assert all(free.check(clean, adv).ok.all() for adv in made)
    assert sum(bool((adv != clean).any()) for adv in made) > 8
    alone = list(starts(clean[1:2], free, rng(), other))
    assert all(torch.equal(a[1:2], b) for a, b in zip(made, alone, strict=True))


def test_what_is_wanted_is_edited_as_far_as_it_is_allowed():
    clean, _ = data(3)
    wanted = torch.rand(clean.shape, generator=rng()) < 0.2
    adv = edited(Flip(), clean, wanted)
    assert torch.equal(adv != clean, wanted)
    adv = edited(Flip(add=False), clean, wanted)
    assert torch.equal(adv != clean, wanted & (clean > 0))


@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 5), st.integers(1, 6))
def test_groups_hold_edits_and_new_cells_apart(seed, out_size, in_size, outs):
    clean, _ = data(3)
    n, cells = len(clean), clean[0].numel()
    edits = torch.rand(n, cells, generator=rng(seed)) < torch.tensor([[0.0], [0.05], [0.5]])
    worth = torch.randn(n, cells, generator=rng(seed))
    wishes = nearness(clean, edits, worth).masked_fill(edits, -torch.inf)
    sizes = torch.full((n,), out_size), torch.full((n,), in_size)
    draw = Draw.of(clean, seed, rng(seed))
    groups = grouped(edits, worth, wishes, draw, sizes, (outs, 4))
    label = groups.label
    old = (label >= 0) & (label < outs)
    new = label >= outs
    assert not (old & ~edits).any()
    assert not (new & edits).any()
    assert label.max() < outs + 4
    assert (groups.size[:, :outs] <= out_size).all()
    assert (new.sum(1) == 4 * in_size).all()
    pieces = (edits.sum(1) + out_size - 1) // out_size
    assert torch.equal((groups.size[:, :outs] > 0).sum(1), pieces.clamp(max=outs))
    one = grouped(
        edits[1:2], worth[1:2], wishes[1:2], draw, (sizes[0][:1], sizes[1][:1]), (outs, 4)
    )
    assert torch.equal(one.label, label[1:2])


def test_turning_a_group_twice_changes_nothing():
    label = torch.tensor([[0, 0, 1, -1, 2]])
    groups = Groups(label, torch.tensor([[2.0, 1.0, 1.0]]), 2)
    edits = torch.tensor([[True, True, True, True, False]])
    who, chosen = torch.tensor([0]), torch.tensor([[True, False, True]])
    once = groups.turned(edits, who, chosen)
    assert once.tolist() == [[False, False, True, True, True]]
    assert torch.equal(groups.turned(once, who, chosen), edits)


def test_plans_save_what_the_margin_allows():
    size = torch.tensor([[4.0, 4.0, 4.0, 1.0, 1.0]])
    groups = Groups(torch.zeros(1, 17, dtype=torch.long), size, 3)
    change = torch.tensor([[-0.1, -0.5, -3.0, 2.2, -1.0]])  # three of edits, two of new cells
    chosen, usable = plans(torch.tensor([1.0]), change, groups)
    assert chosen.shape == (1, PLANS, 5)
    rows = [tuple(r) for r, ok in zip(chosen[0].int().tolist(), usable[0], strict=True) if ok]
    assert len(rows) == len(set(rows))
    assert rows[0] == (1, 1, 0, 0, 0)  # saves 8; all three would need the new cell and fall short
    assert (0, 0, 0, 0, 0) not in rows
    assert all(row[4] == 0 for row in rows)  # a group that lowers the margin is in no plan


def test_plans_climb_where_nothing_is_fooled():
    groups = Groups(torch.zeros(1, 3, dtype=torch.long), torch.ones(1, 3), 1)
    chosen, usable = plans(torch.tensor([-5.0]), torch.tensor([[0.5, 1.0, 2.0]]), groups)
    best = chosen[0][usable[0]]
    assert [True, True, True] in best.tolist()
    assert [False, False, False] not in best.tolist()


@pytest.mark.parametrize("attack", [Greedy(queries=400), Decision(queries=400)])
@pytest.mark.parametrize("level", [0.05, 2.5, 6.5, 9.5, 13.9])
def test_on_a_linear_model_few_queries_find_the_minimum(attack, level):
    victim = Victim(Weighs(WEIGHTS, level))
    adv = attack(victim, CLEAN, GOAL, Flip(), rng=rng())
    fewest = min(
        n for n in range(9) if any(sum(some) > level for some in itertools.combinations(WEIGHTS, n))
    )
    assert victim.reached(adv, GOAL).all()
    slack = 0 if isinstance(attack, Greedy) else 1
    assert (Flip().cost(CLEAN, adv) <= fewest + slack).all()


@pytest.mark.parametrize("queries", [1, 2, 3, 30])
def test_few_queries_are_not_exceeded(queries):
    victim = Victim(Weighs(WEIGHTS, 6.5))
    for attack in (Greedy(queries=queries), Decision(queries=queries)):
        victim.queries.forwards = 0
        attack(victim, CLEAN, GOAL, Flip(), rng=rng())
        assert victim.queries.forwards <= queries * len(CLEAN)


def test_other_recordings_are_starts():
    """A model that only falls for one recording and what is left of it."""
    special = torch.zeros_like(CLEAN[:1])
    special[0, 1] = 1.0

    def model(x):
        alike = (x * special).flatten(1).sum(1) - 2 * (x * (1 - special)).flatten(1).sum(1)
        return torch.stack([torch.full_like(alike, 3.5), alike], 1)

    goal = Untargeted(torch.zeros(2, dtype=torch.long))
    adv = Greedy(queries=60, others=special)(Victim(model), CLEAN, goal, Flip(), rng=rng())
    assert torch.equal(adv, special.expand_as(adv))
