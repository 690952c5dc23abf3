r"""The sparse dynamic attack: flips in growing handfuls, each tried before it is kept.

Lun et al., CVPR 2025 (arXiv 2503.03272), for binary recordings. In round :math:`n = 0, 1, \dots`

1. of the cells not flipped yet, those whose flip should lower the loss
   :math:`\max(0, z_y - \max_{j \ne y} z_j)` by its gradient are candidates; all others follow in
   random order;
2. each of the best :math:`k = 10\,(n + 1)` is flipped alone, in a forward pass of its own, and the
   change of the loss is its finite difference;
3. all with a difference of 0 or less are flipped together, the others may come again;

until the model errs, for 500 rounds at most. Then flips are taken back: in the order of their
absolute differences, smallest first, as many as bisection finds while the model still errs. The
paper pairs this with its potential-dependent surrogate, which is the default here too.

Decided here: the loss is what the margin of any goal lacks. Recordings grow side by side and their
trials share batches, and each gets the very trials that it would get alone. A budget does not hold
the search back, as in the paper; if too many flips are left in the end, those with the largest
differences are made. An occupied cell of a count grid is emptied.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from spikeproof.attacks.peers.single_cell import cell_by_cell, turned, worth
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal
from spikeproof.models.surrogate import PotentialDependent, Surrogate
from spikeproof.threats import Threat
from spikeproof.threats.base import counted
from spikeproof.types import Cells, Gain, PerSample

_PAIRED = PotentialDependent()
_AT_ONCE = 256  # trials held in memory together
_LEAST = 1e-20  # above zero: what stays wanted however little it is worth
_STEP = 0.618  # of the random order, by which it goes on from round to round


@dataclass(frozen=True)
class SparseDynamic:
    """``first`` more flips are tried in every round, ``rounds`` at most.

    ``surrogate`` is the gradient of a spike; None takes the victim's.
    """

    first: int = 10
    rounds: int = 500
    surrogate: Surrogate | None = _PAIRED

    def __post_init__(self) -> None:
        if self.first < 1:
            raise InvalidThreat(f"the sparse dynamic attack tries 1 flip or more, not {self.first}")

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial recordings for ``x``, the clean one where all rounds failed.

        ``rng`` orders the cells that the gradient does not. Raises :class:`InvalidThreat` for a
        threat whose edits do not stand alone.
        """
        free = cell_by_cell(threat, "the sparse dynamic attack")
        if self.surrogate is not None:
            victim = replace(victim, surrogate=self.surrogate)
        order = torch.rand(x.shape[1:], generator=rng)  # the same for all: no recording needs two
        adv, reached = x.clone(), torch.zeros(len(x), dtype=torch.bool)
        lowered = torch.full_like(x, -torch.inf)  # the loss, by every flip that is kept
        logits = victim.logits(x)
        loss = _loss(goal, logits)
        live = (~goal.reached(logits) & (threat.limit(x) > 0)).nonzero().squeeze(1)
        for n in range(self.rounds):
            if not len(live):
                break
            clean, now, aim = x[live], adv[live], goal[live]
            wish = _wishes(victim, clean, now, aim, (order + n * _STEP) % 1)
            more = counted(now != clean) + self.first * (n + 1)
            fresh = free.select(clean, wish, more) != now
            change = _alone(victim, clean, now, loss[live], aim, fresh)
            kept = fresh & (change >= 0)
            lowered[live] = torch.where(kept, change + _LEAST, lowered[live])
            adv[live] = turned(clean, now, kept)
            logits = victim.logits(adv[live])
            loss[live], reached[live] = _loss(aim, logits), aim.reached(logits)
            live = live[~reached[live] & fresh.flatten(1).any(1)]
        done = reached.nonzero().squeeze(1)
        adv[~reached] = x[~reached]
        if len(done):
            left = _reduced(victim, x[done], adv[done], goal[done], lowered[done])
            adv[done] = threat.select(x[done], left)
        return adv


def _loss(goal: Goal, logits: Tensor) -> PerSample:
    return (-goal.margin(logits)).clamp(min=0).float()


def _wishes(victim: Victim, clean: Cells, now: Cells, goal: Goal, order: Tensor) -> Gain:
    """What is flipped most of all, then what helps by its gradient, then the rest in ``order``."""
    _, gradient = victim.gradient(now, goal)
    helps = worth(clean, now, gradient).clamp(min=0).masked_fill(now != clean, 0)
    top = helps.flatten(1).amax(1).clamp(min=1e-30).view(-1, 1, 1, 1, 1)
    helps = (helps / top).clamp(min=0)
    weakest = helps.masked_fill(helps == 0, 1.0).flatten(1).amin(1).view(-1, 1, 1, 1, 1)
    rest = (order * weakest).clamp(min=1e-37)
    return torch.where(now != clean, 2.0, torch.where(helps > 0, helps, rest))


def _alone(
    victim: Victim, clean: Cells, now: Cells, loss: PerSample, goal: Goal, fresh: Tensor
) -> Tensor:
    """By how much the loss falls when each of the ``fresh`` cells is flipped by itself."""
    who, cell = fresh.flatten(1).nonzero(as_tuple=True)
    other = turned(clean, now, torch.ones_like(fresh)).flatten(1)[who, cell]
    change = torch.full_like(clean, -torch.inf).flatten(1)
    for part in torch.split(torch.arange(len(who)), _AT_ONCE):
        mine = who[part]
        trial = now[mine].flatten(1)
        trial[torch.arange(len(part)), cell[part]] = other[part]
        after = _loss(goal[mine], victim.logits(trial.view(-1, *now.shape[1:])))
        change[mine, cell[part]] = (loss[mine] - after).to(change)
    return change.view_as(clean)


def _reduced(victim: Victim, clean: Cells, adv: Cells, goal: Goal, lowered: Gain) -> Gain:
    """``lowered`` without the flips that can be taken back, as bisection finds them."""
    flips = counted(adv != clean)
    weak = lowered.masked_fill(adv == clean, torch.inf).flatten(1)
    weak = weak.argsort(dim=1, stable=True)[:, : int(flips.max())]  # equal ones by their place
    low, high = torch.zeros_like(flips), flips - 1
    left = lowered
    while bool((open_ := low <= high).any()):
        middle = (low + high) // 2
        first = torch.arange(weak.shape[1]) <= middle.unsqueeze(1)
        back = torch.zeros_like(adv, dtype=torch.bool).flatten(1).scatter_(1, weak, first)
        back = back.view_as(adv)
        works = open_ & victim.reached(torch.where(back, clean, adv), goal)
        fewer = lowered.masked_fill(back, -torch.inf)
        left = torch.where(works.view(-1, 1, 1, 1, 1), fewer, left)
        low = torch.where(works, middle + 1, low)
        high = torch.where(open_ & ~works, middle - 1, high)
    return left
