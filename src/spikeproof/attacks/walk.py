"""A walk along the decision boundary: weak edits out, strong edits in, fewer each time.

An attack that selects by accumulated gradients ends near the boundary with edits that were worth
it on average. Here each edit is asked for its worth where the recording now stands. The gradient
names the weakest edits and the strongest cells that are not edited; each of these is tried alone,
all in one batch, so that its worth is measured and not estimated (finite differences). Then for
each number of edits that might be saved the combination that should stay furthest inside is tried,
and the cheapest that reaches the goal is the next place to stand; of equally cheap ones the
deepest, as from there more can be saved. Where nothing is found the next edits and cells in the
gradient's order are asked, with the surrogate whose turn it is. Sparse attacks refine likewise by
taking edits back (Lun et al., CVPR 2025) or coordinate by coordinate (Modas et al., CVPR 2019);
swapping several at once is what lets it pass local minima.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from spikeproof.attacks.sparse_flip import direction
from spikeproof.attacks.victim import Near, Victim
from spikeproof.engine import changed
from spikeproof.goals import Goal
from spikeproof.threats import Flip, Patch, Threat
from spikeproof.threats.base import counted, flipped
from spikeproof.types import Cells, Counts

_AT_ONCE = 256  # trials asked about together
_CELLS = 2**22  # of recordings whose neighbourhoods are known together
_SLACK = 0.05  # of the margin, by which predictions may miss the goal
_SAVED = (0, 1, 2, 3, 4, 6, 8, 12)  # edits that a combination saves
_SWAPPED = (1, 2, 4, 8)  # pairs that others, which save none, exchange


@dataclass(frozen=True)
class Walk:
    """``rounds`` at most; a recording leaves after ``patience`` rounds without another place.

    Each round tries ``singles`` weak edits and as many new cells alone, then combinations of them,
    of recordings ``at_once`` (fewer on large sensors; memory does not grow with their number).
    """

    rounds: int = 36
    patience: int = 3
    singles: int = 64
    at_once: int = 16

    def __call__(
        self,
        victim: Victim,
        clean: Cells,
        adv: Cells,
        goal: Goal,
        threat: Threat,
        enough: Counts | None = None,
    ) -> Cells:
        """``adv`` with fewer edits where some are found, the goal still reached.

        A recording leaves when its edits are ``enough`` ``[N]`` (None: one is). Recordings that do
        not reach the goal, and threats whose edits hang together (moves in time), are left as they
        are. Deterministic.
        """
        if not suits(threat) or not len(clean):
            return adv
        adv = adv.clone()
        enough = torch.ones(len(clean), dtype=torch.long) if enough is None else enough.clamp(min=1)
        most = max(1, min(self.at_once, _CELLS // clean[0].numel()))
        for part in torch.split(torch.arange(len(clean)), most):
            # Each part begins with the same surrogate, so that none depends on its batch.
            adv[part] = self._part(
                replace(victim), clean[part], adv[part], goal[part], threat, enough[part]
            )
        return adv

    def _part(
        self, victim: Victim, clean: Cells, adv: Cells, goal: Goal, threat: Threat, enough: Counts
    ) -> Cells:
        here, stale = adv.clone(), torch.zeros(len(clean), dtype=torch.long)
        margin = goal.margin(victim.logits(adv)).float()
        live = ((margin > 0) & (threat.cost(clean, adv) > enough)).nonzero().squeeze(1)
        for _ in range(self.rounds):
            if not len(live):
                break
            there, reach = self._step(
                victim, clean[live], here[live], margin[live], goal[live], threat, stale[live]
            )
            moved = (there != here[live]).flatten(1).any(1)
            stale[live] = torch.where(moved, 0, stale[live] + 1)
            here[live], margin[live] = there, reach
            more = threat.cost(clean[live], there) > enough[live]
            live = live[more & (stale[live] < self.patience)]
        return here

    def _step(
        self,
        victim: Victim,
        clean: Cells,
        adv: Cells,
        margin: Tensor,
        goal: Goal,
        threat: Threat,
        stale: Tensor,
    ) -> tuple[Cells, Tensor]:
        """The best place found from ``adv``, and its margin."""
        _, gradient = victim.gradient(adv, goal)
        worth = gradient * direction(clean)  # of each edit, at this place
        weak, isweak = self._weak(worth, adv != clean, stale)
        strong, isnew = self._strong(worth, clean, adv, threat, stale)
        cells, real = torch.cat([weak, strong], 1), torch.cat([isweak, isnew], 1)
        near = victim.around(adv)
        gain = _alone(near, clean, adv, cells, real, goal) - margin.unsqueeze(1)
        loses, lost = _ranked(weak, gain[:, : weak.shape[1]], isweak)
        adds, won = _ranked(strong, gain[:, weak.shape[1] :], isnew)
        outs, ins, usable = _combined(margin, lost, won)
        both = torch.cat([loses, adds], 1)
        now, turned = _values(clean, adv, both)
        places = torch.arange(loses.shape[1])
        found, reach = adv.clone(), margin.clone()
        best = torch.full((len(adv),), -torch.inf)
        for part in torch.split(usable.nonzero(), _AT_ONCE):
            who, which = part.unbind(1)
            out, new = outs[who, which], ins[who, which]
            swapped = torch.cat([places < out.unsqueeze(1), places < new.unsqueeze(1)], 1)
            values = torch.where(swapped, turned[who], now[who])
            depth = goal[who].margin(near(who, both[who], values)).float()
            saved = out - new
            better = (depth > 0) & ((saved > 0) | (depth > margin[who]))
            value = saved + 0.5 * torch.sigmoid(depth)
            for place in value.argsort(descending=True, stable=True).tolist():
                mine = who[place]
                if not better[place] or value[place] <= best[mine]:
                    continue
                trial = changed(
                    adv[mine].view(1, -1), both[mine].unsqueeze(0), values[place].unsqueeze(0)
                )
                trial = trial.view_as(adv[mine])
                if threat.check(clean[mine].unsqueeze(0), trial.unsqueeze(0)).ok:
                    best[mine], found[mine], reach[mine] = value[place], trial, depth[place]
        return found, reach

    def _weak(self, worth: Tensor, edited: Tensor, stale: Tensor) -> tuple[Tensor, Tensor]:
        """Cells ``[N, S]`` of the weakest edits and whether they are real, further on if stale."""
        order = worth.masked_fill(~edited, torch.inf).flatten(1)
        count, slots = counted(edited).unsqueeze(1), self._slots(order)
        most = max(int(count.max()), len(slots))
        order = order.topk(most, dim=1, largest=False).indices
        further = (stale.unsqueeze(1) * len(slots) + slots) % count.clamp(min=1)
        place = torch.where(slots < count, further, slots)  # no cell twice
        return order.gather(1, place), slots < count

    def _strong(
        self, worth: Tensor, clean: Cells, adv: Cells, threat: Threat, stale: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The same of the strongest cells that are not edited and may be."""
        slots = self._slots(worth.flatten(1))
        most = (stale + 1) * len(slots)
        fresh = threat.select(clean, worth.masked_fill(adv != clean, -torch.inf), most)
        wish = worth.masked_fill(fresh == clean, -torch.inf).flatten(1)
        wish, order = wish.topk(min(int(most.max()), wish.shape[1]), dim=1)
        place = stale.unsqueeze(1) * len(slots) + slots
        real, place = place < order.shape[1], place % order.shape[1]
        return order.gather(1, place), real & torch.isfinite(wish.gather(1, place))

    def _slots(self, cells: Tensor) -> Tensor:
        """Places ``[S]`` for what is tried alone, of ``cells`` ``[N, D]``."""
        return torch.arange(min(self.singles, cells.shape[1]))


