"""Spiking universal perturbation: one pattern of events that fools on all inputs.

Each cell of the pattern has a running wish to hold an event (or to remove one). Per step a batch
of learning recordings is attacked with the current pattern, the most wanted cells within the
budget; the gradient of the margin at the result, folded back onto the pattern, is one vote for
each cell. Votes are averaged with momentum and a falling step size, so the pattern settles.

Untargeted votes tend to drive all recordings into one or two absorbing classes but keep arguing
about which; so the classes that absorb most are also tried as fixed targets. The candidate that
fools most of a part of the *learning* recordings is kept and polished: votes then come from the
sigmoid of the margin, a smooth count of fooled recordings, which lets go of hopeless recordings
as well as of safely fooled ones. (What is left is mostly the absorbing class itself: one pattern
cannot push a recording into a class and out of it.) Universal perturbations go back to
Moosavi-Dezfooli et al. (CVPR 2017); on events to Büchel et al. (2022), who merge per-sample
perturbations, where here the pattern itself is learned.

A periodic pattern is learned over random offsets for every recording and step, since its attacker
is not synchronised with the sensor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal, Targeted, Untargeted
from spikeproof.threats import Threat, Universal
from spikeproof.threats.universal import apply
from spikeproof.types import Cells, Labels, Logits, PerSample, Pool


@dataclass(frozen=True, eq=False)
class UniversalPattern:
    """A learned universal perturbation ``[L, P, H, W]`` in {-1, 0, +1}, itself an attack."""

    pattern: Tensor

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """``x`` under the pattern, each sample at its own random offset if it is periodic."""
        if not isinstance(threat, Universal):
            raise InvalidThreat("a learned pattern needs a Universal threat")
        return apply(x, self.pattern, _offsets(len(x), threat, rng), threat.sensor)


@dataclass(frozen=True)
class FitUniversal:
    """How a universal pattern is learned.

    ``steps`` of ``batch`` recordings per candidate and half as many to polish the best;
    ``targets`` absorbing classes are tried beside the untargeted one; ``rate`` is the first step
    size in units of the mean vote; ``judges`` learning recordings choose between the candidates.
    """

    steps: int = 60
    batch: int = 32
    targets: int = 2
    rate: float = 0.1
    momentum: float = 0.9
    judges: int = 200

    def __call__(
        self,
        victim: Victim,
        cells: Pool,
        labels: Labels,
        threat: Universal,
        *,
        rng: Generator,
        progress: Callable[[int], None] = lambda _: None,
    ) -> UniversalPattern:
        """Learn on ``cells`` ``[M, T, P, H, W]`` (any dtype) with ``labels`` ``[M]``.

        ``progress`` is told after each step how many recordings it took.
        """
        if not len(labels):
            raise InvalidThreat("a universal pattern needs recordings to learn from; none given")
        judges = torch.randperm(len(labels), generator=rng)[: self.judges]

        def learn(target: int | None, start: _Search | None = None) -> _Search:
            search = self._learn(victim, cells, labels, threat, target, start, rng, progress)
            logits = [
                victim.logits(
                    apply(x, search.pattern, _offsets(len(x), threat, rng), threat.sensor)
                )
                for x in (cells[part].float() for part in torch.split(judges, self.batch))
            ]
            search.predicted = torch.cat(logits).argmax(1)
            return search

        def fooled(search: _Search) -> int:
            return int((search.predicted != labels[judges]).sum())

        best = learn(None)
        absorbing = best.predicted.bincount().argsort(descending=True)[: self.targets]
        best = max([best, *(learn(target) for target in absorbing.tolist())], key=fooled)
        best = max([best, learn(None, best)], key=fooled)
        return UniversalPattern(best.pattern)

    def _learn(
        self,
        victim: Victim,
        cells: Pool,
        labels: Labels,
        threat: Universal,
        target: int | None,
        start: _Search | None,
        rng: Generator,
        progress: Callable[[int], None],
    ) -> _Search:
        """Search from an empty pattern, or polish the one that ``start`` has found."""
        bins = cells.shape[1]
        length = threat.period or bins
        if start is None:
            wish, steps, rate, loss = (
                torch.zeros(2, length, *cells.shape[2:]),
                self.steps,
                1.0,
                saturating,
            )
            pattern = wish[0]
        else:
            wish, steps, rate, loss = start.wish.clone(), self.steps // 2, 0.5, counting
            pattern = start.pattern
        votes, size = torch.zeros_like(wish), torch.zeros(())
        usable = torch.arange(len(labels)) if target is None else (labels != target).nonzero()[:, 0]
        for step in range(steps):
            chosen = usable[torch.randint(len(usable), (self.batch,), generator=rng)]
            x, y = cells[chosen].float(), labels[chosen]
            goal: Goal = Untargeted(y) if target is None else Targeted(torch.full_like(y, target))
            offsets = _offsets(len(x), threat, rng)
            attacked = apply(x, pattern, offsets, threat.sensor)
            _, gradient = victim.gradient(attacked, goal, loss)
            empty = x == 0
            vote = torch.stack(
                [
                    _fold((gradient * empty).float(), offsets, length),
                    _fold(-gradient * ~empty, offsets, length),
                ]
            ) / len(x)
            votes.mul_(self.momentum).add_(vote, alpha=1 - self.momentum)
            size = 0.99 * size + 0.01 * vote.square().mean()
            unbiased = votes / (1 - self.momentum ** (step + 1))
            scale = (size / (1 - 0.99 ** (step + 1))).sqrt().clamp(min=1e-30)
            wish += rate * self.rate * falling(step / steps) * unbiased / scale
            pattern = threat.draw(wish, bins)
            progress(len(x))
        return _Search(wish, pattern)


@dataclass(eq=False)
class _Search:
    """Where a search has come to: wishes ``[2, L, P, H, W]``, their pattern, what it leads to."""

    wish: Tensor
    pattern: Tensor
    predicted: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))


def saturating(goal: Goal, logits: Logits) -> PerSample:
    """The margin until it is safely won: recordings fooled by more than 1 lose their vote."""
    return -F.softplus(1.0 - goal.margin(logits))


def counting(goal: Goal, logits: Logits) -> PerSample:
    """A smooth count of the recordings that are fooled: 0 far below the boundary, 1 far above.

    Only recordings near the boundary have a say; the width 2 is that of logits, whose spread is
    of this order in trained networks.
    """
    return torch.sigmoid(goal.margin(logits) / 2)


def falling(done: float) -> float:
    """Cosine from 1 to 0 over a run."""
    return 0.5 * (1 + math.cos(math.pi * done))


def _offsets(n: int, threat: Threat, rng: Generator) -> Tensor | None:
    if not isinstance(threat, Universal) or threat.period is None:
        return None
    return torch.randint(threat.period, (n,), generator=rng)


def _fold(votes: Tensor, offsets: Tensor | None, length: int) -> Tensor:
    """Sum votes ``[N, T, ...]`` over samples and repetitions: the pattern ``[L, ...]``."""
    bins = torch.arange(votes.shape[1])
    rows = bins.expand(len(votes), -1) if offsets is None else (bins + offsets.unsqueeze(1))
    folded = torch.zeros(length, *votes.shape[2:])
    return folded.index_add_(0, (rows % length).flatten(), votes.flatten(0, 1))
