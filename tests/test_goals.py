from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.goals import LOSSES, Goal, Targeted, Untargeted, WithConfidence, dlr


@pytest.mark.parametrize(
    ("logits", "mislead", "target"),
    [  # of class 1
        ([0.0, 2.0, 1.0], -1.0, 1.0),
        ([0.0, 2.0, 5.0], 3.0, -3.0),
        ([4.0, -1.0, 3.5], 5.0, -5.0),
        ([1.0, 1.0, 0.0], 0.0, 0.0),
    ],
)
def test_golden_margins(logits, mislead, target):
    logits, ones = torch.tensor([logits]), torch.tensor([1])
    assert Untargeted(ones).margin(logits).tolist() == [mislead]
    assert Targeted(ones).margin(logits).tolist() == [target]


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.booleans())
def test_the_sign_of_the_margin_tells_whether_the_goal_is_reached(seed, classes, ties):
    rng = torch.Generator().manual_seed(seed)
    logits = torch.randn(20, classes, generator=rng)
    logits = logits.round() if ties else logits
    of = torch.randint(classes, (20,), generator=rng)
    for goal in (Untargeted(of), Targeted(of)):
        margin, reached = goal.margin(logits), goal.reached(logits)
        assert reached[margin > 0].all()
        assert not reached[margin < 0].any()
    assert torch.equal(Untargeted(of).margin(logits), -Targeted(of).margin(logits))
    assert torch.equal(Untargeted(of).reached(logits), ~Targeted(of).reached(logits))


def test_the_gradient_pulls_at_two_classes_only():
    logits = torch.tensor([[0.0, 2.0, 1.0, -3.0]], requires_grad=True)
    Untargeted(torch.tensor([1])).margin(logits).sum().backward()
    assert logits.grad.tolist() == [[0, -1, 1, 0]]


@pytest.mark.parametrize("kind", [Untargeted, Targeted])
def test_goals_of_some_samples(kind):
    classes = torch.tensor([0, 1, 2, 1])
    goal = kind(classes)
    assert isinstance(goal, Goal)
    assert len(goal) == 4
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    for chosen in (torch.tensor([2, 0]), torch.tensor([False, True, True, False])):
        some = goal[chosen]
        assert isinstance(some, kind)
        assert len(some) == 2
        assert torch.equal(some.margin(logits[chosen]), goal.margin(logits)[chosen])


def test_a_firm_goal_wants_a_margin():
    logits = torch.tensor([[0.0, 2.0], [0.0, 2.0], [2.0, 0.0]])
    goal = WithConfidence(Untargeted(torch.tensor([0, 0, 0])), torch.tensor([1.0, 3.0, 0.0]))
    assert isinstance(goal, Goal)
    assert goal.margin(logits).tolist() == [1.0, -1.0, -2.0]
    assert goal.reached(logits).tolist() == [True, False, False]
    assert len(goal[torch.tensor([0, 2])]) == 2
    assert goal[torch.tensor([0, 2])].reached(logits[[0, 2]]).tolist() == [True, False]


@pytest.mark.parametrize("goal", [Untargeted(torch.tensor([0, 1])), Targeted(torch.tensor([2, 0]))])
def test_losses_rise_where_the_attacker_gains(goal):
    logits = torch.tensor([[2.0, 1.0, 0.5], [0.3, 1.5, 0.1]], requires_grad=True)
    for name, loss in LOSSES.items():
        climbed = loss(goal, logits)
        assert climbed.shape == (2,)
        (slope,) = torch.autograd.grad(climbed.sum(), logits)
        assert (loss(goal, logits + 0.01 * slope) > climbed).all(), name


def test_the_ratio_of_logits_ignores_their_scale_and_crosses_zero_with_the_margin():
    goal = Untargeted(torch.tensor([0, 1]))
    logits = torch.tensor([[2.0, 1.0, 0.5], [2.0, 1.0, 0.5]])
    assert torch.allclose(dlr(goal, logits), dlr(goal, 100 * logits))
    assert dlr(goal, logits).tolist() == pytest.approx([-1 / 1.25, 1 / 1.25])
    four = torch.tensor([[4.0, 3.0, 2.0, 0.0]])  # (third - first) / (first - mean of two)
    assert dlr(Targeted(torch.tensor([2])), four).tolist() == pytest.approx([-2 / 3])
    two = torch.tensor([[1.0, 3.0]])
    assert dlr(Untargeted(torch.tensor([0])), two).tolist() == [2.0]


def test_the_cross_entropy_of_a_goal():
    logits = torch.tensor([[0.0, 0.0], [0.0, 0.0]])
    labels = torch.tensor([0, 1])
    assert torch.allclose(Untargeted(labels).cross_entropy(logits), torch.full((2,), math.log(2)))
    assert torch.allclose(Targeted(labels).cross_entropy(logits), torch.full((2,), -math.log(2)))
    firm = WithConfidence(Untargeted(labels), torch.ones(2))
    assert torch.equal(firm.cross_entropy(logits), Untargeted(labels).cross_entropy(logits))
