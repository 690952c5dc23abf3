"""The two loops of :mod:`spikeproof.models.dynamics`, fused for CUDA devices with Triton.

Like :mod:`spikeproof.models.triton_kernels`, but with constants per neuron, which a program loads
once, and the resets of other frameworks. ``constants`` is ``[6, F]``: gain, bias, decay, threshold,
jump and floor of each neuron.
"""

from __future__ import annotations

from typing import TypeAlias, no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor

from spikeproof.models.dynamics_kernels import LINEAR
from spikeproof.models.kernels import PRECOMPUTED
from spikeproof.models.triton_kernels import BLOCK, bump, place, programs

Flags: TypeAlias = tuple[bool, bool, bool, bool]
"""Strict, multiple, forgets and erases, as in :mod:`spikeproof.models.dynamics`."""

_LINEAR = tl.constexpr(LINEAR)
_PRECOMPUTED = tl.constexpr(PRECOMPUTED)


def forward(
    current: Tensor,
    constants: Tensor,
    start: Tensor,
    flags: Flags,
    v: Tensor,
    spikes: Tensor,
) -> None:
    """Fill ``v`` and ``spikes`` ``[N, T, F]`` from ``current``; ``start`` ``[F]`` is decayed."""
    _, steps, units = current.shape
    if current.numel():
        with torch.cuda.device_of(current):  # type: ignore[no-untyped-call]
            _forward[programs(current)](
                current, constants, start, v, spikes, steps, units, *flags, BLOCK
            )


def backward(
    grad: Tensor,
    v: Tensor,
    slope_of: Tensor,
    kind: int,
    slope: float,
    constants: Tensor,
    flags: Flags,
    out: Tensor,
) -> None:
    """Fill ``out`` ``[N, T, F]`` with the gradient of the input current.

    ``slope_of`` is the surrogate derivative where ``kind`` is ``PRECOMPUTED``, else unused.
    """
    _, steps, units = grad.shape
    if grad.numel():
        with torch.cuda.device_of(grad):  # type: ignore[no-untyped-call]
            _backward[programs(grad)](
                grad, v, slope_of, constants, out, steps, units, slope, kind, *flags, BLOCK
            )


@no_type_check  # Triton compiles the plain function, not one wrapped in run-time checks
@triton.jit
def _spikes(u, threshold, strict: tl.constexpr, multiple: tl.constexpr):
    s = (u > threshold if strict else u >= threshold).to(tl.float32)
    return s * tl.maximum(1.0, tl.floor(u / threshold)) if multiple else s


@no_type_check
@triton.jit
def _forward(
    current,
    constants,
    start,
    v,
    spikes,
    n_steps,
    n_units,
    strict: tl.constexpr,
    multiple: tl.constexpr,
    forgets: tl.constexpr,
    erases: tl.constexpr,
    block: tl.constexpr,
):
    at, unit, real = place(n_steps, n_units, block)
    row = constants + unit
    gain = tl.load(row, mask=real, other=0.0)
    bias = tl.load(row + n_units, mask=real, other=0.0)
    decay = tl.load(row + 2 * n_units, mask=real, other=0.0)
    threshold = tl.load(row + 3 * n_units, mask=real, other=1.0)
    jump = tl.load(row + 4 * n_units, mask=real, other=0.0)
    floor = tl.load(row + 5 * n_units, mask=real, other=0.0)
    carried = tl.load(start + unit, mask=real, other=0.0)
    admitted = tl.full([block], 1.0, tl.float32)
    for _ in range(n_steps):
        u = carried + admitted * (gain * tl.load(current + at, mask=real, other=0.0) + bias)
        s = _spikes(u, threshold, strict, multiple)
        tl.store(v + at, u, mask=real)
        tl.store(spikes + at, s, mask=real)
        kept = tl.where(s > 0, 0.0, decay * u) if forgets else decay * u
        carried = tl.maximum(floor, kept + jump * s)
        if erases:
            admitted = tl.where(s > 0, 0.0, 1.0)
        at += n_units


@no_type_check
@triton.jit
def _backward(
    grad,
    v,
    slope_of,
    constants,
    out,
    n_steps,
    n_units,
    slope,
    kind: tl.constexpr,
    strict: tl.constexpr,
    multiple: tl.constexpr,
    forgets: tl.constexpr,
    erases: tl.constexpr,
    block: tl.constexpr,
):
    at, unit, real = place(n_steps, n_units, block)
    row = constants + unit
    gain = tl.load(row, mask=real, other=0.0)
    decay = tl.load(row + 2 * n_units, mask=real, other=0.0)
    threshold = tl.load(row + 3 * n_units, mask=real, other=1.0)
    jump = tl.load(row + 4 * n_units, mask=real, other=0.0)
    floor = tl.load(row + 5 * n_units, mask=real, other=0.0)
    at += (n_steps - 1) * n_units
    carried = tl.zeros([block], tl.float32)
    u = tl.load(v + at, mask=real, other=0.0)
    for back in range(n_steps):
        g = tl.load(grad + at, mask=real, other=0.0)
        if kind == _PRECOMPUTED:
            g *= tl.load(slope_of + at, mask=real, other=0.0)
        elif kind != _LINEAR:
            g *= bump(u - threshold, slope, kind)
        s = _spikes(u, threshold, strict, multiple)
        passed = tl.where(s > 0, 0.0, decay) if forgets else decay
        passed = tl.where(passed * u + jump * s > floor, passed, 0.0)
        carried = g + passed * carried
        given = gain * carried
        u = tl.load(v + at - n_units, mask=real & (back < n_steps - 1), other=0.0)  # the bin before
        if erases:
            fired = (_spikes(u, threshold, strict, multiple) > 0) & (back < n_steps - 1)
            given = tl.where(fired, 0.0, given)
        tl.store(out + at, given, mask=real)
        at -= n_units
