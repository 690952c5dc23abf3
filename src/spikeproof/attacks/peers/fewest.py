"""How many of the wanted edits it takes.

Attacks that optimise a continuous variable end with a ranking of edits, and their papers cut it by
a threshold or a fixed budget. Here the threat makes the edits, most wanted first, and the smallest
number that still reaches the goal is found by bisection, so that peers are not charged for edits
that they do not need.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal
from spikeproof.threats import Threat, Universal
from spikeproof.types import Cells, Counts, Gain


def fewest(
    victim: Victim, adv: Cells, goal: Goal, cost: Counts, edited: Callable[[Counts], Cells]
) -> Cells:
    """``adv``, which reaches the goal at the ``cost``, or a smaller number ``edited`` like it."""
    adv, low, high = adv.clone(), torch.zeros_like(cost), cost.clone()
    while bool((high - low > 1).any()):
        middle = (low + high) // 2
        trial = edited(middle)
        works = victim.reached(trial, goal) & (middle > low)
        adv[works] = trial[works]
        high = torch.where(works, middle, high)
        low = torch.where(works, low, torch.minimum(middle, high - 1).clamp(min=0))
    return adv


def trimmed(
    victim: Victim, x: Cells, goal: Goal, threat: Threat, gain: Gain, fooled: torch.Tensor
) -> Cells:
    """``x`` with the edits of positive ``gain``, where ``fooled`` as few of them as suffice."""
    adv = threat.select(x, gain)
    done = fooled.nonzero().squeeze(1)
    if len(done):
        clean, wish = x[done], gain[done]
        cost = threat.cost(clean, adv[done]).long()
        adv[done] = fewest(
            victim, adv[done], goal[done], cost, lambda count: threat.select(clean, wish, count)
        )
    return adv


def per_recording(threat: Threat, who: str) -> None:
    """Raise :class:`InvalidThreat` for a threat whose edits are not those of one recording."""
    if isinstance(threat, Universal):
        raise InvalidThreat(f"the {who} attack works recording by recording; use FitUniversal")
