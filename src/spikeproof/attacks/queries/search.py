"""The way back from a heavy edit, shared by searches without gradients.

Start where the model is fooled (:mod:`spikeproof.attacks.queries.starts`), try the most promising
starts for a few rounds, then take round after round until the queries are spent. Recordings go
together; random numbers are drawn once for all of them, so that none depends on its batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Generator, Tensor

from spikeproof.attacks.queries.groups import Draw
from spikeproof.attacks.queries.search_state import SearchState
from spikeproof.attacks.queries.starts import edited, starts
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal
from spikeproof.threats import Threat, Universal, unlimited
from spikeproof.types import Cells, Counts, Mask

_FAR = 1e12  # beyond all costs: places that do not fool come after all that do
_RACE_ROUNDS = 2
_TOGETHER = 16  # recordings searched together


class Step(Protocol):
    """One round of a search, with the most ``queries`` of a recording."""

    @property
    def queries(self) -> int:
        """Most forward passes of a recording."""
        ...

    def __call__(
        self,
        victim: Victim,
        here: SearchState,
        goal: Goal,
        threat: Threat,
        allowed: Tensor,
        draw: Draw,
    ) -> SearchState:
        """Where all stand next; new cells are taken from the ``allowed`` ``[N, D]``."""
        ...


@dataclass(frozen=True, eq=False)
class QuerySearch:
    """``step`` after ``step``, ``queries`` forward passes of each recording at most.

    Of the best ``race`` starts, or as many as half of the queries are enough for, each takes two
    rounds of ``first`` before one is chosen. With ``others`` ``[M, T, P, H, W]`` these recordings
    are starts, too.
    """

    mode: Literal["minimum", "budget"]
    queries: int
    race: int
    step: Step
    first: Step
    others: Cells | None

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, rng: Generator
    ) -> Cells:
        """Adversarial recordings for ``x``; where none was found, the best-known edits allowed.

        Raises :class:`InvalidThreat` for universal threats.
        """
        if isinstance(threat, Universal):
            raise InvalidThreat("this attack works recording by recording; use FitUniversal")
        limit, adv = threat.limit(x), x.clone()
        live = (~victim.reached(x, goal)).nonzero().squeeze(1)
        if self.queries > 1:
            for part, draws in parts(live, rng):
                adv[part] = self._part(victim, x[part], goal[part], threat, limit[part], draws)
        return adv

    def _part(
        self,
        victim: Victim,
        clean: Cells,
        goal: Goal,
        threat: Threat,
        limit: Counts,
        rng: Generator,
    ) -> Cells:
        free = unlimited(threat)
        here, spent = self._begin(victim, clean, goal, free, rng)
        enough = limit if self.mode == "budget" else torch.ones_like(limit)
        most = self.queries - spent
        here = descended(victim, here, goal, free, self.step, most, enough, rng)
        return _within(here, threat, free, limit)

    def _begin(
        self,
        victim: Victim,
        clean: Cells,
        goal: Goal,
        threat: Threat,
        rng: Generator,
    ) -> tuple[SearchState, int]:
        """The best start of each recording, and the queries spent so far."""
        spent, kept, value = 1, list[SearchState](), torch.empty(len(clean), 0).double()
        for adv in starts(clean, threat, rng, self.others):
            if spent == self.queries:
                break
            margin = goal.margin(victim.logits(adv)).float()
            cost = threat.cost(clean, adv).float()
            # Edits per margin: what lies deep inside is cheap soon, though it has many edits.
            rate = torch.where(margin > 0, cost / margin.clamp(min=1e-6), _FAR - margin.double())
            spent, value = spent + 1, torch.cat([value, rate.unsqueeze(1)], 1)
            kept, value = _best([*kept, SearchState.at(clean, adv, margin, cost)], value, self.race)
        affordable = (self.queries // 2 - spent) // (_RACE_ROUNDS * self.first.queries)
        if min(len(kept), affordable) < 2:
            return kept[0], spent
        kept = kept[:affordable]
        allowed = allowed_cells(threat, clean)
        for turn in range(_RACE_ROUNDS):
            draw = Draw.of(clean, turn, rng)
            kept = [self.first(victim, k, goal, threat, allowed, draw) for k in kept]
            spent += len(kept) * self.first.queries
        ends = [torch.where(k.margin > 0, k.cost, _FAR - k.margin.double()) for k in kept]
        return _best(kept, torch.stack(ends, 1), 1)[0][0], spent


def parts(live: Tensor, rng: Generator) -> Iterator[tuple[Tensor, Generator]]:
    """Some of the recordings ``live`` at a time, so that memory does not grow with their number.

    Each part draws the same random numbers, so that no recording depends on its batch.
    """
    seed = int(torch.randint(2**62, (1,), generator=rng))
    for part in torch.split(live, _TOGETHER):
        if len(part):
            yield part, Generator().manual_seed(seed)


def descended(
    victim: Victim,
    here: SearchState,
    goal: Goal,
    threat: Threat,
    step: Step,
    queries: int,
    enough: Counts | int,
    rng: Generator,
) -> SearchState:
    """``step`` by ``step`` from ``here``, until ``queries`` are spent or the cost is ``enough``."""
    allowed = allowed_cells(threat, here.clean)
    for turn in range(queries // step.queries):
        left = ((here.margin <= 0) | (here.cost > enough)).nonzero().squeeze(1)
        if not len(left):
            break
        draw = Draw.of(here.clean, turn, rng)
        here.put(left, step(victim, here[left], goal[left], threat, allowed[left], draw))
    return here


def allowed_cells(threat: Threat, clean: Cells) -> Tensor:
    """Cells ``[N, D]`` that the threat would edit if all were wanted."""
    every: Mask = torch.ones(clean.shape, dtype=torch.bool)
    return (edited(threat, clean, every) != clean).flatten(1)


def _best(kept: list[SearchState], value: Tensor, most: int) -> tuple[list[SearchState], Tensor]:
    """Per recording the ``most`` places of lowest ``value`` ``[N, len(kept)]``, in order."""
    order = value.argsort(dim=1, stable=True)[:, :most]
    ranked = []
    for place in order.unbind(1):
        picked = kept[0][torch.arange(len(place))]
        for k, here in enumerate(kept):
            chosen = (place == k).nonzero().squeeze(1)
            picked.put(chosen, here[chosen])
        ranked.append(picked)
    return ranked, value.gather(1, order)


def _within(here: SearchState, threat: Threat, free: Threat, limit: Tensor) -> Cells:
    """The recordings as they stand, cut to the most worthy edits where the budget is smaller."""
    adv = here.adv(free)
    over = (here.cost > limit).nonzero().squeeze(1)
    if len(over):
        clean = here.clean[over]
        wish = (here.worth[over] - here.worth[over].amin(1, keepdim=True) + 1e-6).view_as(clean)
        wish = wish.masked_fill(~here.edits[over].view_as(clean), -torch.inf)
        adv[over] = threat.select(clean, wish, limit[over])
    return adv
