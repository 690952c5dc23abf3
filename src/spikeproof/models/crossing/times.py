r"""A layer of neurons that integrate constant currents and spike once: their times, exactly.

The neuron of Mostafa (IEEE TNNLS 29(7), 2018) and Sakemi et al. (IEEE TNNLS 34(1), 2023), without
leak. Input ``j`` spikes at ``t_j`` and from then on sends a constant current ``w_ij``, so that the
membrane is a polyline, and neuron ``i`` spikes where it first reaches 1:

    v_i(t) = sum_j w_ij max(t - t_j, 0),        t_i = min { t : v_i(t) >= 1 }

With the causal set C_i, the inputs before ``t_i``, and the slope ``a_i = sum_{j in C_i} w_ij``,

    t_i = (1 + sum_{j in C_i} w_ij t_j) / a_i,

and as C_i does not change when anything moves a little, the derivatives are exact:

    dt_i/dw_ij = (t_j - t_i) / a_i,    dt_i/dt_j = w_ij / a_i    for j in C_i, else 0.

Where a maximum of the membrane just touches the threshold, ``t_i`` jumps; no derivative tells. Nor
does it tell of an input that spikes just after ``t_i`` and would matter just before. An attack has
to see those: with a ``reach``, inputs up to so long after the spike have the derivative that they
would have in C_i. (The derivative of weights stays exact.)

The network is read at ``end``. Who has not reached 1 by then does not spike; what is missing is
given as a time beyond the end, which no later layer hears, but a loss can see:

    t_i = end + 1 - v_i(end),    dt_i/dw_ij = t_j - end,    dt_i/dt_j = w_ij    for t_j < end

It joins continuously where the membrane reaches 1 at the end, and has a gradient that wakes silent
neurons. (A published alternative is a penalty on small sums of weights.)

The maximum of a polyline is at one of its corners. So with inputs sorted by time one pass over them
finds the crossing: the membrane moves on by ``a dt``, and an input adds its weight to ``a``. Inputs
that share the latest time (black pixels) are no work: with them ``a`` is the sum of all weights,
and what they add to the gradient of the weights is a product of matrices.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spikeproof.models.crossing import kernels
from spikeproof.models.kernels import as_array, share_threads

_AT_ONCE = 1 << 22  # numbers of [N, J, I] in plain PyTorch: a few arrays of 16 MiB


def crossing_times(times: Tensor, weight: Tensor, end: float, *, reach: float = 0.0) -> Tensor:
    """Times ``[N, I]`` of neurons with ``weight`` ``[I, J]`` whose inputs spike at ``[N, J]``.

    Times are 0 or later, those at or after ``end`` are no spikes. Gradients of ``times`` are exact
    for ``reach`` 0. Float32 on the CPU takes compiled loops, everything else plain PyTorch.
    """
    out: Tensor = _Crossing.apply(times, weight, end, reach)  # type: ignore[no-untyped-call]
    return out


class _Crossing(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, times: Tensor, weight: Tensor, end: float, reach: float) -> Tensor:
        ctx.reach = reach
        ctx.compiled = times.dtype == torch.float32 and times.device.type == "cpu"
        rows = weight.t().contiguous()  # [J, I]: one input's weights lie together
        due, slope = (_forward_compiled if ctx.compiled else _forward_eager)(times, rows, end)
        ctx.save_for_backward(times, rows, due.clamp(max=end), slope)
        return due

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        times, rows, until, slope = ctx.saved_tensors
        pull = (grads[0] / slope).contiguous()
        by_times, by_weight = _COMPILED if ctx.compiled else _EAGER
        return (
            by_times(times, rows, until + ctx.reach, pull) if ctx.needs_input_grad[0] else None,
            by_weight(times, until, pull).t() if ctx.needs_input_grad[1] else None,
            None,
            None,
        )


def _forward_compiled(times: Tensor, rows: Tensor, end: float) -> tuple[Tensor, Tensor]:
    at, order = times.sort(dim=1, stable=True)
    due = times.new_empty(len(times), rows.shape[1])
    slope = torch.empty_like(due)
    share_threads()
    given = (as_array(at), order.numpy(), as_array(rows), as_array(rows.sum(0)))
    kernels.forward(*given, end, as_array(due), as_array(slope))
    return due, slope


def _forward_eager(times: Tensor, rows: Tensor, end: float) -> tuple[Tensor, Tensor]:
    found = [_polyline(part, rows, end) for part in torch.split(times, _chunk(rows))]
    due, slope = zip(*found, strict=True)
    return torch.cat(due), torch.cat(slope)


def _polyline(times: Tensor, rows: Tensor, end: float) -> tuple[Tensor, Tensor]:
    """The membranes at all their corners ``[N, J, I]``, and where they first reach 1."""
    at, order = times.clamp(max=end).sort(dim=1, stable=True)
    corner = torch.cat([at[:, 1:], at.new_full((len(at), 1), end)], 1).unsqueeze(2)
    at = at.unsqueeze(2)
    a = rows[order].cumsum(1)  # slope after each input
    v = (a * (corner - at)).cumsum(1)  # at the next corner
    reached = v >= 1
    first = reached.to(torch.uint8).argmax(1, keepdim=True)

    def then(x: Tensor) -> Tensor:
        return x.expand_as(v).gather(1, first).squeeze(1)

    a_then = then(a)
    crossed = torch.maximum(then(corner) - (then(v) - 1) / a_then, then(at))
    spiked = reached.any(1)
    silent = end + (1 - v[:, -1])
    return torch.where(spiked, crossed, silent), torch.where(spiked, a_then, 1.0)


def _grad_times_compiled(times: Tensor, rows: Tensor, until: Tensor, pull: Tensor) -> Tensor:
    out = torch.empty_like(times)
    share_threads()
    kernels.grad_times(*(as_array(x) for x in (times, rows, until, pull, out)))
    return out


def _grad_weight_compiled(times: Tensor, until: Tensor, pull: Tensor) -> Tensor:
    latest = times.amax(1, keepdim=True)
    out = (times == latest).to(times).t() @ (pull * (latest - until).clamp(max=0))
    share_threads()
    kernels.grad_weight(*(as_array(x) for x in (times, latest.squeeze(1), until, pull, out)))
    return out


def _grad_times_eager(times: Tensor, rows: Tensor, until: Tensor, pull: Tensor) -> Tensor:
    chunks = zip(*(torch.split(x, _chunk(rows)) for x in (times, until, pull)), strict=True)
    return torch.cat(
        [((t.unsqueeze(2) < u.unsqueeze(1)) * rows * p.unsqueeze(1)).sum(2) for t, u, p in chunks]
    )


def _grad_weight_eager(times: Tensor, until: Tensor, pull: Tensor) -> Tensor:
    out = times.new_zeros(times.shape[1], until.shape[1])
    chunks = zip(*(torch.split(x, _chunk(out)) for x in (times, until, pull)), strict=True)
    for t, u, p in chunks:
        out += ((t.unsqueeze(2) - u.unsqueeze(1)).clamp(max=0) * p.unsqueeze(1)).sum(0)
    return out


_COMPILED = _grad_times_compiled, _grad_weight_compiled
_EAGER = _grad_times_eager, _grad_weight_eager


def _chunk(rows: Tensor) -> int:
    """Samples that plain PyTorch takes at once."""
    return max(1, _AT_ONCE // rows.numel())
