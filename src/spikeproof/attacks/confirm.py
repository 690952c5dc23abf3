"""Attacks that search on one model and are judged on another.

A faster copy of the model, or the same model with other random draws, sits on the decision
boundary a little differently, and attacks that make few edits end close to it. Where the search
believes itself done and the judge is not fooled, the attack is run again with a margin that covers
the difference. The engine counts as a copy; what is left after it is searched on the judge itself.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Generator

from spikeproof.adapters.eot import ExpectationOverTransformation
from spikeproof.attacks.base import Attack
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Goal, WithConfidence
from spikeproof.threats import Threat
from spikeproof.types import Cells, Logits, Model

TRIES = 3


def confirmed(
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
    random = isinstance(judge, ExpectationOverTransformation)  # its noise is the judge's own
    if victim.model is judge and victim.exact and not random:
        return adv
    spare = torch.zeros(len(x))
    for turn in range(TRIES):
        searched, judged = victim.logits(adv), _verdict(judge, adv, victim)
        missed = goal.reached(searched) & ~goal.reached(judged)
        left = missed.nonzero().squeeze(1)
        if not len(left):
            break
        if turn == TRIES - 1 and not victim.exact:
            plain = replace(victim, model=judge, fast=False)
            adv[left] = attack(plain, x[left], goal[left], threat, rng=rng)
            break
        gap = (goal.margin(searched) - goal.margin(judged))[left].float()
        spare[left] = torch.maximum(2 * spare[left], 1.5 * gap)
        firm = WithConfidence(goal[left], spare[left])
        adv[left] = attack(victim, x[left], firm, threat, rng=rng)
    return adv


def _verdict(judge: Model, adv: Cells, victim: Victim) -> Logits:
    """Logits ``[N, K]`` of the judge, called plainly; counted as the victim's queries."""
    with torch.no_grad():
        logits = torch.cat([judge(part) for part in torch.split(adv, victim.chunk)])
    victim.queries.forwards += len(adv) * (
        judge.draws if isinstance(judge, ExpectationOverTransformation) else 1
    )
    return logits
