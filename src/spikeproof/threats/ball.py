"""Balls: threats over intensities, whose edits have a size and not only a number.

An image is a recording of one time bin whose cells are intensities in [0, 1], ``[N, 1, C, H, W]``;
the polarity axis holds its channels. What an attacker may reach of it is the box of intensities
cut with a ball around the clean image, for some norm,

    { x' : 0 <= x' <= 1, |x' - x| <= limit }.

``select``, which of event threats makes the most wanted edits, is the same thing here: the point
of this set where a loss that is linear, with ``gain`` as its gradient, is largest. Attacks that
climb step by step need more of the geometry, which is what a :class:`Ball` adds to a threat.
"""

from __future__ import annotations

import math
from typing import Protocol, runtime_checkable

import torch
from torch import Generator, Tensor

from spikeproof.errors import InvalidThreat
from spikeproof.threats.base import Threat
from spikeproof.types import Cells, Flags, Gain, PerSample

TOLERANCE = 1e-6
"""By so much, relative to the limit or to 1, whichever is more, a check lets a cost exceed it.

It covers the rounding of single precision, which is 6e-8 for one intensity. The box needs none.
"""


@runtime_checkable
class Ball(Threat, Protocol):
    """A threat over intensities. ``radius`` ``[N]`` stands for the limit where it is given."""

    @property
    def resolution(self) -> float:
        """The difference of two costs that is not worth a search."""
        ...

    def project(self, clean: Cells, adv: Cells, radius: PerSample | None = None) -> Cells:
        """A recording within the threat, near ``adv``; ``adv`` itself if it is within."""
        ...

    def steepest(self, gradient: Gain) -> Cells:
        """The step of length 1, in the ball's norm, along which the loss grows fastest."""
        ...

    def start(self, clean: Cells, rng: Generator, radius: PerSample | None = None) -> Cells:
        """A random recording within the threat."""
        ...


def as_ball(threat: Threat, attack: str) -> Ball:
    """``threat`` for an ``attack`` on intensities; raises :class:`InvalidThreat` for others."""
    if not isinstance(threat, Ball):
        raise InvalidThreat(
            f"{attack} moves intensities, and {type(threat).__name__} has none; attack images"
            " under Linf, L2 or L0"
        )
    return threat


def check_radius(radius: float | None, what: str) -> None:
    """Raise :class:`InvalidThreat` for a radius that makes no sense."""
    if radius is None:
        return
    if isinstance(radius, bool) or not isinstance(radius, int | float):
        raise InvalidThreat(f"{what} must be a number of intensities in [0, 1], or None")
    if not 0 <= radius < math.inf:
        raise InvalidThreat(f"{what} is {radius}; it must be a number and not negative")


def widened(radius: PerSample, clean: Cells) -> Tensor:
    """``radius`` ``[N]`` as ``[N, 1, 1, 1, 1]``, of the type of ``clean``."""
    return radius.to(clean).view(-1, 1, 1, 1, 1)


def outside_box(adv: Cells) -> Flags:
    """Which samples hold something that is no intensity (NaN included)."""
    return ~((adv >= 0) & (adv <= 1)).flatten(1).all(1)


def exceeds(cost: Tensor, limit: Tensor) -> Tensor:
    """Where ``cost`` is above ``limit`` by more than the tolerance; NaN counts as above."""
    slack = TOLERANCE * limit.clamp(min=1.0)
    return ~(cost <= limit + slack)


def full(value: float, clean: Cells) -> PerSample:
    """``value`` for each sample."""
    return torch.full((len(clean),), value, dtype=clean.dtype, device=clean.device)
