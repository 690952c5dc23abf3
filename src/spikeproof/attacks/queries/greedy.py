"""Score-based greedy search: only the logits are used.

The search starts from a heavy edit that fools the model
(:mod:`spikeproof.attacks.queries.starts`) and makes it cheaper: groups of edits are put back and
groups of new cells are edited, each alone first, so that what it does to the margin is *measured*;
then combinations that put back more than they edit. Groups are large at first and become smaller
where nothing large can be put back: a hierarchical halving that stops where the effects are. What
was measured is kept per cell and decides what is tried next. Where no start fools the model the
same rounds climb the margin, from the start with the largest.

That a step is kept only if the score says so, for many coordinates at a time, is the idea of SimBA
(Guo et al., ICML 2019) and of the square attack (Andriushchenko et al., ECCV 2020); going from the
far side towards the clean recording is that of decision-based attacks (Brendel et al., ICLR 2018).
Groups of sparse cells, measured alone and turned together, are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor

from spikeproof.attacks.queries.groups import Draw
from spikeproof.attacks.queries.rounds import Round
from spikeproof.attacks.queries.standing import Standing
from spikeproof.attacks.queries.starts import edited, starts, unlimited
from spikeproof.attacks.victim import Victim
from spikeproof.attacks.walk import suits
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal
from spikeproof.threats import Threat, Universal
from spikeproof.types import Cells

_RACE_ROUNDS = 2


@dataclass(frozen=True, eq=False)
class Greedy:
    """At most ``queries`` forward passes of each recording.

    In minimum mode all of them are spent on fewer edits, in budget mode a recording leaves when
    it is fooled within the threat's budget. The best ``race`` starts are tried for two rounds
    before one is chosen. ``others`` ``[M, T, P, H, W]`` are recordings to start from as well.
    """

    mode: Literal["minimum", "budget"] = "minimum"
    queries: int = 2000
    outs: int = 16
    ins: int = 16
    race: int = 3
    others: Cells | None = None

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial recordings for ``x``; where none was found, the best-known edits allowed.

        Raises :class:`InvalidThreat` for universal threats.
        """
        if isinstance(threat, Universal):
            raise InvalidThreat("greedy works recording by recording; use FitUniversal")
        limit, adv = threat.limit(x), x.clone()
        live = (~victim.reached(x, goal)).nonzero().squeeze(1)
        if not len(live):
            return adv
        free = unlimited(threat)
        here, spent = self._begin(victim, x[live], goal[live], free, rng)
        spent += 1
        ins = self.ins if suits(threat) else 0  # edits that hang together are only put back
        step = Round(self.outs, ins)
        allowed = (edited(free, x[live], torch.ones_like(x[live]) > 0) != x[live]).flatten(1)
        turn = 0
        while spent + step.queries <= self.queries:
            fits = (here.margin > 0) & (here.cost <= (limit[live] if self.mode == "budget" else 1))
            left = (~fits).nonzero().squeeze(1)
            if not len(left):
                break
            draw = Draw.of(x, turn, rng)
            moved = step(victim, here[left], goal[live[left]], free, allowed[left], draw)
            here.put(left, moved)
            spent, turn = spent + step.queries, turn + 1
        adv[live] = _within(here, threat, free, limit[live])
        return adv

    def _begin(
        self, victim: Victim, clean: Cells, goal: Goal, threat: Threat, rng: Generator
    ) -> tuple[Standing, int]:
        """The best start of each recording, and the queries that it took to know."""
        n = len(clean)
        kept: list[Standing] = []
        value = torch.empty(n, 0)
        spent = 0
        for adv in starts(clean, threat, rng, self.others):
            margin = goal.margin(victim.logits(adv)).float()
            cost = threat.cost(clean, adv).float()
            # Edits per margin: what lies deep inside is cheap soon, though it has many edits.
            worth = torch.where(margin > 0, cost / margin.clamp(min=1e-6), 1e12 - margin)
            kept.append(Standing.at(clean, adv, margin, cost))
            value = torch.cat([value, worth.unsqueeze(1)], 1)
            spent += 1
            kept, value = _first(kept, value, self.race)
        race = Round(self.outs, 0)
        rounds = _RACE_ROUNDS if len(kept) > 1 else 0
        if spent + 1 + len(kept) * rounds * race.queries > self.queries // 2:
            return kept[0], spent
        everything = torch.ones(n, clean[0].numel()) > 0
        for turn in range(rounds):
            draw = Draw.of(clean, turn, rng)
            kept = [race(victim, here, goal, threat, everything, draw) for here in kept]
            spent += len(kept) * race.queries
        value = torch.stack([torch.where(k.margin > 0, k.cost, 1e12 - k.margin) for k in kept], 1)
        return _first(kept, value, 1)[0][0], spent


def _first(kept: list[Standing], value: Tensor, most: int) -> tuple[list[Standing], Tensor]:
    """Per recording the ``most`` places of lowest ``value`` ``[N, len(kept)]``, in order."""
    order = value.argsort(dim=1, stable=True)[:, :most]
    sorted_ = []
    for place in order.unbind(1):
        picked = kept[0][torch.arange(len(place))]
        for k, here in enumerate(kept):
            chosen = (place == k).nonzero().squeeze(1)
            picked.put(chosen, here[chosen])
        sorted_.append(picked)
    return sorted_, value.gather(1, order)


def _within(here: Standing, threat: Threat, free: Threat, limit: Tensor) -> Cells:
    """The recordings as they stand, cut to the most worthy edits where the budget is smaller."""
    adv = here.adv(free)
    over = (here.cost > limit).nonzero().squeeze(1)
    if len(over):
        clean = here.clean[over]
        wish = (here.worth[over] - here.worth[over].amin(1, keepdim=True) + 1e-6).view_as(clean)
        wish = wish.masked_fill(~here.edits[over].view_as(clean), -torch.inf)
        adv[over] = threat.select(clean, wish, limit[over])
    return adv
