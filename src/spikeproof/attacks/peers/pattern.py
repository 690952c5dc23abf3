"""Drawing a pattern of events over a recording, and asking the model for its decision only.

The frame, corner and dash attacks (Marchisio et al., IJCNN 2021, "DVS-Attacks") add events in a
fixed geometry and look at nothing but the predicted class. What they share is here: the threat
they need, and the loop that draws one pattern after the other until the goal is reached.

Polarity is not told apart: a pixel that is on has events of both polarities in every time bin. A
pattern that the budget cannot pay for is drawn from the first bin on, as long as the budget lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import torch

from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal
from spikeproof.threats import Flip, Threat
from spikeproof.threats.base import counted
from spikeproof.types import Cells, Mask

EventPattern: TypeAlias = Callable[[Cells], Mask]
"""Cells ``[N, T, P, H, W]`` that shall hold an event, for clean recordings of that shape."""


def adding(threat: Threat, who: str) -> Flip:
    """The threat, which must allow to add events anywhere."""
    if not (isinstance(threat, Flip) and threat.add):
        raise InvalidThreat(f"the {who} attack only adds events; give it Flip(budget, add=True)")
    return threat


def draw(x: Cells, pattern: Mask, threat: Flip) -> Cells:
    """``x`` with the events of the pattern that it lacks, the earliest first."""
    missing = pattern & (x == 0)
    return threat.select(x, torch.where(missing, 1.0, -torch.inf).to(x))


def first_that_works(
    victim: Victim,
    x: Cells,
    goal: Goal,
    threat: Flip,
    patterns: Iterable[EventPattern],
    growing: bool = False,
) -> Cells:
    """Each recording with the first of the ``patterns`` that reaches the goal, or the last tried.

    Recordings whose goal is reached already stay as they are. If the patterns are ``growing``, a
    recording leaves before the first that its budget cannot pay for.
    """
    found = x.clone()
    live = (~victim.reached(x, goal)).nonzero().squeeze(1)
    for pattern in patterns:
        if growing and len(live):
            missing = pattern(x[live]) & (x[live] == 0)
            live = live[counted(missing) <= threat.limit(x[live])]
        if not len(live):
            break
        found[live] = draw(x[live], pattern(x[live]), threat)
        live = live[~victim.reached(found[live], goal[live])]
    return found
