"""What networks are made of: weighted layers, pooling, dropout and branches, over all time bins.

All take and give ``[N, T, ...]``. Weighted layers and poolings see time folded into the batch; only
the neurons run along time.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Weighted(nn.Module):
    """A convolution or linear layer with optional batch norm, then a non-linearity.

    ``forward`` maps ``[N, T, ...]`` to ``[N, T, ...]``. In evaluation mode the batch norm is
    folded into the weights, which saves a pass over memory, and what is one bin seen many times
    (a tensor expanded along T, as of a constant current) is weighted once.
    """

    def __init__(self, weight: nn.Conv2d | nn.Linear, norm: bool, activation: nn.Module) -> None:
        super().__init__()
        self.weight = weight
        channels = weight.weight.shape[0]
        self.norm = _OverTime(channels) if norm else None
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Output ``[N, T, C, H, W]`` or ``[N, T, F]``."""
        if isinstance(self.weight, nn.Linear):
            x = x.flatten(2)
        n, steps = x.shape[:2]
        steady = steps > 1 and x.stride(1) == 0 and not self.training
        if steady:
            x = x[:, :1]
        y = x.flatten(0, 1)  # [N*T, ...]
        if self.norm is None:
            y = self.weight(y)
        elif self.training:
            y = self.norm(self.weight(y))
        else:
            y = self._folded(y)
        y = y.unflatten(0, (n, x.shape[1]))  # type: ignore[no-untyped-call]
        if steady:
            y = y.expand(-1, steps, *y.shape[2:])
        out: Tensor = self.activation(y)
        return out

    def _folded(self, y: Tensor) -> Tensor:
        assert self.norm is not None
        scale, shift = self.norm.scale_and_shift()
        kernel = self.weight.weight
        kernel = kernel * scale.view(-1, *[1] * (kernel.dim() - 1))
        bias = shift if self.weight.bias is None else self.weight.bias * scale + shift
        if isinstance(self.weight, nn.Conv2d):
            return F.conv2d(y, kernel, bias, self.weight.stride, self.weight.padding)
        return F.linear(y, kernel, bias)


class _OverTime(nn.BatchNorm2d):
    """Batch norm whose statistics run over samples, time and space together."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (2, 4):
            raise ValueError(f"expected [N*T, C] or [N*T, C, H, W], got {list(input.shape)}")

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Scale and shift per channel that evaluation mode applies."""
        assert self.running_mean is not None
        assert self.running_var is not None
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        return scale, self.bias - self.running_mean * scale


class Pooling(nn.Module):
    """Average or maximum over non-overlapping squares, in each time bin."""

    def __init__(self, size: int, maximum: bool) -> None:
        super().__init__()
        self.size, self.maximum = size, maximum

    def forward(self, x: Tensor) -> Tensor:
        """``[N, T, C, H // size, W // size]`` from ``[N, T, C, H, W]``."""
        pool = F.max_pool2d if self.maximum else F.avg_pool2d
        y: Tensor = pool(x.flatten(0, 1), self.size)
        return y.unflatten(0, x.shape[:2])  # type: ignore[no-any-return,no-untyped-call]

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"size={self.size}, maximum={self.maximum}"


class Dropped(nn.Module):
    """One mask per sample, the same in all time bins (a unit is there or is not)."""

    def __init__(self, percent: int) -> None:
        super().__init__()
        self.keep = 1.0 - percent / 100

    def forward(self, x: Tensor) -> Tensor:
        """``x`` ``[N, T, ...]``, unchanged in evaluation mode."""
        if not self.training:
            return x
        mask = torch.empty_like(x[:, :1]).bernoulli_(self.keep).div_(self.keep)
        return x * mask


class Joined(nn.Module):
    """Branches on one input, whose features or channels are put side by side."""

    def __init__(self, branches: Iterable[Iterable[nn.Module]]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*branch) for branch in branches)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, T, sum of C, ...]`` from ``[N, T, ...]``."""
        return torch.cat([branch(x) for branch in self.branches], 2)
