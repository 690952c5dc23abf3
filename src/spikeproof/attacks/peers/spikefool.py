r"""SpikeFool: the nearest decision boundary, reached by as few whole flips as it takes.

Büchel et al., Frontiers in Neuroscience 16:1068193, 2022, after SparseFool (Modas et al., CVPR
2019). Again and again, 20 times at most, until the model errs:

1. DeepFool (Moosavi-Dezfooli et al., CVPR 2016): with :math:`f_k = z_k - z_y` and
   :math:`w_k = \nabla f_k` at the recording rounded to cells, step by
   :math:`\max(|f_k| / \lVert w_k \rVert, 10^{-4})` along :math:`w_k / \lVert w_k \rVert` of the
   nearest class, until :math:`x + 1.02\, r` is misclassified (50 steps at most). The boundary point
   is :math:`x + \lambda r`; the normal :math:`w` is taken at :math:`x + r`.
2. Linear solver: one cell after the other, in the order of :math:`|w|`, is moved towards the
   boundary as far as :math:`[0, 1]` allows, until the plane through that point is crossed; the last
   one is rounded to a whole flip.

Cells are whole numbers, so step 2 flips the first cells of a sorted list, as many as their sum of
:math:`|w|` needs to reach :math:`\lambda\, w \cdot r`; that is done for all recordings at once.

Decided here: where rounding gives the same cells as a step before, the gradients are those of that
step and are not asked again. For a target only its class counts. Under a budget the flips of
earlier rounds come first.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from spikeproof.attacks.peers.single_cell import cell_by_cell, editable, turned, worth
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal, Targeted, WithConfidence
from spikeproof.threats import Threat
from spikeproof.types import Cells, Flags, Gain, Labels, Logits, PerSample


@dataclass(frozen=True)
class SpikeFool:
    """``stretch`` is the paper's lambda (2 for N-MNIST, 3 for gestures).

    ``rounds`` of the whole at most, with ``steps`` of DeepFool in each; ``overshoot`` is how much
    further than the boundary it looks, as a share of the way.
    """

    stretch: float = 2.0
    rounds: int = 20
    steps: int = 50
    overshoot: float = 0.02

    def __post_init__(self) -> None:
        if not self.stretch > 0:
            raise InvalidThreat(f"lambda of SpikeFool must be positive, not {self.stretch}")

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial recordings for ``x``, the clean one where all rounds failed; no chance in it.

        Raises :class:`InvalidThreat` for a threat whose edits do not stand alone.
        """
        free = cell_by_cell(threat, "SpikeFool")
        may = editable(threat, x)
        adv, wish = x.clone(), torch.full_like(x, -torch.inf)
        logits = victim.logits(x)
        own, others = logits.argmax(1), _others(goal, logits)
        live = (~goal.reached(logits) & (threat.limit(x) > 0)).nonzero().squeeze(1)
        reached = torch.zeros(len(x), dtype=torch.bool)
        for n in range(self.rounds):
            if not len(live):
                break
            clean, now, aim = x[live], adv[live], goal[live]
            way, normal = self._boundary(victim, now, aim, own[live], others[live])
            gain = worth(clean, now, normal).masked_fill(~may[live], 0).clamp(min=0)
            far = self.stretch * (way * normal).flatten(1).sum(1)
            after = turned(clean, now, _first(gain, far))
            older = torch.where(now != clean, wish[live], 1 + self.rounds - n + gain)
            wish[live] = older.masked_fill(after == clean, -torch.inf)
            adv[live] = free.select(clean, wish[live])
            reached[live] = victim.reached(adv[live], aim)
            moved = (adv[live] != now).flatten(1).any(1)
            live = live[~reached[live] & moved]
        adv[~reached] = x[~reached]
        adv[reached] = threat.select(x, wish)[reached]
        return adv

    def _boundary(
        self, victim: Victim, x: Cells, goal: Goal, own: Labels, others: Tensor
    ) -> tuple[Gain, Gain]:
        """DeepFool's way ``r`` from ``x`` to the boundary, and the unit normal there."""
        way, seen = torch.zeros_like(x), torch.full_like(x, torch.nan)
        toward, step = torch.zeros_like(x), torch.zeros(len(x))
        to = others[:, 0].clone()
        live = torch.arange(len(x))
        for _ in range(self.steps):
            if not len(live):
                break
            cells = (x[live] + way[live]).round().clamp(min=0).minimum(_top(x[live]))
            fresh = (cells != seen[live]).flatten(1).any(1)
            some = live[fresh]
            seen[some] = cells[fresh]
            if len(some):
                found = _nearest(victim, seen[some], own[some], others[some])
                toward[some], step[some], to[some] = found
            way[live] += step[live].clamp(min=1e-4).view(-1, 1, 1, 1, 1) * toward[live]
            beyond = x[live] + (1 + self.overshoot) * way[live]
            logits = victim.logits(beyond)
            hit = goal[live].reached(logits)
            to[live[hit]] = logits.argmax(1)[hit]
            live = live[~hit & toward[live].flatten(1).any(1)]
        _, normal = victim.gradient(x + way, _Pair(own, to))
        return way, _unit(normal)


