"""Random views of binned recordings, for training on few of them.

Each sample is shifted, rotated, scaled and smoothly warped on the sensor (the warp is the elastic
deformation of Simard et al., ICDAR 2003), and loses a random share of its active cells. Cells are
moved, never mixed: the nearest source cell is taken, so binary grids stay binary. Intensities of
images are interpolated (``smooth``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from spikeproof.types import Cells


@dataclass(frozen=True)
class Augment:
    """Ranges of the random views; each value is the largest deviation either way.

    ``shift`` and ``warp`` in pixels, ``rotate`` in degrees, ``scale`` as a share of the size,
    ``drop`` the largest share of active cells that is lost. A ``share`` of the samples is seen so,
    drawn anew each time; the others stay as they are.
    """

    shift: float = 2.0
    rotate: float = 12.0
    scale: float = 0.12
    warp: float = 1.5
    drop: float = 0.2
    share: float = 1.0
    smooth: bool = False

    def __call__(self, cells: Cells, rng: Generator) -> Cells:
        """A random view of each sample of ``cells`` ``[N, T, P, H, W]``, same shape."""
        if self.share >= 1:
            return self._view(cells, rng)
        some = (torch.rand(len(cells), generator=rng) < self.share).nonzero().squeeze(1)
        if not len(some):
            return cells
        return cells.index_copy(0, some.to(cells.device), self._view(cells[some], rng))

    def _view(self, cells: Cells, rng: Generator) -> Cells:
        n, t, p, h, w = cells.shape
        points = self._points(n, h, w, rng).to(cells.device)
        mode = "bilinear" if self.smooth else "nearest"
        view = F.grid_sample(
            cells.reshape(n, t * p, h, w), points, mode=mode, align_corners=False
        ).view_as(cells)
        lost = self.drop * torch.rand(n, 1, 1, 1, 1, generator=rng)
        return view * (torch.rand(cells.shape, generator=rng) >= lost).to(view)

    def _points(self, n: int, h: int, w: int, rng: Generator) -> Tensor:
        """Where each output pixel is read from, ``[N, H, W, 2]`` in grid_sample's units."""

        def either_way(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=rng) * 2 - 1

        angle = either_way(n) * math.radians(self.rotate)
        size = 1 + either_way(n, 2) * self.scale
        matrix = torch.stack(
            [
                torch.stack([angle.cos() * size[:, 0], -angle.sin() * size[:, 1] * (h / w)], -1),
                torch.stack([angle.sin() * size[:, 0] * (w / h), angle.cos() * size[:, 1]], -1),
            ],
            1,
        )  # [N, 2, 2]
        per_pixel = torch.tensor([2 / w, 2 / h])
        move = either_way(n, 2) * self.shift * per_pixel
        affine = torch.cat([matrix, move.unsqueeze(-1)], -1)
        points = F.affine_grid(affine, [n, 1, h, w], align_corners=False)
        field = F.interpolate(either_way(n, 2, 4, 4), (h, w), mode="bicubic", align_corners=True)
        return points + field.permute(0, 2, 3, 1) * self.warp * per_pixel
