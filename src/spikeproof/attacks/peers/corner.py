"""Corner attack: lines grow out of the corners until the model is wrong.

From Marchisio et al., "DVS-Attacks" (IJCNN 2021, arXiv 2107.00415). Known: line segments in the
corners of the sensor, always on, take turns in growing until the recording is misclassified.
Decided: the corners take turns in the order top left, bottom right, top right, bottom left, one
pixel at a turn; a line runs along its row to the middle, then down (or up) its column to the
middle, so that four full-grown lines are the frame; both polarities are on; a line that the budget
cannot pay for is not begun.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest

import torch
from torch import Generator, Tensor

from spikeproof.attacks.peers.pattern import EventPattern, adding, first_that_works
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal
from spikeproof.threats import Threat
from spikeproof.types import Cells, Mask


@dataclass(frozen=True)
class CornerAttack:
    """The model is asked after every ``pixels`` more. Deterministic."""

    pixels: int = 1

    def __post_init__(self) -> None:
        if self.pixels < 1:
            raise InvalidThreat(f"corners grow by at least 1 pixel, not {self.pixels}")

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """``x`` with lines that just suffice; :class:`InvalidThreat` if nothing may be added."""
        sizes = self._patterns(*x.shape[-2:])
        return first_that_works(victim, x, goal, adding(threat, "corner"), sizes, growing=True)

    def _patterns(self, height: int, width: int) -> Iterator[EventPattern]:
        turns = growth(height, width)
        for size in range(self.pixels, len(turns) + self.pixels, self.pixels):
            pixels = torch.zeros(height, width, dtype=torch.bool)
            rows, columns = torch.tensor(turns[:size]).unbind(1)
            pixels[rows, columns] = True
            yield partial(_always, pixels)


def growth(height: int, width: int) -> list[tuple[int, int]]:
    """Pixels ``(row, column)`` in the order in which the corners take them; the whole border."""
    right, down = (width + 1) // 2, (height + 1) // 2
    corner = [(0, x) for x in range(right)] + [(y, 0) for y in range(1, down)]
    lines = [
        corner,
        [(height - 1 - y, width - 1 - x) for y, x in corner],
        [(y, width - 1 - x) for y, x in corner],
        [(height - 1 - y, x) for y, x in corner],
    ]
    turns = [pixel for turn in zip_longest(*lines) for pixel in turn if pixel is not None]
    return list(dict.fromkeys(turns))  # lines meet in the middle pixel of an odd side


def _always(pixels: Tensor, x: Cells) -> Mask:
    return pixels.expand(x.shape)
