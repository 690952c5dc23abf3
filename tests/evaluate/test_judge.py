from __future__ import annotations

import pytest
import torch

from spikeproof.errors import InvalidModel
from spikeproof.evaluate import answer, judge
from spikeproof.goals import Targeted, Untargeted
from spikeproof.threats import Flip


def model(x):
    """Class 1 where there are more than two events."""
    n = x.flatten(1).sum(1)
    return torch.stack([2.5 - n, n - 2.5], 1)


CLEAN = torch.zeros(3, 1, 2, 2, 2)
ADV = CLEAN.clone()
ADV[0, 0, 0, 0, 0] = 1  # one flip: not enough
ADV[1, 0, :, 0] = 1  # four flips: fooled, over the budget
ADV[2, 0, 0] = 1  # four flips, one taken back: three
ADV[2, 0, 0, 1, 1] = 0
GOAL = Untargeted(torch.zeros(3, dtype=torch.long))


def test_success_needs_the_model_and_the_check():
    outcome = judge(model, CLEAN, ADV, GOAL, Flip(3))
    assert outcome.reached.tolist() == [False, True, True]
    assert outcome.valid.tolist() == [True, False, True]
    assert outcome.success.tolist() == [False, False, True]
    assert outcome.why[1] == "more cells than the budget were changed"
    assert outcome.cost.tolist() == [1, 4, 3]
    assert outcome.added.tolist() == [1, 4, 3]
    assert outcome.removed.tolist() == [0, 0, 0]


def test_a_target_is_reached_only_by_that_class():
    goal = Targeted(torch.tensor([1, 1, 0]))
    assert judge(model, CLEAN, ADV, goal, Flip()).reached.tolist() == [False, True, False]


def test_the_answer_does_not_depend_on_the_chunks():
    assert torch.equal(answer(model, ADV, chunk=1), answer(model, ADV, chunk=3))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda x: model(x) * torch.nan, "NaN or infinite"),
        (lambda x: model(x).sum(1), "where .3, K. is needed"),
        (lambda x: model(x)[:1], "is needed"),
    ],
)
def test_answers_that_make_no_sense_are_refused(broken, message):
    with pytest.raises(InvalidModel, match=message):
        answer(broken, CLEAN)
