"""Of many reasons against a model, the ones to read."""

from __future__ import annotations

import torch

from spikeproof.adapters.refusal import refusal

PROBE = torch.zeros(3, 5, 2, 9, 7)
SHAPE = "recordings [N, T, P, H, W] = [3, 5, 2, 9, 7]"


def test_the_deepest_calls_are_quoted_one_of_each_kind():
    tried = {"no 4": ["A"], "no 5": ["B", "C", "D", "E"], "bad": ["F"], "shallow": ["G"]}
    message = refusal(PROBE, None, tried, {"no 4": 2, "no 5": 2, "bad": 2, "shallow": 0})
    assert f"fits {SHAPE} (nearest came A: no 4; F: bad); check that it is made for" in message
    message = refusal(PROBE, None, tried, {"no 4": 0, "no 5": 2, "bad": 0, "shallow": 0})
    assert "(nearest came B, C, D and 1 more: no 5)" in message


def test_a_single_reason_or_layout_is_told_as_such():
    assert refusal(PROBE, None, {"x": ["A", "B"]}, {"x": 0}).startswith(
        f"the model fails on {SHAPE} however it is called (x); call it yourself"
    )
    assert refusal(PROBE, "NTF", {"x": ["NTF"]}, {"x": 0}).startswith(
        f"the model does not take {SHAPE} as NTF (x); choose another layout, or wrap it"
    )
