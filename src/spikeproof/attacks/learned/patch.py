"""Spiking adversarial patch: a small flickering region that decides the class.

One patch per target class, all learned together: every step puts each class's patch into a batch
of learning recordings, at the given place or at random places, and, unless the attacker is
synchronised, at random time offsets and with polarities swapped at random (a light patch in
front of a dark scene or the reverse): expectation over transformation (Athalye et al., ICML
2018; patches by Brown et al., arXiv 1712.09665; on events by Büchel et al. 2022). The gradient at
the cells that the patch covers is brought back through the same transformation and votes for each
cell of the patch; a cell with a positive running sum of votes holds an event.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from spikeproof.attacks.learned.universal import counting, falling
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal, Targeted
from spikeproof.threats import Patch, Threat
from spikeproof.types import Cells, Labels, Pool


@dataclass(frozen=True, eq=False)
class Views:
    """How each sample sees its patch: corner ``rows``, ``columns``, time ``offsets``, ``swaps``."""

    rows: Tensor
    columns: Tensor
    offsets: Tensor
    swaps: Tensor

    @classmethod
    def draw(cls, n: int, cells: Cells, threat: Patch, free_time: bool, rng: Generator) -> Views:
        """Random views of ``n`` samples: place as the threat says, time and polarity if free."""
        h, w = cells.shape[-2:]
        if threat.place is None:
            rows = torch.randint(h - threat.height + 1, (n,), generator=rng)
            columns = torch.randint(w - threat.width + 1, (n,), generator=rng)
        else:
            rows, columns = (torch.full((n,), at) for at in threat.place)
        if not free_time:
            return cls(rows, columns, torch.zeros_like(rows), torch.zeros_like(rows))
        length = threat.duration or cells.shape[1]
        offsets = torch.randint(length, (n,), generator=rng)
        return cls(rows, columns, offsets, torch.randint(2, (n,), generator=rng))

    def index(self, cells: Cells, threat: Patch) -> Tensor:
        """Flat cell of ``cells`` that each patch cell covers, ``[N, L, P, h, w]``.

        Patch cell (l, p) lies in bin ``start + (l + offset) % L`` and polarity ``p ^ swap``.
        """
        bins, polarities, h, w = cells.shape[1:]
        length = threat.duration or bins - threat.start

        def axis(values: Tensor, place: int) -> Tensor:
            return values.view(len(values), *[-1 if i == place else 1 for i in range(4)])

        at = torch.arange
        t = axis(threat.start + (at(length) + self.offsets.unsqueeze(1)) % length, 0)
        p = axis(at(polarities) ^ self.swaps.unsqueeze(1), 1)
        y = axis(self.rows.unsqueeze(1) + at(threat.height), 2)
        x = axis(self.columns.unsqueeze(1) + at(threat.width), 3)
        return ((t * polarities + p) * h + y) * w + x


def put(cells: Cells, patches: Tensor, views: Views, threat: Patch) -> Cells:
    """``cells`` with ``patches`` ``[N, L, P, h, w]`` in the place of what they cover."""
    index = views.index(cells, threat).flatten(1)
    return cells.flatten(1).scatter(1, index, patches.to(cells).flatten(1)).view_as(cells)


@dataclass(frozen=True, eq=False)
class LearnedPatch:
    """Learned patches ``[K, L, P, h, w]``, one per target class; itself an attack."""

    patches: Tensor
    free_time: bool

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """``x`` with the patch of each sample's target, at a random view if views are free."""
        if not isinstance(threat, Patch) or not isinstance(goal, Targeted):
            raise InvalidThreat("a learned patch needs a Patch threat and a Target goal")
        views = Views.draw(len(x), x, threat, self.free_time, rng)
        return put(x, self.patches[goal.targets], views, threat)


@dataclass(frozen=True)
class FitPatch:
    """How patches are learned: ``steps`` with ``batch`` recordings for every target class.

    ``free_time`` draws time offsets and polarity swaps at random, when learning and when used.
    """

    steps: int = 60
    batch: int = 8
    rate: float = 0.3
    momentum: float = 0.9
    free_time: bool = False

    def __call__(
        self,
        victim: Victim,
        cells: Pool,
        labels: Labels,
        threat: Patch,
        n_classes: int,
        *,
        rng: Generator,
        progress: Callable[[int], None] = lambda _: None,
    ) -> LearnedPatch:
        """Learn on ``cells`` ``[M, T, P, H, W]`` (any dtype) with ``labels`` ``[M]``."""
        if not len(labels):
            raise InvalidThreat("a patch needs recordings to learn from; none given")
        length = threat.duration or cells.shape[1] - threat.start
        shape = (n_classes, length, cells.shape[2], threat.height, threat.width)
        wish = 0.1 * torch.randn(shape, generator=rng)
        votes, size = torch.zeros(shape), torch.zeros(n_classes, 1, 1, 1, 1)
        targets = torch.arange(n_classes).repeat_interleave(self.batch)
        for step in range(self.steps):
            x = cells[self._others(labels, targets, rng)].float()
            views = Views.draw(len(x), x, threat, self.free_time, rng)
            adv = put(x, (wish > 0)[targets], views, threat)
            _, gradient = victim.gradient(adv, Targeted(targets), counting)
            mine = gradient.flatten(1).gather(1, views.index(x, threat).flatten(1))
            vote = mine.view(n_classes, self.batch, *shape[1:]).mean(1)
            votes.mul_(self.momentum).add_(vote, alpha=1 - self.momentum)
            size = 0.95 * size + 0.05 * vote.square().mean((1, 2, 3, 4), keepdim=True)
            unbiased = votes / (1 - self.momentum ** (step + 1))
            scale = (size / (1 - 0.95 ** (step + 1))).sqrt().clamp(min=1e-30)
            wish += self.rate * falling(step / self.steps) * unbiased / scale
            progress(len(x))
        return LearnedPatch((wish > 0).float(), self.free_time)

    @staticmethod
    def _others(labels: Labels, targets: Labels, rng: Generator) -> Tensor:
        """For each target a random recording of another class (if there is one)."""
        chance = torch.rand(len(targets), len(labels), generator=rng)
        chance[targets.unsqueeze(1) == labels.unsqueeze(0)] = -1.0
        return chance.argmax(1)
