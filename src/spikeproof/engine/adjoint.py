r"""From gradients of a weighted layer's currents to gradients of its inputs.

The adjoint of a convolution is a convolution with the kernel turned round,

.. math:: \partial L/\partial x_{c,y} = \sum_{o,k} w_{o,c,k} \; \delta_{o,\,y+p-k}.

The first layer has few inputs (two polarities), and a convolution with two output channels leaves
most lanes of the processor idle. There the gradients of a block of :math:`b \times b` pixels are
computed at once, as :math:`2 b^2` channels of a convolution with stride :math:`b` and a kernel
larger by :math:`b - 1`, and laid out side by side afterwards.
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
        self.size, self.stride, self.padding = size, stride, padding
        n_out, n_in, *kernel = weight.shape
        self._whole = tuple(kernel) == size and padding == (0, 0)
        self._plain = stride != (1, 1) or any(
            p > k - 1 for p, k in zip(padding, kernel, strict=True)
        )
        self._block = 2 if 4 * n_in <= _LANES and min(size) > 1 else 1
        self._weight = weight.to(dtype)
        if self._whole:
            self._weight = self._weight.permute(0, 2, 3, 1).reshape(n_out, -1)
        elif not self._plain:
            self._weight = _in_blocks(self._weight, self._block)
            self._weight = self._weight.contiguous(memory_format=torch.channels_last)

    def __call__(self, delta: Tensor) -> Tensor:
        """``[B, H, W, I]`` from ``[B, Ho, Wo, O]``."""
        n_in = self._weight.shape[1] if self._plain else 0
        if self._whole:
            return (delta.flatten(1) @ self._weight).view(len(delta), *self.size, -1)
        delta = delta.permute(0, 3, 1, 2)
        if self._plain:
            spare = [
                n - ((d - 1) * s - 2 * p + k)
                for n, d, s, p, k in zip(
                    self.size,
                    delta.shape[2:],
                    self.stride,
                    self.padding,
                    self._weight.shape[2:],
                    strict=True,
                )
            ]
            out = F.conv_transpose2d(
                delta,
                self._weight,
                stride=self.stride,
                padding=self.padding,
                output_padding=spare,
            )
            return out.permute(0, 2, 3, 1).reshape(len(delta), *self.size, n_in)
        b = self._block
        pads, skipped = [], []
        for n, d, k, p in zip(
            self.size, delta.shape[2:], self._weight.shape[2:], self.padding, strict=True
        ):
            pad = k - b - p  # k is that of the enlarged kernel
            rows = (d + 2 * pad - k) // b + 1
            skipped.append(int(rows * b < n))  # then begin one block earlier, to reach the end
            pads.append(pad + b * skipped[-1])
        out = F.conv2d(delta, self._weight, stride=b, padding=pads)[
            :, :, skipped[0] :, skipped[1] :
        ]
        out = out.permute(0, 2, 3, 1)  # [B, Hb, Wb, b*b*I]
        if b > 1:
            out = out.reshape(*out.shape[:3], b, b, -1).permute(0, 1, 3, 2, 4, 5)
            out = out.flatten(3, 4).flatten(1, 2)
        return out[:, : self.size[0], : self.size[1]]


def _in_blocks(weight: Tensor, block: int) -> Tensor:
    """Kernel ``[b*b*I, O, kh+b-1, kw+b-1]`` of the adjoint in blocks of ``block`` pixels."""
    turned = weight.flip(2, 3).transpose(0, 1)  # [I, O, kh, kw]
    places = []
    for row in range(block):
        for column in range(block):
            rest = block - 1 - row, block - 1 - column
            places.append(F.pad(turned, (column, rest[1], row, rest[0])))
    return torch.cat(places)