@dataclass(frozen=True, eq=False)
class _Pair:
    """``other`` class before ``own``; both ``[N]``."""

    own: Labels
    other: Labels

    def margin(self, logits: Logits) -> PerSample:
        both = torch.stack([self.own, self.other], 1)
        own, other = logits.gather(1, both).unbind(1)
        return other - own

    def cross_entropy(self, logits: Logits) -> PerSample:
        return self.margin(logits)

    def reached(self, logits: Logits) -> Flags:
        return self.margin(logits) > 0

    def __getitem__(self, chosen: Tensor) -> _Pair:
        return _Pair(self.own[chosen], self.other[chosen])

    def __len__(self) -> int:
        return len(self.own)


def _others(goal: Goal, logits: Logits) -> Tensor:
    """Classes ``[N, C]`` that may be reached: the target, or all but the first, best first."""
    while isinstance(goal, WithConfidence):
        goal = goal.goal
    if isinstance(goal, Targeted):
        return goal.targets.unsqueeze(1)
    return logits.argsort(dim=1, descending=True, stable=True)[:, 1:]


def _nearest(victim: Victim, x: Cells, own: Labels, others: Tensor) -> tuple[Gain, Tensor, Labels]:
    """Direction to the nearest boundary, the way to it ``[N]``, and the class behind it."""
    near, toward, to = torch.full((len(x),), torch.inf), torch.zeros_like(x), others[:, 0].clone()
    for other in others.unbind(1):
        lead, slope = victim.gradient(x, _Pair(own, other))
        size = slope.flatten(1).norm(dim=1)
        way = torch.where(size > 0, lead.abs() / size, torch.inf)
        closer = way < near
        near = torch.where(closer, way, near)
        toward[closer], to[closer] = _unit(slope)[closer], other[closer]
    return toward, torch.where(torch.isfinite(near), near, 0.0), to


def _first(gain: Gain, far: PerSample) -> Tensor:
    """The best cells by ``gain``, as many as together reach ``far``; one at least, if there is."""
    order = gain.flatten(1).argsort(dim=1, descending=True, stable=True)
    sorted_ = gain.flatten(1).gather(1, order)
    before = sorted_.cumsum(1) - sorted_
    crossing = (before < far.unsqueeze(1)) & (sorted_ > 0)
    crossing[:, 0] = sorted_[:, 0] > 0
    return torch.zeros_like(crossing).scatter_(1, order, crossing).view_as(gain)


def _unit(slope: Gain) -> Gain:
    size: Tensor = slope.flatten(1).norm(dim=1)
    return slope / size.clamp(min=1e-30).view(-1, 1, 1, 1, 1)


def _top(x: Cells) -> Cells:
    """The fullest that a cell may be: 1, or as it was in a count grid."""
    return x.clamp(min=1)
