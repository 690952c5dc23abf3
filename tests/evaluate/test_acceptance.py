from __future__ import annotations

import torch

from spikeproof.evaluate import threshold_for, verdicts

LOGITS = torch.tensor([[3.0, 0, 0], [0, 1.0, 0], [0, 0, 9.0], [2.0, 0, 0], [0, 0.5, 0]])
LABELS = torch.tensor([0, 1, 0, 1, 1])


def test_the_null_class_is_refused():
    plain, with_class = verdicts(LOGITS), verdicts(LOGITS, null=2)
    assert plain.named.tolist() == [0, 1, 2, 0, 1]
    assert plain.accepted().all()
    assert with_class.accepted().tolist() == [True, True, False, True, True]
    assert torch.equal(plain.confidence, LOGITS.softmax(1).amax(1))
    assert plain.right(LABELS).tolist() == [True, True, False, False, True]


def test_a_threshold_refuses_what_is_less_sure():
    said = verdicts(LOGITS)
    least = float(said.confidence[3])
    assert said.accepted(least).tolist() == [True, False, True, True, False]
    assert said.right(LABELS, least).tolist() == [True, False, False, False, False]


def test_the_highest_threshold_that_leaves_so_many_right():
    said = verdicts(LOGITS, null=2)
    for right in (1, 2, 3):
        threshold = threshold_for(said, LABELS, right=right)
        assert int(said.right(LABELS, threshold).sum()) == right
        assert int(said.right(LABELS, threshold + 1e-6).sum()) < right
    assert threshold_for(said, LABELS, right=4) is None
    assert threshold_for(said, LABELS, right=0) is None
