"""Evolutionary search: a few sets of edits that are crossed and mutated.

At a fixed budget of k edits this is Sparse-RS (Croce et al., AAAI 2022): a share of the k edits,
which becomes smaller as queries are spent, is exchanged for others, and the result is kept if the
margin has grown. Other than there, several children of several parents are tried at once, children
may be crossed (the edits of one parent on one side of a random plane through time, polarity and
space, those of the other on the other side), and new cells are drawn near the edits of the parent
and near activity instead of anywhere.

For fewest edits the parents are heavy edits that fool the model, children lose a share of their
edits and get fewer new ones, and those survive that still fool it, the cheapest first; the share
follows success, as in the 1/5 rule of evolution strategies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor

from spikeproof.attacks.events.edits import lone
from spikeproof.attacks.queries.groups import Draw, nearness
from spikeproof.attacks.queries.search import allowed_cells, parts
from spikeproof.attacks.queries.search_state import at_once
from spikeproof.attacks.queries.starts import edited, starts
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal
from spikeproof.threats import Threat, Universal, unlimited
from spikeproof.threats.base import best
from spikeproof.types import Cells, Counts

_FAR = 1e12  # beyond all costs
_RENEWED = (0.0, 0.3, 0.6)  # of the edits that a child loses it gets so many new ones (minimum)
_DECAY = 9.0  # by how much the share is divided in the end, less one (budget)
_UP, _DOWN, _LEAST = 1.2, 0.9, 0.01  # what success makes of the share (minimum)


@dataclass(eq=False)
class _Family:
    """Edits ``[N, P, D]`` of the parents of each recording, and their ``value`` ``[N, P]``.

    Low values survive. ``share`` ``[N]`` of its edits is what a child loses at most.
    """

    edits: Tensor
    value: Tensor
    share: Tensor

    def __getitem__(self, chosen: Tensor) -> _Family:
        """The families of some recordings."""
        return _Family(self.edits[chosen], self.value[chosen], self.share[chosen])

    def survive(self, edits: Tensor, value: Tensor) -> None:
        """The best among parents and others ``[N, C, D]`` of values ``[N, C]``; as many as were."""
        everyone, values = torch.cat([self.edits, edits], 1), torch.cat([self.value, value], 1)
        order = values.argsort(dim=1, stable=True)[:, : self.value.shape[1]]
        self.edits = everyone[torch.arange(len(order)).unsqueeze(1), order]
        self.value = values.gather(1, order)


@dataclass(frozen=True)
class Evolution:
    """At most ``queries`` forward passes of each recording, ``children`` per generation.

    ``share`` of the edits is exchanged at first. In budget mode a recording leaves when it is
    fooled. Recordings under threats whose edits hang together (moves in time) are left as they are.
    """

    mode: Literal["minimum", "budget"] = "minimum"
    queries: int = 2000
    parents: int = 4
    children: int = 16
    share: float = 0.4

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial recordings for ``x``; the clean one where none was found in minimum mode.

        Raises :class:`InvalidThreat` for universal threats.
        """
        if isinstance(threat, Universal):
            raise InvalidThreat("this attack works recording by recording; use FitUniversal")
        limit, adv = threat.limit(x), x.clone()
        if not lone(threat) or not len(x):
            return adv
        live = (~victim.reached(x, goal) & (limit > 0)).nonzero().squeeze(1)
        for part, draws in parts(live, rng):
            adv[part] = self._evolved(victim, x[part], goal[part], threat, limit[part], draws)
        return adv

    def _evolved(
        self,
        victim: Victim,
        clean: Cells,
        goal: Goal,
        threat: Threat,
        limit: Counts,
        rng: Generator,
    ) -> Cells:
        free = unlimited(threat)
        allowed = allowed_cells(free, clean)
        family, spent = self._begin(victim, clean, goal, free, rng)
        enough = 0.0 if self.mode == "budget" else 1.0
        turn = 0
        while spent + self.children <= self.queries:
            left = (family.value[:, 0] > enough).nonzero().squeeze(1)
            if not len(left):
                break
            here = family[left]
            if self.mode == "budget":
                here.share.fill_(self.share / (1 + _DECAY * spent / self.queries))
            before = here.value[:, 0]
            born = self._born(here, clean[left], allowed[left], limit[left], turn, rng)
            here.survive(born, self._value(victim, clean[left], born, goal[left], free))
            went = torch.where(here.value[:, 0] < before, _UP, _DOWN)
            family.edits[left], family.value[left] = here.edits, here.value
            family.share[left] = (here.share * went).clamp(_LEAST, self.share)
            spent, turn = spent + self.children, turn + 1
        found = edited(free, clean, family.edits[:, 0].view_as(clean))
        legal = (threat.cost(clean, found) <= limit) & (family.value[:, 0] < _FAR / 2)
        return torch.where(legal.view(-1, 1, 1, 1, 1), found, clean)

    def _begin(
        self, victim: Victim, clean: Cells, goal: Goal, threat: Threat, rng: Generator
    ) -> tuple[_Family, int]:
        """The first parents (minimum: the best starts; budget: nothing edited), queries spent."""
        nothing = torch.zeros(len(clean), self.parents, clean[0].numel(), dtype=torch.bool)
        value = torch.full((len(clean), self.parents), _FAR, dtype=torch.float64)
        family = _Family(nothing, value, torch.full((len(clean),), self.share))
        spent = 1  # for the question whether there is anything to do
        if self.mode == "budget":
            return family, spent
        for adv in starts(clean, threat, rng):
            if spent == self.queries:
                break
            edits = (adv != clean).view(len(clean), 1, -1)
            family.survive(edits, self._value(victim, clean, edits, goal, threat))
            spent += 1
        return family, spent

    def _born(
        self,
        family: _Family,
        clean: Cells,
        allowed: Tensor,
        limit: Counts,
        turn: int,
        rng: Generator,
    ) -> Tensor:
        """Edits ``[N, C, D]`` of the children of one generation."""
        nothing = torch.zeros_like(allowed, dtype=clean.dtype)
        wishes = [nearness(clean, parent, nothing) for parent in family.edits.unbind(1)]
        born = []
        for c in range(self.children):
            draw = Draw.of(clean, turn, rng)
            first, second = c % self.parents, int(self.parents * draw.noise[0])
            edits = family.edits[:, first]
            if c % 2:
                near = draw.key < draw.key.quantile(float(draw.noise[1]))
                edits = torch.where(near, edits, family.edits[:, second])
            count = edits.sum(1)
            lost = (family.share * float(draw.noise[2]) * count).ceil().long()
            if self.mode == "minimum":
                kept, fresh = count - lost, (lost * _RENEWED[c % len(_RENEWED)]).long()
            else:
                kept = (torch.minimum(count, limit) - lost).clamp(min=0)
                fresh = limit - kept
            order = draw.key - draw.key.min() if c % 4 < 2 else draw.noise
            new = (wishes[first] + draw.gumbel).masked_fill(edits | ~allowed, -torch.inf)
            born.append(_top(order, edits, kept) | _top(new.exp(), ~edits & allowed, fresh))
        return torch.stack(born, 1)

    def _value(
        self, victim: Victim, clean: Cells, edits: Tensor, goal: Goal, threat: Threat
    ) -> Tensor:
        """Value ``[N, C]`` of each set of edits ``[N, C, D]``; the model is asked."""
        value = torch.full(edits.shape[:2], _FAR, dtype=torch.float64)
        places = torch.ones(edits.shape[:2]).nonzero()
        for part in torch.split(places, at_once(clean)):
            who, which = part.unbind(1)
            before = clean[who]
            adv = edited(threat, before, edits[who, which].view_as(before))
            margin = goal[who].margin(victim.logits(adv)).double()
            if self.mode == "budget":
                value[who, which] = -margin
            else:
                cheap = threat.cost(before, adv).double() - 0.5 * torch.sigmoid(margin)
                value[who, which] = torch.where(margin > 0, cheap, _FAR - margin)
        return value


def _top(order: Tensor, among: Tensor, count: Tensor) -> Tensor:
    """Flags ``[N, D]`` of the ``count`` cells highest in ``order`` (``[D]`` or ``[N, D]``)."""
    n, cells = among.shape
    gain = torch.where(among, order + 1e-9, -torch.inf).view(n, 1, 1, 1, cells)
    return best(gain, count).view(n, cells)
