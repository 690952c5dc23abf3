"""Auto-PGD: projected gradient ascent that chooses its step by what comes of it.

Croce & Hein, ICML 2020. With P the projection onto the threat and s the steepest step of its norm,

    z       = P( x_k + size * s(gradient at x_k) )
    x_{k+1} = P( x_k + 0.75 (z - x_k) + 0.25 (x_k - x_{k-1}) ),

and the size starts at twice the limit. At checkpoints, which lie ever closer, an image's size is
halved and its search goes back to the best point so far, if the loss rose in less than 75 % of the
steps since the last checkpoint, or if neither size nor best loss changed between the two. So a run
explores first and refines later, however many steps it is given.

Differs from the paper: an image leaves as soon as it is fooled, what is returned is the point of
the highest margin (and not of the highest loss, which may be another function), and there is no
momentum in the first step after going back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Generator, Tensor

from spikeproof.attacks.intensities.climb import keep, lowest, restarted
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Goal, Loss, dlr
from spikeproof.threats import Ball, Threat
from spikeproof.threats.ball import as_ball, widened
from spikeproof.types import Cells, Flags, Gain, PerSample

_FORWARD = 0.75  # weight of the gradient's step beside the last move
_RISING = 0.75  # share of the steps that must raise the loss


@dataclass(frozen=True)
class APGD:
    """``steps`` gradients of ``loss``, from a random point, for what stands ``restarts`` times."""

    loss: Loss = dlr
    steps: int = 50
    restarts: int = 1

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial images for ``x`` ``[N, 1, C, H, W]``.

        Raises :class:`InvalidThreat` for threats over events.
        """
        ball = as_ball(threat, "Auto-PGD")
        return restarted(self, victim, x, goal, ball, self.restarts, rng)

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
        """One run within ``radius`` ``[N]`` from ``start``: the best points and their margins.

        ``rng`` is not used.
        """
        found, deepest = start.clone(), lowest(clean)
        live = torch.arange(len(clean))
        reach, loss, gradient = victim.slope(start, goal, self.loss)
        keep(live, start, reach, found, deepest)
        run = _Run.begin(clean, start, loss, gradient, radius)
        checkpoints, last = checkpoints_of(self.steps), 0
        for k in range(1, self.steps):
            stays = reach <= 0
            live, run = live[stays], run.of(stays)
            if not len(live):
                break
            at = _moved(run, ball, first=k == 1)
            reach, loss, gradient = victim.slope(at, goal[live], self.loss)
            keep(live, at, reach, found, deepest)
            run.arrive(at, loss, gradient)
            if k in checkpoints:
                run.look_back(k - last)
                last = k
        return found, deepest


def checkpoints_of(steps: int) -> tuple[int, ...]:
    """Steps after which the step size is thought over: at 22 % of all, then ever closer."""
    found, before, share = [], 0.0, 0.22
    while share < 1:
        found.append(math.ceil(round(share * steps, 6)))  # sums of shares are not quite exact
        before, share = share, share + max(share - before - 0.03, 0.06)
    return tuple(found)


@dataclass(eq=False)
class _Run:
    """Where each image stands, where it was before, and its best point by the loss."""

    clean: Cells
    at: Cells
    before: Cells
    gradient: Gain
    loss: PerSample
    best: Cells
    best_gradient: Gain
    best_loss: PerSample
    radius: PerSample
    size: PerSample
    rises: PerSample  # steps since the last checkpoint that raised the loss
    halved: Flags  # at the last checkpoint
    best_then: PerSample  # best loss at the last checkpoint

    @classmethod
    def begin(
        cls, clean: Cells, start: Cells, loss: PerSample, gradient: Gain, radius: PerSample
    ) -> _Run:
        return cls(
            clean=clean,
            at=start,
            before=start,
            gradient=gradient,
            loss=loss,
            best=start,
            best_gradient=gradient,
            best_loss=loss,
            radius=radius,
            size=2 * radius,
            rises=torch.zeros_like(loss),
            halved=torch.zeros_like(loss, dtype=torch.bool),
            best_then=loss,
        )

    def of(self, chosen: Tensor) -> _Run:
        """The state of some of the images."""
        return _Run(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    def arrive(self, at: Cells, loss: PerSample, gradient: Gain) -> None:
        """Note a step."""
        self.rises = self.rises + (loss > self.loss).to(loss)
        self.before, self.at, self.loss, self.gradient = self.at, at, loss, gradient
        higher = loss > self.best_loss
        self.best = _where(higher, at, self.best)
        self.best_gradient = _where(higher, gradient, self.best_gradient)
        self.best_loss = torch.where(higher, loss, self.best_loss)

    def look_back(self, steps: int) -> None:
        """Halve the size where the last ``steps`` came to little, and go back to the best point."""
        stuck = self.rises < _RISING * steps
        idle = ~self.halved & (self.best_loss <= self.best_then)
        self.halved = stuck | idle
        self.size = torch.where(self.halved, self.size / 2, self.size)
        self.at = _where(self.halved, self.best, self.at)
        self.before = _where(self.halved, self.best, self.before)
        self.gradient = _where(self.halved, self.best_gradient, self.gradient)
        self.loss = torch.where(self.halved, self.best_loss, self.loss)
        self.rises, self.best_then = torch.zeros_like(self.rises), self.best_loss


def _moved(run: _Run, ball: Ball, first: bool) -> Cells:
    """The next point of each image."""
    step = widened(run.size, run.at) * ball.steepest(run.gradient)
    ahead = ball.project(run.clean, run.at + step, run.radius)
    if first:
        return ahead
    pushed = run.at + _FORWARD * (ahead - run.at) + (1 - _FORWARD) * (run.at - run.before)
    return ball.project(run.clean, pushed, run.radius)


def _where(chosen: Flags, these: Tensor, others: Tensor) -> Tensor:
    return torch.where(chosen.view(-1, *[1] * (these.dim() - 1)), these, others)
