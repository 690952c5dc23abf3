"""Where searches without gradients begin: heavy edits that are likely to fool, made legal.

A search that walks back from a wrong answer needs one to walk back from. Recordings that look
like recordings are the best guesses: the clean one mirrored, turned, moved, played backwards or
laid over itself, all of it taken away, recordings of other classes if some are given (SparseEvo,
Vo et al., ICLR 2022, begins there), and random events of several densities. Every guess is only a
wish; the threat makes of it what it allows.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from spikeproof.threats import Threat
from spikeproof.threats.base import counted
from spikeproof.types import Cells, Mask

_DENSITIES = (0.02, 0.05, 0.15, 0.5, 1.0)  # shares of all cells that random starts edit


def edited(threat: Threat, clean: Cells, wanted: Mask) -> Cells:
    """``clean`` with the ``wanted`` cells edited, as far as the threat allows."""
    gain = torch.where(wanted, 1.0, -torch.inf).to(clean)
    return threat.select(clean, gain, counted(wanted))


def starts(
    clean: Cells, threat: Threat, rng: Generator, others: Cells | None = None
) -> Iterator[Cells]:
    """Heavily edited recordings ``[N, T, P, H, W]``, one guess for all of ``clean`` at a time.

    Random numbers are the same for all recordings, so that none depends on its batch.
    """
    for guess in _looks(clean):
        yield edited(threat, clean, guess != clean)
        yield edited(threat, clean, (guess > 0) & (clean == 0))
    for other in () if others is None else others.to(clean):
        yield edited(threat, clean, ((other > 0) != (clean > 0)).reshape(clean.shape))
        yield edited(threat, clean, ((other > 0) & (clean == 0)).reshape(clean.shape))
    yield edited(threat, clean, clean > 0)
    drawn = torch.rand(clean.shape[1:], generator=rng)
    for share in _DENSITIES:
        yield edited(threat, clean, (drawn < share).expand_as(clean))
        yield edited(threat, clean, (drawn < share) & (clean == 0))


def _looks(clean: Cells) -> Iterator[Tensor]:
    """The recordings themselves, seen otherwise."""
    height, width = clean.shape[-2:]
    yield clean.flip(4)
    yield clean.flip(3)
    yield clean.flip(3, 4)
    yield clean.flip(1)
    yield clean.flip(2)
    if height == width:
        yield clean.transpose(3, 4)
    for axis, by in (
        (3, height // 10),
        (3, -(height // 10)),
        (4, width // 10),
        (4, -(width // 10)),
    ):
        if by:
            yield clean.roll(by, axis)
    yield clean.roll(max(1, clean.shape[1] // 8), 1)
