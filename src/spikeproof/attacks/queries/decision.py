"""Decision-based search: of the model's answer only the predicted class is used.

From a heavy edit that fools the model (another class laid over the recording, a mirror image,
random events) the search walks back towards the clean recording: groups of edits are put back one
by one, those that the wrong answer survives are put back together, as many as hold, and groups
become smaller where nothing large can be put back. Beside these two groups of edits are exchanged
for one of new cells, next to edits that were found to be needed.

The boundary attack (Brendel et al., ICLR 2018) walks along the boundary towards the clean input,
SparseEvo (Vo et al., ICLR 2022) does so for sparse perturbations by an evolution of masks that
starts from an image of another class. Here coherent groups of cells take the place of evolved
masks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from spikeproof.attacks.events.edits import lone
from spikeproof.attacks.queries.groups import Draw, Groups, grouped, nearness
from spikeproof.attacks.queries.search import QuerySearch
from spikeproof.attacks.queries.search_state import SearchState, moved, resized, tried
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Goal
from spikeproof.threats import Threat
from spikeproof.types import Cells, Flags, Logits, PerSample

_PARTS = (1.0, 0.75, 0.5, 0.35, 0.25, 0.15)  # of all that could be put back alone


@dataclass(frozen=True, eq=False)
class Decision:
    """At most ``queries`` forward passes of each recording.

    In minimum mode all of them are spent on fewer edits, in budget mode a recording leaves when it
    is fooled within the threat's budget. A round tries ``outs`` groups of edits and ``swaps``
    exchanges (none under threats whose edits hang together). The cheapest ``race`` starts are
    tried for two rounds before one is chosen. ``others`` ``[M, T, P, H, W]`` are recordings to
    start from as well. A recording that no start fools is left as it is.
    """

    mode: Literal["minimum", "budget"] = "minimum"
    queries: int = 2000
    outs: int = 16
    swaps: int = 10
    race: int = 8
    others: Cells | None = None

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial recordings for ``x``; where none was found, the best-known edits allowed.

        Raises :class:`InvalidThreat` for universal threats.
        """
        step = _Round(self.outs, self.swaps if lone(threat) else 0)
        first = _Round(self.outs, 0)
        search = QuerySearch(self.mode, self.queries, self.race, step, first, self.others)
        return search(victim, x, _Class(goal), threat, rng)


@dataclass(frozen=True, eq=False)
class _Class:
    """``goal`` as seen by someone who is told the class only: the margin is 1 or -1."""

    goal: Goal

    def margin(self, logits: Logits) -> PerSample:
        """Whether the goal is reached, as 1 or -1."""
        return 2.0 * self.goal.reached(logits) - 1.0

    def cross_entropy(self, logits: Logits) -> PerSample:
        """Nothing but the margin is known."""
        return self.margin(logits)

    def reached(self, logits: Logits) -> Flags:
        """That of the goal."""
        return self.goal.reached(logits)

    def __getitem__(self, chosen: Tensor) -> _Class:
        """The goal for some of the samples."""
        return _Class(self.goal[chosen])

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.goal)


@dataclass(frozen=True)
class _Round:
    """Groups of edits put back alone, exchanges, then all that could be put back together."""

    outs: int
    swaps: int

    @property
    def queries(self) -> int:
        """Most forward passes of a recording."""
        return self.outs + self.swaps + len(_PARTS)

    def __call__(
        self,
        victim: Victim,
        here: SearchState,
        goal: Goal,
        threat: Threat,
        allowed: Tensor,
        draw: Draw,
    ) -> SearchState:
        """Cheaper where something could be put back; what is not fooled stays."""
        wishes = nearness(here.clean, here.edits, here.worth)
        wishes = wishes.masked_fill(here.edits | ~allowed, -torch.inf)
        sizes, numbers = (here.out_size, here.out_size), (self.outs, self.swaps)
        groups = grouped(here.edits, here.worth, wishes, draw, sizes, numbers)
        usable = groups.size > 0
        alone = torch.eye(self.outs + self.swaps, dtype=torch.bool).repeat(len(usable), 1, 1)
        for swap in range(self.swaps):  # two groups of edits for one of new cells
            pair = [2 * swap % self.outs, (2 * swap + 1) % self.outs]
            alone[:, self.outs + swap, pair] = True
            usable[:, self.outs + swap] &= (groups.size[:, pair] > 0).all(1)
        one, price = tried(victim, here, goal, threat, groups, alone, usable)
        free = usable & (one > 0)
        free[:, self.outs :] = False
        parts, plausible = _parts(free, here.margin > 0, here.worth, groups)
        more, costs = tried(victim, here, goal, threat, groups, parts, plausible)
        chosen, margin = torch.cat([alone, parts], 1), torch.cat([one, more], 1)
        cost = torch.cat([price, costs], 1)
        saved = here.cost.unsqueeze(1) - cost
        value = torch.where((margin > 0) & (saved > 0), saved, -torch.inf)
        known = replace(here, worth=_learned(here.worth, groups, free, usable))
        there = moved(known, threat, groups, chosen, margin, cost, value)
        return resized(here, there)


def _parts(free: Tensor, inside: Flags, worth: Tensor, groups: Groups) -> tuple[Tensor, Tensor]:
    """Choices ``[N, C, G]`` of groups that could be put back, the least needed first."""
    total = torch.zeros(len(free), free.shape[1] + 1)
    total.scatter_add_(1, groups.label + 1, worth)
    need = (total[:, 1:] / groups.size.clamp(min=1)).masked_fill(~free, torch.inf)
    rank = need.argsort(dim=1, stable=True).argsort(dim=1)
    count = free.sum(1, keepdim=True)
    many = (count * torch.tensor(_PARTS)).ceil().long()  # [N, C]
    new = torch.cat([torch.ones(len(many), 1) > 0, many[:, 1:] < many[:, :-1]], 1)
    chosen = (rank.unsqueeze(1) < many.unsqueeze(2)) & free.unsqueeze(1)
    return chosen, new & (many > 1) & inside.unsqueeze(1)


def _learned(worth: Tensor, groups: Groups, free: Tensor, usable: Tensor) -> Tensor:
    """Edits whose group cannot be put back are needed (1), others are not (0); a running mean."""
    needed = F.pad(
        (usable & ~free).float()[:, : groups.outs], (1, groups.size.shape[1] - groups.outs)
    )
    seen = (groups.label >= 0) & (groups.label < groups.outs)
    return torch.where(seen, 0.5 * worth + 0.5 * needed.gather(1, groups.label + 1), worth)
