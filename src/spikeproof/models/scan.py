r"""A layer of spiking neurons over time, as one differentiable function.

With input current :math:`I_t`, membrane :math:`m`, decay :math:`\lambda` and threshold
:math:`\theta` (Neftci, Mostafa & Zenke, IEEE SPM 36(6), 2019):

.. math::
    u_t = \lambda m_{t-1} + I_t, \qquad s_t = [u_t \ge \theta], \qquad
    m_t = \begin{cases} u_t (1 - s_t) & \text{hard reset} \\
                        u_t - \theta s_t & \text{soft reset} \end{cases}

Backwards, with the surrogate derivative :math:`h` and the reset itself not differentiated (Zenke
& Vogels, Neural Computation 33(4), 2021, show that this trains better):

.. math::
    \delta_t = g_t\, h(u_t - \theta) + \lambda\, \delta_{t+1} \cdot
               \begin{cases} 1 - s_t \\ 1 \end{cases}, \qquad
    \partial L / \partial I_t = \delta_t, \qquad
    \partial L / \partial \lambda = \sum_t \delta_t\, m_{t-1}

A :data:`~spikeproof.models.surrogate.Rule` takes the place of this recursion, in plain PyTorch; it
gives no gradient to a learned decay.

State begins at zero inside the call, so nothing survives from one input to the next.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spikeproof.models import kernels
from spikeproof.models.backend import backend_for
from spikeproof.models.surrogate import Bump, Rule, Surrogate

Reset = Literal["hard", "soft"]


def scan(
    current: Tensor,
    decay: Tensor | float,
    *,
    threshold: float,
    reset: Reset,
    surrogate: Surrogate,
) -> Tensor:
    """Spikes ``[N, T, ...]`` (0/1) of neurons driven by ``current`` ``[N, T, ...]``.

    ``decay`` is a number or a scalar tensor (differentiable). Float32 tensors take compiled loops
    (:mod:`spikeproof.models.backend`), everything else plain PyTorch.
    """
    if isinstance(decay, Tensor):  # a number stays where it is: on a GPU, asking for it back waits
        decay = decay.to(current)
    out: Tensor = _Scan.apply(current, decay, threshold, reset == "hard", surrogate)  # type: ignore[no-untyped-call]
    return out


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        current: Tensor,
        decay: Tensor | float,
        threshold: float,
        hard: bool,
        surrogate: Surrogate,
    ) -> Tensor:
        series, restore = time_series(current)
        rate, backend = float(decay), backend_for(series)
        v, spikes = _LOOPS[backend][0](series, rate, threshold, hard)
        ctx.save_for_backward(v, *((series,) if isinstance(surrogate, Rule) else ()))
        ctx.settings = rate, threshold, hard, surrogate, backend, restore
        return restore(spikes)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        v, *current = ctx.saved_tensors
        rate, threshold, hard, surrogate, backend, restore = ctx.settings
        grad = like_series(grads[0], restore)
        if isinstance(surrogate, Rule):
            delta = surrogate.backward(grad, current[0], v, rate, threshold)
            return restore(delta), None, None, None, None
        delta = _LOOPS[backend][1](grad, v, rate, threshold, hard, surrogate, restore)
        grad_decay = None
        if ctx.needs_input_grad[1]:
            spikes = (v >= threshold).to(v.dtype)
            membrane = v * (1 - spikes) if hard else v - threshold * spikes
            grad_decay = (delta[:, 1:] * membrane[:, :-1]).sum()
        return restore(delta), grad_decay, None, None, None


class Restore:
    """Brings a ``[N, T, F]`` series back to the shape and memory order it was taken from."""

    def __init__(self, shape: torch.Size, channels_last: bool) -> None:
        self.shape, self.channels_last = shape, channels_last

    def __call__(self, series: Tensor) -> Tensor:
        """``series`` in the shape and memory order of the original."""
        if not self.channels_last:
            return series.view(self.shape)
        n, t, c, *space = self.shape
        return series.view(n, t, *space, c).movedim(-1, 2)


def time_series(x: Tensor) -> tuple[Tensor, Restore]:
    """``[N, T, F]`` in memory order, without a copy where the layout allows it."""
    if x.dim() > 3 and x.movedim(2, -1).is_contiguous():
        return x.movedim(2, -1).flatten(2), Restore(x.shape, channels_last=True)
    return x.contiguous().flatten(2), Restore(x.shape, channels_last=False)


def like_series(grad: Tensor, restore: Restore) -> Tensor:
    """``[N, T, F]`` in the memory order of the series that ``restore`` was made with."""
    if restore.channels_last:
        return grad.movedim(2, -1).contiguous().flatten(2)
    return grad.contiguous().flatten(2)


def _forward_eager(
    current: Tensor, decay: float, threshold: float, hard: bool
) -> tuple[Tensor, Tensor]:
    v, spikes = torch.empty_like(current), torch.empty_like(current)
    membrane = torch.zeros_like(current[:, 0])
    for t in range(current.shape[1]):
        u = current[:, t] + decay * membrane
        s = (u >= threshold).to(u.dtype)
        v[:, t], spikes[:, t] = u, s
        membrane = u * (1 - s) if hard else u - threshold * s
    return v, spikes


def _backward_eager(
    grad: Tensor,
    v: Tensor,
    decay: float,
    threshold: float,
    hard: bool,
    surrogate: Bump,
    restore: Restore,
) -> Tensor:
    bump = derivative(surrogate, v, threshold, restore)
    delta = torch.empty_like(grad)
    carried = torch.zeros_like(grad[:, 0])
    for t in range(grad.shape[1] - 1, -1, -1):
        through = carried * (v[:, t] < threshold) if hard else carried
        carried = grad[:, t] * bump[:, t] + decay * through
        delta[:, t] = carried
    return delta


def _forward_compiled(
    current: Tensor, decay: float, threshold: float, hard: bool
) -> tuple[Tensor, Tensor]:
    v, spikes = torch.empty_like(current), torch.empty_like(current)
    kernels.share_threads()
    kernels.forward(
        kernels.as_array(current),
        decay,
        threshold,
        hard,
        kernels.as_array(v),
        kernels.as_array(spikes),
    )
    return v, spikes


def _backward_compiled(
    grad: Tensor,
    v: Tensor,
    decay: float,
    threshold: float,
    hard: bool,
    surrogate: Bump,
    restore: Restore,
) -> Tensor:
    kind, slope = kernels.kind_of(surrogate)
    known = kind != kernels.PRECOMPUTED
    bump = v if known else derivative(surrogate, v, threshold, restore)
    delta = torch.empty_like(grad)
    kernels.share_threads()
    kernels.backward(
        kernels.as_array(grad),
        kernels.as_array(v),
        kernels.as_array(bump),
        kind,
        slope,
        decay,
        threshold,
        hard,
        kernels.as_array(delta),
    )
    return delta


def _forward_fused(
    current: Tensor, decay: float, threshold: float, hard: bool
) -> tuple[Tensor, Tensor]:
    from spikeproof.models import triton_kernels

    return triton_kernels.forward(current, decay, threshold, hard)


def _backward_fused(
    grad: Tensor,
    v: Tensor,
    decay: float,
    threshold: float,
    hard: bool,
    surrogate: Bump,
    restore: Restore,
) -> Tensor:
    from spikeproof.models import triton_kernels

    kind, slope = kernels.kind_of(surrogate)
    known = kind != kernels.PRECOMPUTED
    bump = v if known else derivative(surrogate, v, threshold, restore)
    return triton_kernels.backward(grad, v, bump, kind, slope, decay, threshold, hard)


_LOOPS = {
    "numba": (_forward_compiled, _backward_compiled),
    "triton": (_forward_fused, _backward_fused),
    "eager": (_forward_eager, _backward_eager),
}


def derivative(surrogate: Bump, v: Tensor, threshold: Tensor | float, restore: Restore) -> Tensor:
    """The bump in series layout; computed in ``[N, T, C, ...]`` as surrogates may need channels."""
    bump = surrogate.derivative(restore(v) - threshold)
    return like_series(bump, restore)
