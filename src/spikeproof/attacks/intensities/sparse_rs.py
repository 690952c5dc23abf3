"""Random search over few pixels; no gradient is asked for.

Sparse-RS (Croce et al., AAAI 2022) for a number of pixels: some of the pixels that are changed are
put back, as many others are set to random corners of the range, every channel 0 or 1, and the trial
stays if the margin grew. How many are exchanged falls in a fixed schedule, from ``share`` of the
allowed ones to one. It is the counterpart
of :mod:`spikeproof.attacks.intensities.square` for a limited number of pixels.

Differs from the paper: the last exchanges are of one pixel however many are allowed, and the search
may begin anywhere, so that it also makes another attack's result smaller.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from spikeproof.attacks.intensities.climb import keep, restarted
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal
from spikeproof.threats import L0, Ball, Threat
from spikeproof.threats.base import best
from spikeproof.types import Cells, PerSample

_HALVE_AT = (50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # of 10 000 queries, as published


@dataclass(frozen=True)
class SparseRS:
    """At most ``queries`` answers of the model per image; ``share`` are exchanged at first."""

    queries: int = 1000
    share: float = 0.3

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial images for ``x`` ``[N, 1, C, H, W]``; an image leaves once it is fooled.

        Raises :class:`InvalidThreat` for threats other than L0.
        """
        return restarted(self, victim, x, goal, _few(threat), 1, rng)

    def climb(
        self,
        victim: Victim,
        clean: Cells,
        start: Cells,
        goal: Goal,
        ball: Ball,
        radius: PerSample,
        rng: Generator,
    ) -> tuple[Cells, PerSample]:
        """One search within ``radius`` ``[N]`` from ``start``: the last points and their margins.

        Raises :class:`InvalidThreat` for threats other than L0.
        """
        _few(ball)
        found = ball.project(clean, start, radius)
        deepest = goal.margin(victim.logits(found))
        live, most = torch.arange(len(clean)), radius.floor().long()
        for query in range(2, self.queries):
            live = live[(deepest[live] <= 0) & (most[live] > 0)]
            if not len(live):
                break
            many = (self._share(query) * most[live]).round().long().clamp(min=1)
            trial = _exchanged(clean[live], found[live], many, most[live], rng)
            keep(live, trial, goal[live].margin(victim.logits(trial)), found, deepest)
        return found, deepest

    def _share(self, query: int) -> float:
        """Of the allowed pixels, those that are exchanged at a query."""
        published = query / self.queries * 10_000
        return self.share / (1 << sum(published > when for when in _HALVE_AT))


def _exchanged(clean: Cells, at: Cells, many: Tensor, most: Tensor, rng: Generator) -> Cells:
    """``at`` with ``many`` ``[N]`` changed pixels put back and others set, ``most`` in all."""
    changed = (at != clean).any(2, keepdim=True)
    wish = torch.rand(changed.shape, generator=rng, dtype=clean.dtype) + 1e-6
    drop = best(wish * changed, many)
    free = most - changed.flatten(1).sum(1) + drop.flatten(1).sum(1)
    add = best(wish * ~changed, torch.minimum(many, free))
    corner = (torch.rand(clean.shape, generator=rng, dtype=clean.dtype) < 0.5).to(clean)
    idle = (corner == clean).all(2, keepdim=True)  # would leave the pixel as it is
    corner = torch.where(idle, 1 - corner, corner)
    return torch.where(add, corner, torch.where(drop, clean, at))


def _few(threat: Threat) -> L0:
    """``threat``; raises :class:`InvalidThreat` if it does not count pixels."""
    if isinstance(threat, L0):
        return threat
    raise InvalidThreat(
        f"the sparse search exchanges pixels and needs L0, not {type(threat).__name__}"
    )
