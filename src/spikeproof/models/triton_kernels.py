"""The two loops of :mod:`spikeproof.models.scan`, fused for CUDA devices with Triton.

In plain PyTorch each time step is about a dozen launches that read and write all membranes. Here a
program owns a block of neurons of one sample and walks through its time bins with the membranes in
registers (Tillet, Kung & Cox, MAPL 2019, describe the language): forward reads the current and
writes potential and spike, backward reads gradient and potential and writes the gradient of the
current, 12 bytes for each neuron and bin. The arithmetic is that of the eager loops.

Import this module only where Triton is installed. With ``TRITON_INTERPRET=1`` set before the import
it runs on CPU tensors, slowly, which is how the tests do without a device.
"""

from __future__ import annotations

from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor

from spikeproof.models.kernels import ARCTAN, FAST_SIGMOID, PRECOMPUTED, TRIANGLE

BLOCK = 256  # neurons of a program: two for each thread of its four warps

_ARCTAN = tl.constexpr(ARCTAN)
_FAST_SIGMOID = tl.constexpr(FAST_SIGMOID)
_TRIANGLE = tl.constexpr(TRIANGLE)
_PRECOMPUTED = tl.constexpr(PRECOMPUTED)


def forward(current: Tensor, decay: float, threshold: float, hard: bool) -> tuple[Tensor, Tensor]:
    """Potentials and spikes of the contiguous ``current`` ``[N, T, F]``, both of its shape."""
    v, spikes = torch.empty_like(current), torch.empty_like(current)
    _, steps, units = current.shape
    if current.numel():
        with torch.cuda.device_of(current):  # type: ignore[no-untyped-call]
            _forward[programs(current)](
                current, v, spikes, steps, units, decay, threshold, hard, BLOCK
            )
    return v, spikes


def backward(
    grad: Tensor,
    v: Tensor,
    slope_of: Tensor,
    kind: int,
    slope: float,
    decay: float,
    threshold: float,
    hard: bool,
) -> Tensor:
    """The gradient ``[N, T, F]`` of the input current.

    ``slope_of`` is the surrogate derivative where ``kind`` is ``PRECOMPUTED``, else unused.
    """
    out = torch.empty_like(grad)
    _, steps, units = grad.shape
    if grad.numel():
        with torch.cuda.device_of(grad):  # type: ignore[no-untyped-call]
            _backward[programs(grad)](
                grad, v, slope_of, out, steps, units, slope, decay, threshold, kind, hard, BLOCK
            )
    return out


def programs(series: Tensor) -> tuple[int]:
    """How many programs a ``series`` ``[N, T, F]`` takes, one for each sample and block."""
    n, _, units = series.shape
    return (n * triton.cdiv(units, BLOCK),)


@no_type_check  # Triton compiles the plain function, not one wrapped in run-time checks
@triton.jit
def place(n_steps, n_units, block: tl.constexpr):
    """Where this program's neurons begin, which of the layer they are, and which of them exist."""
    blocks = tl.cdiv(n_units, block)
    item = tl.program_id(0)
    unit = (item % blocks) * block + tl.arange(0, block)
    start = (item // blocks).to(tl.int64) * n_steps * n_units  # large layers pass 2^31 cells
    return start + unit, unit, unit < n_units


@no_type_check
@triton.jit
def bump(u, slope, kind: tl.constexpr):
    """The surrogate derivative at ``u``, potential above threshold."""
    if kind == _ARCTAN:
        a = slope * u
        return 1.0 / (1.0 + a * a)
    elif kind == _FAST_SIGMOID:
        a = 1.0 + slope * tl.abs(u)
        return 1.0 / (a * a)
    else:
        tl.static_assert(kind == _TRIANGLE)
        return tl.maximum(0.0, 1.0 - slope * tl.abs(u))


@no_type_check
@triton.jit
def _forward(
    current,
    v,
    spikes,
    n_steps,
    n_units,
    decay,
    threshold,
    hard: tl.constexpr,
    block: tl.constexpr,
):
    at, _, real = place(n_steps, n_units, block)
    membrane = tl.zeros([block], tl.float32)
    for _ in range(n_steps):
        u = tl.load(current + at, mask=real, other=0.0) + decay * membrane
        fired = u >= threshold
        tl.store(v + at, u, mask=real)
        tl.store(spikes + at, fired.to(tl.float32), mask=real)
        membrane = tl.where(fired, 0.0 if hard else u - threshold, u)
        at += n_units


@no_type_check
@triton.jit
def _backward(
    grad,
    v,
    slope_of,
    out,
    n_steps,
    n_units,
    slope,
    decay,
    threshold,
    kind: tl.constexpr,
    hard: tl.constexpr,
    block: tl.constexpr,
):
    at, _, real = place(n_steps, n_units, block)
    at += (n_steps - 1) * n_units
    carried = tl.zeros([block], tl.float32)
    for _ in range(n_steps):
        g = tl.load(grad + at, mask=real, other=0.0)
        u = tl.load(v + at, mask=real, other=0.0)
        if kind == _PRECOMPUTED:
            h = tl.load(slope_of + at, mask=real, other=0.0)
        else:
            h = bump(u - threshold, slope, kind)
        if hard:
            carried = tl.where(u >= threshold, 0.0, carried)
        carried = g * h + decay * carried
        tl.store(out + at, carried, mask=real)
        at -= n_units
