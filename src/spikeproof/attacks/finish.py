"""Attacks that search on one model and are judged on another.

A faster copy of the model, or the same model with other random draws, sits on the decision
boundary a little differently, and attacks that make few edits end close to it. Where the search
believes itself done and the judge is not fooled, the attack is run again with a margin that covers
the difference.
"""

from __future__ import annotations

import torch
from torch import Generator

from spikeproof.adapters.averaged import Averaged
from spikeproof.attacks.base import Attack
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Firm, Goal
from spikeproof.threats import Threat
from spikeproof.types import Cells, Logits, Model

TRIES = 3


def finished(
    attack: Attack,
    victim: Victim,
    judge: Model,
    x: Cells,
    goal: Goal,
    threat: Threat,
    *,
    rng: Generator,
) -> Cells:
    """What ``attack`` finds on ``victim``, repaired where it does not hold on ``judge``."""
    adv = attack(victim, x, goal, threat, rng=rng)
    if victim.model is judge and not isinstance(judge, Averaged):  # whose noise is the judge's own
        return adv
    spare = torch.zeros(len(x))
    for _ in range(TRIES):
        searched, judged = victim.logits(adv), _verdict(judge, adv, victim)
        missed = goal.reached(searched) & ~goal.reached(judged)
        left = missed.nonzero().squeeze(1)
        if not len(left):
            break
        gap = (goal.margin(searched) - goal.margin(judged))[left].float()
        spare[left] = torch.maximum(2 * spare[left], 1.5 * gap)
        firm = Firm(goal[left], spare[left])
        adv[left] = attack(victim, x[left], firm, threat, rng=rng)
    return adv


def _verdict(judge: Model, adv: Cells, victim: Victim) -> Logits:
    """Logits ``[N, K]`` of the judge, called plainly; counted as the victim's queries."""
    with torch.no_grad():
        logits = torch.cat([judge(part) for part in torch.split(adv, victim.chunk)])
    victim.queries.forwards += len(adv) * (judge.draws if isinstance(judge, Averaged) else 1)
    return logits
