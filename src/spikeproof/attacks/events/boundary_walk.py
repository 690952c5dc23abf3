"""A walk along the decision boundary: weak edits out, strong edits in, fewer each time.

An attack that selects by accumulated gradients ends near the boundary with edits that were worth
it on average. Here each edit is asked for its worth where the recording now stands. The gradient
names the weakest edits and the strongest that are not made; each of these is tried alone,
all in one batch, so that its worth is measured and not estimated (finite differences). Then for
each number of edits that might be saved the combination that should stay furthest inside is tried,
and the cheapest that reaches the goal is the next place to stand; of equally cheap ones the
deepest, as from there more can be saved. Where nothing is found the next ones in the
gradient's order are asked, with the surrogate whose turn it is. Sparse attacks refine likewise by
taking edits back (Lun et al., CVPR 2025) or coordinate by coordinate (Modas et al., CVPR 2019);
swapping several at once is what lets it pass local minima.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from spikeproof.attacks.events.edits import direction, edits, separable
from spikeproof.attacks.victim import Near, Victim
from spikeproof.engine import changed
from spikeproof.goals import Goal
from spikeproof.threats import Threat
from spikeproof.threats.base import flipped
from spikeproof.types import Cells, Counts

_AT_ONCE = 256  # trials asked about together
_CELLS = 2**22  # of recordings whose neighbourhoods are known together
_SLACK = 0.05  # of the margin, by which predictions may miss the goal
_SAVED = (0, 1, 2, 3, 4, 6, 8, 12)  # edits that a combination saves
_SWAPPED = (1, 2, 4, 8)  # pairs that others, which save none, exchange


@dataclass(frozen=True)
class BoundaryWalk:
    """``rounds`` at most; a recording leaves after ``patience`` rounds without another place.

    Each round tries ``singles`` weak edits and as many new cells alone, then combinations of them,
    of recordings ``at_once`` (fewer on large sensors; memory does not grow with their number).
    """

    rounds: int = 36
    patience: int = 3
    singles: int = 64
    at_once: int = 64

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
        not reach the goal, and threats whose edits cannot be told apart, are left as they are.
        Deterministic.
        """
        if not separable(threat) or not len(clean):
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
        weak, isweak = self._weak(worth, clean, adv, threat, stale)
        strong, isnew = self._strong(worth, clean, adv, threat, stale)
        near = victim.around(adv)
        loses, lost = _measured(near, clean, adv, weak, isweak, goal, margin)
        adds, won = _measured(near, clean, adv, strong, isnew, goal, margin)
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
            values = torch.where(swapped.unsqueeze(2), turned[who], now[who]).flatten(1)
            cells = both[who].flatten(1)
            depth = goal[who].margin(near(who, cells, values)).float()
            saved = out - new
            better = (depth > 0) & ((saved > 0) | (depth > margin[who]))
            value = saved + 0.5 * torch.sigmoid(depth)
            for place in value.argsort(descending=True, stable=True).tolist():
                mine = who[place]
                if not better[place] or value[place] <= best[mine]:
                    continue
                trial = changed(
                    adv[mine].view(1, -1), cells[place].unsqueeze(0), values[place].unsqueeze(0)
                )
                trial = trial.view_as(adv[mine])
                if threat.check(clean[mine].unsqueeze(0), trial.unsqueeze(0)).ok:
                    best[mine], found[mine], reach[mine] = value[place], trial, depth[place]
        return found, reach

    def _weak(
        self, worth: Tensor, clean: Cells, adv: Cells, threat: Threat, stale: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Cells ``[N, S, E]`` of the weakest edits, further on if ``stale``, and flags: real."""
        made = edits(threat, clean, adv, worth, weakest=True)
        return made.some(stale * self.singles, self.singles, around=True)

    def _strong(
        self, worth: Tensor, clean: Cells, adv: Cells, threat: Threat, stale: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The same of the strongest edits that are not made and may be."""
        wish = worth.masked_fill(adv != clean, -torch.inf)
        fresh = threat.select(clean, wish, (stale + 1) * self.singles)
        offered = edits(threat, clean, fresh, worth, weakest=False)
        return offered.some(stale * self.singles, self.singles)


def _measured(
    near: Near, clean: Cells, adv: Cells, cells: Tensor, real: Tensor, goal: Goal, margin: Tensor
) -> tuple[Tensor, Tensor]:
    """Edits ``cells`` ``[N, S, E]`` by what each alone does to the ``margin``, best first.

    What is not ``real`` ``[N, S]`` comes last and is worth nothing.
    """
    gain = torch.full(real.shape, -torch.inf)
    _, turned = _values(clean, adv, cells)
    for part in torch.split(real.nonzero(), _AT_ONCE):
        who, which = part.unbind(1)
        depth = goal[who].margin(near(who, cells[who, which], turned[who, which]))
        gain[who, which] = depth.float() - margin[who]
    order = gain.argsort(dim=1, descending=True)
    return cells.gather(1, order.unsqueeze(2).expand_as(cells)), gain.gather(1, order)


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


def _values(clean: Cells, adv: Cells, cells: Tensor) -> tuple[Tensor, Tensor]:
    """Values of ``cells`` ``[N, S, E]``, and those after they are edited or put back."""
    now, before = (x.flatten(1).gather(1, cells.flatten(1)) for x in (adv, clean))
    turned = torch.where(now == before, flipped(before), before)
    return now.view_as(cells), turned.view_as(cells)
