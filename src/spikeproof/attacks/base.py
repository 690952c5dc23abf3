"""What an attack is: a frozen value that turns clean recordings into adversarial ones."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Generator

from spikeproof.attacks.victim import Victim
from spikeproof.goals import Goal
from spikeproof.threats import Threat
from spikeproof.types import Cells


@runtime_checkable
class Attack(Protocol):
    """Settings are fields; the model, recordings, goal and threat come with the call.

    The answer has the shape of ``x``. For a sample where the attack finds nothing it is the best
    try or the clean recording; the judge decides what counts.
    """

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial recordings ``[N, T, P, H, W]`` for ``x``."""
        ...
