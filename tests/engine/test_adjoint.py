"""The adjoint of a convolution is what autograd gives, in blocks or not."""

from __future__ import annotations

from itertools import product

import pytest
import torch
import torch.nn.functional as F

from spikeproof.engine.adjoint import Adjoint

KERNELS = [(1, 1), (3, 3), (5, 3), (4, 2)]
STRIDES = [(1, 1), (2, 2), (2, 1), (3, 3)]
PADDINGS = [(0, 0), (1, 1), (2, 1), (3, 0)]


@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize("size", [(1, 4), (5, 7), (8, 4), (9, 9)])
def test_every_geometry(channels, size):
    torch.manual_seed(0)
    tried = 0
    for kernel, stride, padding in product(KERNELS, STRIDES, PADDINGS):
        if any(n + 2 * p < k for n, k, p in zip(size, kernel, padding, strict=True)):
            continue
        x = torch.randn(2, channels, *size, requires_grad=True)
        weight = torch.randn(3, channels, *kernel)
        out = F.conv2d(x, weight, stride=stride, padding=padding)
        grad = torch.randn_like(out)
        (expected,) = torch.autograd.grad(out, x, grad)
        adjoint = Adjoint(weight, size, stride, padding, torch.float32)
        found = adjoint(grad.permute(0, 2, 3, 1).contiguous()).permute(0, 3, 1, 2)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        tried += 1
    assert tried >= 20
