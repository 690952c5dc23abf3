"""Images that show none of the classes: noise, and what is left of images that were taken apart.

A classifier without a class for "none of these" must call them something. :data:`STRANGE` makes
them from a set of images, as many and of the same size, all in [0, 1]:

=============  ===================================================================
``uniform``    every pixel is uniform noise
``gaussian``   every pixel is normal around 0.5, with standard deviation 0.25, cut to [0, 1]
``sparse``     black, a random share of pixels (up to half of them) white
``clouds``     smooth noise: a grid of 4x4 uniform values, interpolated
``waves``      a sine wave of random direction, length and phase
``shuffled``   the pixels of each image in random order; its histogram stays
``blocks``     an image in 4x4 blocks, in random order
``mixed``      the mean of two images of different classes
``inverted``   black for white
=============  ===================================================================
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from spikeproof.errors import InvalidRecording
from spikeproof.images.set import Images

Maker: TypeAlias = Callable[[Images, Generator], Tensor]

_BLOCKS = 4  # to a side


def _uniform(images: Images, rng: Generator) -> Tensor:
    return torch.rand(images.x.shape, generator=rng)


def _gaussian(images: Images, rng: Generator) -> Tensor:
    return (0.5 + 0.25 * torch.randn(images.x.shape, generator=rng)).clamp_(0, 1)


def _sparse(images: Images, rng: Generator) -> Tensor:
    share = torch.rand(len(images), 1, 1, 1, 1, generator=rng) / 2
    return (torch.rand(images.x.shape, generator=rng) < share).to(images.x)


def _clouds(images: Images, rng: Generator) -> Tensor:
    n, _, channels, *size = images.x.shape
    coarse = torch.rand(n, channels, 4, 4, generator=rng)
    fine = F.interpolate(coarse, size, mode="bilinear", align_corners=True)
    return fine.unsqueeze(1)


def _waves(images: Images, rng: Generator) -> Tensor:
    n, _, _, height, width = images.x.shape
    angle, phase = (2 * math.pi * torch.rand(2, n, 1, 1, generator=rng)).unbind()
    per_pixel = 2 * math.pi / (3 + (max(height, width) - 3) * torch.rand(n, 1, 1, generator=rng))
    rows, columns = torch.arange(height).view(-1, 1), torch.arange(width)
    along = rows * angle.sin() + columns * angle.cos()  # [N, H, W]
    wave = 0.5 + 0.5 * (per_pixel * along + phase).sin()
    return wave.view(n, 1, 1, height, width).expand(images.x.shape).contiguous()


def _shuffled(images: Images, rng: Generator) -> Tensor:
    n, _, _, height, width = images.x.shape
    order = torch.rand(n, 1, 1, height * width, generator=rng).argsort(-1)
    pixels = images.x.flatten(3)
    return pixels.gather(3, order.expand_as(pixels)).view(images.x.shape)


def _blocks(images: Images, rng: Generator) -> Tensor:
    n, _, channels, height, width = images.x.shape
    rows, columns = height // _BLOCKS, width // _BLOCKS
    if not rows or not columns:
        raise InvalidRecording(f"images of {height}x{width} are too small for {_BLOCKS} blocks")
    whole = images.x[..., : rows * _BLOCKS, : columns * _BLOCKS]
    parts = whole.reshape(n, channels, _BLOCKS, rows, _BLOCKS, columns).transpose(3, 4)
    parts = parts.reshape(n, channels, _BLOCKS**2, rows * columns)
    order = torch.rand(n, 1, _BLOCKS**2, 1, generator=rng).argsort(2)
    parts = parts.gather(2, order.expand_as(parts))
    parts = parts.view(n, channels, _BLOCKS, _BLOCKS, rows, columns).transpose(3, 4)
    out = images.x.clone()
    out[..., : rows * _BLOCKS, : columns * _BLOCKS] = parts.reshape(whole.shape)
    return out


def _mixed(images: Images, rng: Generator) -> Tensor:
    n, most = len(images), int(images.labels.bincount().max())
    if 2 * most > n:
        raise InvalidRecording("more than half of the images are of one class; mix fewer of them")
    by_class = images.labels.argsort(stable=True)
    # No class is longer than `most`, so a partner at least that far off, either way, is of another.
    ahead = most + torch.randint(n - 2 * most + 1, (n,), generator=rng)
    partner = torch.empty_like(by_class)
    partner[by_class] = by_class[(torch.arange(n) + ahead) % n]
    return (images.x + images.x[partner]) / 2


def _inverted(images: Images, rng: Generator) -> Tensor:
    return 1 - images.x


def resized(x: Tensor, like: Tensor) -> Tensor:
    """Images ``[N, 1, C, H, W]`` in the size and number of channels of ``like``.

    Colours become their mean, grey becomes three equal colours, pixels are interpolated.
    """
    channels, *size = like.shape[2:]
    grey = x if x.shape[2] == channels else x.mean(2, keepdim=True)
    if list(x.shape[3:]) != size:
        grey = F.interpolate(
            grey.squeeze(1), size, mode="bilinear", align_corners=False, antialias=True
        ).unsqueeze(1)
    return grey.expand(-1, -1, channels, -1, -1).clamp(0, 1)


STRANGE: dict[str, Maker] = {
    "uniform": _uniform,
    "gaussian": _gaussian,
    "sparse": _sparse,
    "clouds": _clouds,
    "waves": _waves,
    "shuffled": _shuffled,
    "blocks": _blocks,
    "mixed": _mixed,
    "inverted": _inverted,
}
"""From the name of a kind to what makes such images of a set and a generator."""