def _alone(near: Near, clean: Cells, adv: Cells, cells: Tensor, real: Tensor, goal: Goal) -> Tensor:
    """Margin ``[N, S]`` after each of ``cells`` ``[N, S]`` is turned over by itself."""
    margins = torch.full(real.shape, -torch.inf)
    _, turned = _values(clean, adv, cells)
    for part in torch.split(real.nonzero(), _AT_ONCE):
        who, which = part.unbind(1)
        one, value = cells[who, which].unsqueeze(1), turned[who, which].unsqueeze(1)
        margins[who, which] = goal[who].margin(near(who, one, value)).float()
    return margins


def _combined(margin: Tensor, lost: Tensor, won: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Combinations ``[N, C]``: how many of the first losses and additions, and whether to try it.

    ``lost`` and ``won`` ``[N, S]`` are changes of the margin, best first; they are taken to add up.
    """
    spent, earned = (F.pad(change.cumsum(1), (1, 0)) for change in (lost, won))  # [N, S + 1]
    outs, ins, promised = [], [], []
    for saved in _SAVED:
        most = spent.shape[1] - saved
        if most < 1:
            break
        change = spent[:, saved:] + earned[:, :most]  # place i: i additions, i + saved losses
        top, pick = change[:, 0 if saved else 1 :].max(1)
        ins.append(pick if saved else pick + 1)
        outs.append(ins[-1] + saved)
        promised.append(top > (-margin - _SLACK * margin if saved else 0))
    for swapped in _SWAPPED:
        if swapped < spent.shape[1]:
            ins.append(torch.full_like(ins[0], swapped))
            outs.append(ins[-1])
            promised.append(torch.isfinite(spent[:, swapped] + earned[:, swapped]))
    place = torch.stack(outs, 1) * spent.shape[1] + torch.stack(ins, 1)
    again = (place.unsqueeze(2) == place.unsqueeze(1)).tril(-1).any(2)
    return torch.stack(outs, 1), torch.stack(ins, 1), torch.stack(promised, 1) & ~again


def suits(threat: Threat) -> bool:
    """Whether edits of the threat stand alone, cell by cell."""
    return isinstance(threat, Flip) or (isinstance(threat, Patch) and threat.place is not None)


def _ranked(cells: Tensor, gain: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Cells by measured gain, best first; what is not real comes last and is worth nothing."""
    gain = gain.masked_fill(~real, -torch.inf)
    order = gain.argsort(dim=1, descending=True)
    return cells.gather(1, order), gain.gather(1, order)


def _values(clean: Cells, adv: Cells, cells: Tensor) -> tuple[Tensor, Tensor]:
    """Values of ``cells`` ``[N, S]``, and those after they are edited or put back."""
    now, before = adv.flatten(1).gather(1, cells), clean.flatten(1).gather(1, cells)
    return now, torch.where(now == before, flipped(before), before)
