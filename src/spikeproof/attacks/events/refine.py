"""Making a successful adversarial recording cheaper, by asking the model.

:func:`prune` takes edits back: the contribution of each edit is estimated by the gradient at the
adversarial recording, and how many of the weakest can be taken back while the goal stays reached is
asked by halving, all samples at once. :func:`exhaust` finishes cheap results: every promising
single edit, then every promising pair, is tried.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spikeproof.attacks.events.edits import direction, wanted
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Goal
from spikeproof.threats import Threat
from spikeproof.threats.base import counted, flipped
from spikeproof.types import Cells, Counts, Gain

SMALL = 4  # results of at most so many edits are worth an exhaustive second look
SINGLES = 256  # edits tried alone
PAIRED = 24  # edits tried in pairs
_AT_ONCE = 256  # tries held in memory together
_HALVINGS = 4  # of a round of pruning: more find little that the next round does not
_LATER = 4  # one of so many edits may be taken back after the first round


def prune(
    victim: Victim,
    clean: Cells,
    adv: Cells,
    goal: Goal,
    threat: Threat,
    rounds: int = 2,
    guide: Victim | None = None,
) -> Cells:
    """``adv`` with as many edits taken back as few halvings find, the goal still reached.

    The gradients that order the edits are those of ``guide``, if it is another model; they are
    taken anew for every round.

    Under threats whose edits hang together (moves in time) a result that the threat's check
    refuses is dropped, so ``adv`` never gets worse.
    """
    adv, live = adv.clone(), torch.arange(len(adv))
    for turn in range(rounds):
        if not len(live):
            break
        here = adv[live]
        _, gradient = (victim if guide is None else guide).gradient(here, goal[live])
        best, saved = _halved(victim, clean[live], here, gradient, goal[live], threat, turn)
        adv[live], live = best, live[saved > 0]
    return adv


def _halved(
    victim: Victim, clean: Cells, adv: Cells, gradient: Gain, goal: Goal, threat: Threat, turn: int
) -> tuple[Cells, Counts]:
    """``adv`` with its weakest edits taken back, and how many."""
    changed = adv != clean
    keeps = torch.where(changed, gradient * (adv - clean), torch.inf).flatten(1)
    edits = counted(changed)
    weakest = keeps.argsort(1)[:, : int(edits.max())]
    low, best = torch.zeros_like(edits), adv.clone()  # low can be taken back, high is not tried
    high = edits if turn == 0 else torch.minimum(edits, edits // _LATER + 2)
    for _ in range(_HALVINGS):
        left = (high - low > 1).nonzero().squeeze(1)
        if not len(left):
            break
        middle = (low + high)[left] // 2
        trial = _take_back(clean[left], adv[left], weakest[left], middle)
        works = victim.reached(trial, goal[left]) & threat.check(clean[left], trial).ok
        best[left[works]] = trial[works]
        low[left[works]] = middle[works]
        high[left[~works]] = middle[~works]
    return best, low


def _take_back(clean: Cells, adv: Cells, weakest: Tensor, count: Tensor) -> Cells:
    undone = torch.arange(weakest.shape[1]) < count.unsqueeze(1)
    where = torch.zeros(adv.shape, dtype=torch.bool).flatten(1).scatter_(1, weakest, undone)
    return torch.where(where.view_as(adv), clean, adv)


def exhaust(victim: Victim, clean: Cells, adv: Cells, goal: Goal, threat: Threat) -> Cells:
    """:func:`exhaust_small`, the most wanted edits by the gradient at the ``clean`` recordings.

    Results that do not reach the goal must have no edits.
    """
    adv, cost = adv.clone(), threat.cost(clean, adv)
    small = ((cost > 1) & (cost <= SMALL)).nonzero().squeeze(1)
    if len(small):
        _, gradient = victim.gradient(clean[small], goal[small])
        wish = gradient * direction(clean[small])
        adv[small] = exhaust_small(victim, clean[small], adv[small], goal[small], threat, wish)
    return adv


def exhaust_small(
    victim: Victim, clean: Cells, adv: Cells, goal: Goal, threat: Threat, wish: Gain
) -> Cells:
    """Try all single edits and pairs of edits among the most wanted, where ``adv`` is small.

    Edits that the threat's check refuses count as misses, so do those that fill up a short list of
    moves. The threat's edits must be separable.
    """
    adv = adv.clone()
    cost = threat.cost(clean, adv)
    small = ((cost > 1) & (cost <= SMALL)).nonzero().squeeze(1)
    if not len(small):
        return adv
    singles = wanted(threat, clean[small], wish[small], SINGLES).cells  # [S, M, E]
    margins = _margins(victim, clean[small], goal[small], singles, threat)
    _keep_best(adv, clean, small, singles, margins)
    rest = (margins.amax(1) <= 0) & (cost[small] > 2)
    if bool(rest.any()):
        best = margins[rest].argsort(dim=1, descending=True)[:, :PAIRED, None]
        strong = singles[rest].gather(1, best.expand(-1, -1, singles.shape[2]))
        pairs = torch.combinations(torch.arange(strong.shape[1]), 2)  # [Q, 2]
        edits = strong[:, pairs].flatten(2)  # [R, Q, 2 * E]
        margins = _margins(victim, clean[small[rest]], goal[small[rest]], edits, threat)
        _keep_best(adv, clean, small[rest], edits, margins)
    return adv


def _margins(victim: Victim, clean: Cells, goal: Goal, edits: Tensor, threat: Threat) -> Tensor:
    """Margin ``[S, M]`` of each sample after each set of ``edits`` ``[S, M, E]`` (flat cells)."""
    samples, tries = edits.shape[:2]
    who = torch.arange(samples).repeat_interleave(tries)
    margins = torch.full((len(who),), -torch.inf)
    for part in torch.split(torch.arange(len(who)), _AT_ONCE):
        before, cells = clean[who[part]], edits.flatten(0, 1)[part]
        allowed = threat.check(before, _edit(before, cells)).ok
        part, cells = part[allowed], cells[allowed]
        if len(part):
            values = flipped(before[allowed].flatten(1).gather(1, cells))
            first, last = int(who[part[0]]), int(who[part[-1]])  # one or two are known at once
            near = victim.around(clean[first : last + 1])
            logits = near(who[part] - first, cells, values)
            margins[part] = goal[who[part]].margin(logits).to(margins)
    return margins.view(samples, tries)


def _keep_best(adv: Cells, clean: Cells, who: Tensor, edits: Tensor, margins: Tensor) -> None:
    value, place = margins.max(1)
    hit = value > 0
    chosen = edits[torch.arange(len(edits)), place]
    adv[who[hit]] = _edit(clean[who[hit]], chosen[hit])


def _edit(clean: Cells, cells: Tensor) -> Cells:
    """Each sample with its ``cells`` ``[N, E]`` edited."""
    flat = clean.flatten(1)
    return flat.scatter(1, cells, flipped(flat.gather(1, cells))).view_as(clean)
