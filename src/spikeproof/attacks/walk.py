"""A walk along the decision boundary: weak edits out, strong edits in, fewer each time.

An attack that selects by accumulated gradients ends near the boundary with edits that were worth
it on average. Here each edit is asked for its worth where the recording now stands. The gradient
names the weakest edits and the strongest cells that are not edited; each of these is tried alone,
all in one batch, so that its worth is measured and not estimated (finite differences). Then
combinations that take out more than they put in are built from the measured worths, those that
should still reach the goal are tried in one batch, and the cheapest that does is the next place to
stand. Sparse attacks refine likewise by taking edits back (Lun et al., CVPR 2025) or coordinate by
coordinate (Modas et al., CVPR 2019); swapping several at once is what lets it pass local minima.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spikeproof.attacks.sparse_flip import direction
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Goal
from spikeproof.threats import Flip, Patch, Threat
from spikeproof.threats.base import counted, flipped
from spikeproof.types import Cells


@dataclass(frozen=True)
class Walk:
    """``rounds`` at most; a recording leaves after ``patience`` rounds without a cheaper place.

    Each round tries ``singles`` weak edits and as many new cells alone, and up to ``combinations``
    of them together, of recordings ``at_once`` (so memory does not grow with their number).
    """

    rounds: int = 24
    patience: int = 3
    singles: int = 16
    combinations: int = 16
    at_once: int = 16

    def __call__(
        self, victim: Victim, clean: Cells, adv: Cells, goal: Goal, threat: Threat
    ) -> Cells:
        """``adv`` with fewer edits where some are found, the goal still reached.

        Recordings that do not reach the goal, and threats whose edits hang together (moves in
        time), are left as they are. Deterministic.
        """
        if not suits(threat) or not len(clean):
            return adv
        adv = adv.clone()
        for part in torch.split(torch.arange(len(clean)), self.at_once):
            adv[part] = self._part(victim, clean[part], adv[part], goal[part], threat)
        return adv

    def _part(self, victim: Victim, clean: Cells, adv: Cells, goal: Goal, threat: Threat) -> Cells:
        best, stale = adv.clone(), torch.zeros(len(clean), dtype=torch.long)
        margin = goal.margin(victim.logits(adv))
        live = ((margin > 0) & (threat.cost(clean, adv) > 1)).nonzero().squeeze(1)
        here = adv.clone()  # where each stands: as cheap as its best, not always the same
        for _ in range(self.rounds):
            if not len(live):
                break
            moved, reach = self._step(
                victim, clean[live], here[live], margin[live], goal[live], threat
            )
            cheaper = threat.cost(clean[live], moved) < threat.cost(clean[live], best[live])
            here[live], margin[live] = moved, reach
            best[live[cheaper]] = moved[cheaper]
            stale[live] = torch.where(cheaper, 0, stale[live] + 1)
            more = (stale[live] < self.patience) & (threat.cost(clean[live], best[live]) > 1)
            live = live[more]
        return best

    def _step(
        self, victim: Victim, clean: Cells, adv: Cells, margin: Tensor, goal: Goal, threat: Threat
    ) -> tuple[Cells, Tensor]:
        """The cheapest place found from ``adv``, of equally cheap ones the one deepest inside."""
        _, gradient = victim.gradient(adv, goal)
        worth = gradient * direction(clean)  # of each edit, at this place
        edited = adv != clean
        out = worth.masked_fill(~edited, torch.inf).flatten(1)
        fewest = int(counted(edited).max())
        weak = out.topk(min(self.singles, fewest), dim=1, largest=False).indices
        fresh = threat.select(
            clean,
            worth.masked_fill(edited, -torch.inf),
            torch.full((len(clean),), self.singles),
        )
        strong = worth.masked_fill(fresh == clean, -torch.inf).flatten(1)
        strong = strong.topk(min(self.singles, strong.shape[1]), dim=1).indices
        isweak = edited.flatten(1).gather(1, weak)
        isnew = (fresh != clean).flatten(1).gather(1, strong)
        tried = torch.cat([weak, strong], 1)  # [N, S]
        real = torch.cat([isweak, isnew], 1)
        gain = self._alone(victim, clean, adv, tried, real, goal) - margin.unsqueeze(1)
        loses, lost = _ranked(weak, gain[:, : weak.shape[1]], isweak)
        adds, won = _ranked(strong, gain[:, weak.shape[1] :], isnew)
        return self._together(victim, clean, adv, margin, goal, threat, loses, lost, adds, won)

    @staticmethod
    def _alone(
        victim: Victim, clean: Cells, adv: Cells, cells: Tensor, real: Tensor, goal: Goal
    ) -> Tensor:
        """Margin ``[N, S]`` after each of ``cells`` ``[N, S]`` is turned over by itself."""
        who, which = real.nonzero(as_tuple=True)
        margins = torch.full(real.shape, -torch.inf)
        for part in torch.split(torch.arange(len(who)), 256):
            trial = _turned(clean[who[part]], adv[who[part]], cells[who[part], which[part], None])
            reach = goal[who[part]].margin(victim.logits(trial))
            margins[who[part], which[part]] = reach.float()
        return margins

    def _together(
        self,
        victim: Victim,
        clean: Cells,
        adv: Cells,
        margin: Tensor,
        goal: Goal,
        threat: Threat,
        loses: Tensor,
        lost: Tensor,
        adds: Tensor,
        won: Tensor,
    ) -> tuple[Cells, Tensor]:
        """The best of the combinations of first losses and first additions."""
        n_out = torch.arange(lost.shape[1] + 1)
        n_in = torch.arange(min(won.shape[1], lost.shape[1]) + 1)
        zero = torch.zeros(len(adv), 1)
        spent = torch.cat([zero, lost.cumsum(1)], 1)  # [N, O]
        earned = torch.cat([zero, won.cumsum(1)], 1)[:, : len(n_in)]  # [N, I]
        predicted = margin.view(-1, 1, 1) + spent.unsqueeze(2) + earned.unsqueeze(1)  # [N, O, I]
        saves = (n_out.view(-1, 1) - n_in).float()  # edits fewer
        # What saves most first, of equal ones what should stay furthest inside; a place as cheap
        # as this one is worth a look too, if it lies deeper inside.
        value = torch.where(
            (predicted > -0.05 * margin.view(-1, 1, 1).abs()) & (saves >= 0), saves, -torch.inf
        )
        value = value + torch.sigmoid(predicted) * 0.5
        value[:, 0, 0] = -torch.inf
        order = value.flatten(1).argsort(dim=1, descending=True)[:, : self.combinations]
        usable = torch.isfinite(value.flatten(1).gather(1, order))
        who, which = usable.nonzero(as_tuple=True)
        found, reach = adv.clone(), margin.clone()
        if not len(who):
            return found, reach
        pick = order[who, which]
        outs, ins = pick // len(n_in), pick % len(n_in)
        keys = torch.full((len(who),), -torch.inf)
        best = torch.full((len(adv),), -torch.inf)
        for part in torch.split(torch.arange(len(who)), 256):
            me = who[part]
            trial = adv[me]
            trial = _turned(clean[me], trial, loses[me], outs[part])
            trial = _turned(clean[me], trial, adds[me], ins[part])
            logits = victim.logits(trial)
            ok = (goal[me].margin(logits) > 0) & threat.check(clean[me], trial).ok
            depth = goal[me].margin(logits).float()
            saved = saves.flatten()[pick[part]]
            keys[part] = torch.where(ok, saved + 0.5 * torch.sigmoid(depth), -torch.inf)
            for j, i in enumerate(me.tolist()):
                if keys[part[j]] > best[i] and (saved[j] > 0 or depth[j] > margin[i]):
                    best[i], found[i], reach[i] = keys[part[j]], trial[j], depth[j]
        return found, reach


def suits(threat: Threat) -> bool:
    """Whether edits of the threat stand alone, cell by cell."""
    return isinstance(threat, Flip) or (isinstance(threat, Patch) and threat.place is not None)


def _ranked(cells: Tensor, gain: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Cells by measured gain, best first; what is not real comes last and is worth nothing."""
    gain = gain.masked_fill(~real, -torch.inf)
    order = gain.argsort(dim=1, descending=True)
    return cells.gather(1, order), gain.gather(1, order)


def _turned(clean: Cells, adv: Cells, cells: Tensor, count: Tensor | None = None) -> Cells:
    """``adv`` with the first ``count`` of its ``cells`` ``[N, S]`` turned: edited or put back."""
    flat = adv.flatten(1)
    now, before = flat.gather(1, cells), clean.flatten(1).gather(1, cells)
    turned = torch.where(now == before, flipped(before), before)
    if count is not None:
        turned = torch.where(torch.arange(cells.shape[1]) < count.unsqueeze(1), turned, now)
    return flat.scatter(1, cells, turned).view_as(adv)
