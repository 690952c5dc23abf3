r"""From gradients of a weighted layer's currents to gradients of its inputs.

The adjoint of a convolution is a convolution with the kernel turned round,

.. math:: \partial L/\partial x_{c,y} = \sum_{o,k} w_{o,c,k} \; \delta_{o,\,y+p-k}.

The first layer has few inputs (two polarities), and a convolution with two output channels leaves
most lanes of the processor idle. There the gradients of a block of :math:`b \times b'` pixels are
computed at once, as :math:`2 b b'` channels of a convolution with that stride and a kernel larger
by :math:`b - 1` and :math:`b' - 1`, and laid out side by side afterwards.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_LANES = 16  # of float32 in the widest registers there are


class Adjoint:
    """That of a layer with ``weight`` ``[O, I, kh, kw]`` on inputs of ``size`` (rows, columns)."""

    def __init__(
        self,
        weight: Tensor,
        size: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int],
        dtype: torch.dtype,
    ) -> None:
        self._size, self._stride, self._padding = size, stride, padding
        self._kernel = weight.shape[2:]
        self._n_in, weight = weight.shape[1], weight.to(dtype)
        self._call = self._in_blocks
        if tuple(self._kernel) == size and padding == (0, 0):
            self._call = self._at_once
            weight = weight.permute(0, 2, 3, 1).reshape(len(weight), -1)
        elif stride != (1, 1) or any(p >= k for p, k in zip(padding, self._kernel, strict=True)):
            self._call = self._transposed
        else:
            self._block = _block(self._n_in)
            weight = _enlarged(weight, self._block)
            weight = weight.contiguous(memory_format=torch.channels_last)
        self._weight = weight

    def __call__(self, delta: Tensor) -> Tensor:
        """``[B, H, W, I]`` from ``[B, Ho, Wo, O]``."""
        return self._call(delta)

    def _at_once(self, delta: Tensor) -> Tensor:
        return (delta.flatten(1) @ self._weight).view(len(delta), *self._size, -1)

    def _transposed(self, delta: Tensor) -> Tensor:
        delta = delta.permute(0, 3, 1, 2)
        axes = (self._size, delta.shape[2:], self._stride, self._padding, self._kernel)
        spare = [n - ((d - 1) * s - 2 * p + k) for n, d, s, p, k in zip(*axes, strict=True)]
        out = F.conv_transpose2d(
            delta,
            self._weight,
            stride=self._stride,
            padding=self._padding,
            output_padding=spare,
        )
        return out.permute(0, 2, 3, 1)

    def _in_blocks(self, delta: Tensor) -> Tensor:
        delta, (rows, cols) = delta.permute(0, 3, 1, 2), self._size
        axes = (self._size, delta.shape[2:], self._kernel, self._padding, self._block)
        fits = [_pad_and_crop(*axis) for axis in zip(*axes, strict=True)]
        (top, left), pads = (early for _, early in fits), [pad for pad, _ in fits]
        out = F.conv2d(delta, self._weight, stride=self._block, padding=pads)
        if self._block == (1, 1):
            return out.permute(0, 2, 3, 1)
        b, c = self._block
        n, _, high, wide = out.shape
        whole = out.new_empty(n, self._n_in, high * b, wide * c)  # [B, I, H, W], blocks laid out
        out = out.view(n, b, c, self._n_in, high, wide).permute(0, 3, 4, 1, 5, 2)
        whole.view(n, self._n_in, high, b, wide, c).copy_(out)
        return whole[:, :, top : top + rows, left : left + cols].permute(0, 2, 3, 1)


def _block(n_in: int) -> tuple[int, int]:
    """Rows and columns of pixels whose gradients fit into one register."""
    pixels = _LANES // n_in
    return (4, 2) if pixels >= 8 else (2, 2) if pixels >= 4 else (1, 1)


def _pad_and_crop(n: int, n_out: int, kernel: int, padding: int, block: int) -> tuple[int, int]:
    """Padding that makes blocks reach the last pixel, and how many come before the first."""
    early = 0
    while True:
        pad = kernel - 1 - padding + early
        blocks = (n_out + 2 * pad - (kernel + block - 1)) // block + 1
        if blocks * block - early >= n:
            return pad, early
        early += 1


def _enlarged(weight: Tensor, block: tuple[int, int]) -> Tensor:
    """Kernel ``[b*b'*I, O, kh+b-1, kw+b'-1]`` of the adjoint in blocks of pixels."""
    turned = weight.flip(2, 3).transpose(0, 1)  # [I, O, kh, kw]
    places = []
    for row in range(block[0]):
        for column in range(block[1]):
            rest = block[0] - 1 - row, block[1] - 1 - column
            places.append(F.pad(turned, (column, rest[1], row, rest[0])))
    return torch.cat(places)
