"""The model's own spikes with another gradient.

``Lent`` stands where a framework keeps its spike function. Forward, it asks the function that was
there, so that not one spike changes, whether the framework fires at or above the threshold;
backward, it multiplies by the surrogate's derivative instead.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from spikeproof.models.surrogate import Bump


class Lent:
    """A spike function of ``u``, the membrane potential above threshold, all samples first.

    ``u`` is one time bin, ``[N, ...]``, or with ``series`` all of them, ``[T, N, ...]``. What
    else is asked of it, the function that was there answers.
    """

    def __init__(self, own: Any, surrogate: Bump, *, series: bool = False) -> None:
        self.own, self.surrogate, self.series = own, surrogate, series

    def __call__(self, u: Tensor, *settings: Any) -> Tensor:
        """Spikes, of the shape of ``u``."""
        spikes: Tensor = _Spike.apply(u, self.own, settings, self)  # type: ignore[no-untyped-call]
        return spikes

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.own, name)

    def derivative(self, u: Tensor) -> Tensor:
        """Stand-in for d spike / d u; surrogates expect ``[N, T, ...]``."""
        if self.series and u.dim() > 2:
            return self.surrogate.derivative(u.transpose(0, 1)).transpose(0, 1)
        if u.dim() < 2:
            return self.surrogate.derivative(u.reshape(-1, 1, 1)).reshape(u.shape)
        return self.surrogate.derivative(u.unsqueeze(1)).squeeze(1)


def is_step(own: Any) -> bool:
    """Whether a spike function is a step at zero, exact or noisy.

    Graded and smooth functions have no single threshold and keep their own gradient.
    """
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        answer = own(torch.tensor([-9.0, -0.4, 0.4, 9.0]))
    if not isinstance(answer, Tensor):
        return False
    low, *between, high = answer.tolist()
    return low == 0.0 and high == 1.0 and set(between) <= {0.0, 1.0}


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, own: Any, settings: tuple[Any, ...], lent: Lent) -> Tensor:
        ctx.lent = lent
        ctx.save_for_backward(u)
        spikes: Tensor = own(u, *settings)
        return spikes

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (u,) = ctx.saved_tensors
        return ctx.lent.derivative(u).mul_(grads[0]), None, None, None
