"""Where Square begins and how it moves; see :mod:`spikeproof.attacks.intensities.square`.

A *bump* (Andriushchenko et al., ECCV 2020, appendix B) is a pair of opposite hills next to each
other: of nested rectangles around the middle of a half, the k-th from within adds ``1/k^2``.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from spikeproof.types import Cells, PerSample


def stripes(clean: Cells, radius: PerSample, rng: Generator) -> Cells:
    """Every column of every channel moved up or down by ``radius`` ``[N]``."""
    n, t, c, _, w = clean.shape
    return clean + _wide(radius) * _signs((n, t, c, 1, w), clean, rng)


def turn_square(clean: Cells, at: Cells, radius: PerSample, side: int, rng: Generator) -> Cells:
    """A square at a random place, every channel of it moved up or down from the clean image."""
    inside = _square(clean, side, side, rng)
    moved = clean + _wide(radius) * _signs((*clean.shape[:3], 1, 1), clean, rng)
    return torch.where(inside, moved, at)


def tiles(clean: Cells, radius: PerSample, rng: Generator) -> Cells:
    """Bumps side by side, each channel of each with a random sign, of length ``radius``."""
    height, width = clean.shape[-2:]
    side = _odd(max(height, width) // 5)
    change = torch.zeros_like(clean)
    for top in range(0, height, side):
        for left in range(0, width, side):
            rows, columns = min(side, height - top), min(side, width - left)
            bump = _bump(rows, columns, clean) * _signs((*clean.shape[:3], 1, 1), clean, rng)
            change[..., top : top + rows, left : left + columns] = bump
    return clean + _wide(radius) * _unit(change)


def swap_bumps(clean: Cells, at: Cells, radius: PerSample, side: int, rng: Generator) -> Cells:
    """One square gets a bump, another is emptied and pays for it.

    Each channel of the first has the length of what both held, and its share of what the change is
    still shorter than ``radius``.
    """
    height, width = clean.shape[-2:]
    side = min(_odd(side), height, width)
    change = at - clean
    here, there = (_square(clean, side, side, rng) for _ in range(2))
    spare = (_wide(radius).square() - _squares(change)).clamp(min=0)
    held = (change.square() * (here | there)).sum((1, 3, 4), keepdim=True)  # of each channel
    length = (held + spare / clean.shape[2]).sqrt()
    bump = _unit(_bump(side, side, clean).expand(*clean.shape[:3], side, side))
    flip = torch.rand(len(clean), 1, 1, 1, 1, generator=rng) < 0.5
    bump = torch.where(flip, bump.transpose(-1, -2), bump)
    bump = bump * _signs((*clean.shape[:3], 1, 1), clean, rng)
    old = torch.where(here, change, 0)
    mixed = torch.zeros_like(clean).masked_scatter(here.expand_as(clean), bump) + old / _squares(
        old
    ).sqrt().clamp(min=1e-12)
    lengths = mixed.square().sum((1, 3, 4), keepdim=True).sqrt().clamp(min=1e-12)
    change = torch.where(there, 0, change)
    return clean + torch.where(here, mixed / lengths * length, change)


def _square(clean: Cells, height: int, width: int, rng: Generator) -> Tensor:
    """A rectangle at a random place of each sample, flags ``[N, 1, 1, H, W]``."""
    n, rows, columns = len(clean), clean.shape[-2], clean.shape[-1]
    height, width = min(height, rows), min(width, columns)
    top = torch.randint(rows - height + 1, (n, 1), generator=rng)
    left = torch.randint(columns - width + 1, (n, 1), generator=rng)
    row, column = torch.arange(rows), torch.arange(columns)
    down = (row >= top) & (row < top + height)
    across = (column >= left) & (column < left + width)
    return down.view(n, 1, 1, rows, 1) & across.view(n, 1, 1, 1, columns)


def _bump(height: int, width: int, like: Tensor) -> Tensor:
    """Two opposite hills ``[height, width]``, one above the other."""
    upper = height // 2
    return torch.cat([_hill(upper, width, like), -_hill(height - upper, width, like)])


def _hill(height: int, width: int, like: Tensor) -> Tensor:
    """Nested rectangles around the middle, the outermost with the least weight."""
    hill = torch.zeros(height, width).to(like)
    layers = max(height, width) // 2 + 1
    for k in range(layers):  # from the middle outwards
        rows = slice(max(0, height // 2 - k), height // 2 + k + 1)
        columns = slice(max(0, width // 2 - k), width // 2 + k + 1)
        hill[rows, columns] += 1.0 / (k + 1) ** 2
    return hill


def _signs(shape: tuple[int, ...], like: Tensor, rng: Generator) -> Tensor:
    return (2 * torch.randint(2, shape, generator=rng) - 1).to(like)


def _odd(side: int) -> int:
    side = max(3, side)
    return side + 1 - side % 2


def _unit(change: Tensor) -> Tensor:
    return change / _squares(change).sqrt().clamp(min=1e-12)


def _squares(change: Tensor) -> Tensor:
    return change.square().sum((1, 2, 3, 4), keepdim=True)


def _wide(radius: PerSample) -> Tensor:
    return radius.view(-1, 1, 1, 1, 1)
