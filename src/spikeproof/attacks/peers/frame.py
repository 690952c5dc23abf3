"""Frame attack: the border of the sensor is on, all the time.

From Marchisio et al., "DVS-Attacks" (IJCNN 2021, arXiv 2107.00415). Known: a border one pixel wide
is always on, whatever the recording shows; nothing is learned, the model is not needed. Decided:
both polarities are on; a recording that is misclassified already is left alone, which takes one
decision of the model; a budget that is too small ends the frame early
(:mod:`spikeproof.attacks.peers.pattern`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from spikeproof.attacks.peers.pattern import adding, first_that_works
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal
from spikeproof.threats import Threat
from spikeproof.types import Cells, Mask


@dataclass(frozen=True)
class FrameAttack:
    """A border ``width`` pixels wide, on in every time bin. Deterministic."""

    width: int = 1

    def __post_init__(self) -> None:
        if self.width < 1:
            raise InvalidThreat(f"a frame is at least 1 pixel wide, not {self.width}")

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """``x`` with the frame; raises :class:`InvalidThreat` unless events may be added."""
        return first_that_works(victim, x, goal, adding(threat, "frame"), [self._pattern])

    def _pattern(self, x: Cells) -> Mask:
        return border(x.shape[-2], x.shape[-1], self.width).expand(x.shape)


def border(height: int, width: int, thick: int = 1) -> Tensor:
    """Flags ``[H, W]`` of the pixels that are less than ``thick`` from the rim."""
    row, column = torch.arange(height).unsqueeze(1), torch.arange(width)
    down = torch.minimum(row, height - 1 - row)
    across = torch.minimum(column, width - 1 - column)
    return torch.minimum(down, across) < thick
