"""Encoders: what turns intensities into spikes, inside the model and open to gradients.

A model that takes images, or rates instead of events, begins with an encoder: constant current
(:class:`Direct`), random spikes whose probability is the intensity (:class:`Bernoulli`, which
most frameworks call Poisson; :class:`Poisson` is the process itself), or one spike that comes the
earlier the stronger the input (:class:`Latency`; Thorpe et al., Neural Networks 14, 2001). Put
before a network by :class:`Encoded` they are part of the model, so that an attack changes what
the sensor sees and not what the encoder made of it.

Spikes are steps of the input and have no gradient. On the backward pass:

* random spikes pass the gradient of their probability, as if they were it (the straight-through
  estimator, Bengio et al., arXiv 1308.3432, 2013). Its mean is exact where the network is linear.
* a spike train ``code(x)`` without randomness has the slope of the secant

      (code(min(x + reach, 1)) - code(max(x - reach, 0))) / their distance,

  so with ``reach`` 1 the gradient of a cell is the exact first-order effect of flipping it
  between 0 and 1, and with a small one it is local.

:func:`straight_through` does the same, for a while, to encoders of others inside a model.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from spikeproof.errors import InvalidModel
from spikeproof.types import Model

_LONGEST_LOG = 80  # steps; beyond it exp(steps) leaves single precision


class Direct(nn.Module):
    """The input itself as a constant current for ``steps`` time steps.

    This and the other encoders take images ``[N, C, H, W]`` (or any ``[N, ...]``) to
    ``[N, steps, C, H, W]``, and recordings ``[N, T, P, H, W]``, each bin in turn, to
    ``[N, T*steps, P, H, W]``.
    """

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = _positive(steps)

    def forward(self, x: Tensor) -> Tensor:
        """Currents; see the class."""
        return _repeated(x, self.steps)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"steps={self.steps}"


class Bernoulli(nn.Module):
    """In every step a spike with probability ``rate * x``, cut to [0, 1].

    It is ``snntorch.spikegen.rate`` with gain ``rate``, and SpikingJelly's ``PoissonEncoder``
    for rate 1. The gradient passes the cut unhindered.
    """

    def __init__(self, steps: int, *, rate: float = 1.0) -> None:
        super().__init__()
        self.steps, self.rate = _positive(steps), _rate(rate)

    def forward(self, x: Tensor) -> Tensor:
        """Spikes, drawn from torch's global generator; see :class:`Direct` for the shapes."""
        chance = self.rate * _repeated(x, self.steps)
        return _as_if(torch.bernoulli(chance.detach().clamp(0, 1)), chance)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"steps={self.steps}, rate={self.rate:g}"


class Poisson(nn.Module):
    """A Poisson process of ``rate * x`` spikes a step; a step spikes if it has at least one.

    The probability is ``1 - exp(-rate * x)``, with its own derivative as gradient; negative
    inputs count as zero.
    """

    def __init__(self, steps: int, *, rate: float = 1.0) -> None:
        super().__init__()
        self.steps, self.rate = _positive(steps), _rate(rate)

    def forward(self, x: Tensor) -> Tensor:
        """Spikes, drawn from torch's global generator; see :class:`Direct` for the shapes."""
        chance = -torch.expm1(-self.rate * _repeated(x, self.steps).clamp(min=0))
        return _as_if(torch.bernoulli(chance.detach()), chance)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"steps={self.steps}, rate={self.rate:g}"


class Latency(nn.Module):
    """One spike per input, at step ``(steps - 1) * (1 - x)`` (rounded) for the linear law.

    For the log law it is ``steps - 1 - ln((e^(steps-1) - 1) x + 1)``. Inputs are cut to [0, 1];
    those below ``threshold`` do not spike. SpikingJelly's ``LatencyEncoder`` is this with
    threshold 0; ``snntorch.spikegen.latency(linear=True, normalize=True, clip=True)`` is the
    linear law with the same threshold.
    """

    def __init__(
        self,
        steps: int,
        *,
        law: Literal["linear", "log"] = "linear",
        threshold: float = 0.0,
        reach: float = 1.0,
    ) -> None:
        super().__init__()
        if law not in ("linear", "log"):
            raise InvalidModel(f"unknown latency law {law!r}; choose linear or log")
        if law == "log" and steps > _LONGEST_LOG:
            raise InvalidModel(
                f"the log law cannot hold {steps} steps; use at most {_LONGEST_LOG}, or linear"
            )
        if not 0 <= threshold <= 1 or not 0 < reach <= 1:
            raise InvalidModel(
                f"a latency threshold is in [0, 1] and a reach in (0, 1], not {threshold} and"
                f" {reach}"
            )
        self.steps, self.law = _positive(steps), law
        self.threshold, self.reach = threshold, reach

    def forward(self, x: Tensor) -> Tensor:
        """Spikes; see :class:`Direct` for the shapes."""
        x = _as_if(x.detach().clamp(0, 1), x)
        x = x if x.dim() == 5 else x.unsqueeze(1)  # [N, T, ...]
        spikes = _secant(self._code, x, reach=self.reach)  # [steps, N, T, ...]
        return spikes.movedim(0, 2).flatten(1, 2)

    def _code(self, x: Tensor) -> Tensor:
        last = self.steps - 1.0
        if self.law == "linear":
            when = last * (1.0 - x)
        else:
            when = last - torch.log(math.expm1(last) * x + 1.0)
        spikes = F.one_hot(when.round().long(), self.steps) * (x >= self.threshold).unsqueeze(-1)
        return spikes.movedim(-1, 0).to(x)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"steps={self.steps}, law={self.law}, threshold={self.threshold:g}"


class Encoded(nn.Module):
    """A ``network`` over spike trains ``[N, T, ...]`` with its ``encoder``, as one model."""

    def __init__(self, encoder: nn.Module, network: Model) -> None:
        super().__init__()
        self.encoder, self.network = encoder, network
        self.training = bool(getattr(network, "training", False))

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, K]`` of what the encoder takes."""
        return self.network(self.encoder(x))


@contextmanager
def straight_through(model: Any) -> Iterator[None]:
    """Let gradients pass the encoders of others in ``model``; spikes and draws stay the same.

    Known are SpikingJelly's ``PoissonEncoder``, ``LatencyEncoder`` and ``WeightedPhaseEncoder``,
    and every ``torch.bernoulli(probabilities)``, which is what ``snntorch.spikegen.rate`` calls.
    Not reachable are comparisons written out (``torch.rand_like(x) < x``) and
    ``snntorch.spikegen.latency`` and ``delta``: use :class:`Bernoulli` or :class:`Latency`.
    """
    encoding = sys.modules.get("spikingjelly.activation_based.encoding")
    modules = model.modules() if encoding and isinstance(model, nn.Module) else ()
    with ExitStack() as stack:
        for module in modules:
            if isinstance(module, encoding.PoissonEncoder):  # type: ignore[union-attr]
                hook = module.register_forward_hook(lambda _, inputs, out: _as_if(out, inputs[0]))
                stack.callback(hook.remove)
            elif isinstance(module, encoding.LatencyEncoder):  # type: ignore[union-attr]
                stack.enter_context(_secant_encode(module, highest=1.0))
            elif isinstance(module, encoding.WeightedPhaseEncoder):  # type: ignore[union-attr]
                stack.enter_context(_secant_encode(module, highest=1 - 2.0**-module.T))
        stack.enter_context(_BernoulliStraight())
        yield


@contextmanager
def _secant_encode(module: Any, highest: float) -> Iterator[None]:
    """Shadow the method that makes the spike train, so that the state it is kept in has slopes."""
    before, shadowed = module.single_step_encode, "single_step_encode" in vars(module)
    module.single_step_encode = partial(_secant, before, reach=1.0, highest=highest)
    try:
        yield
    finally:
        if shadowed:
            module.single_step_encode = before
        else:
            del module.single_step_encode


class _BernoulliStraight(TorchFunctionMode):
    """``torch.bernoulli(p)`` with the gradient of ``p`` instead of zeros."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Called by torch for each of its functions."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        drawn = func is torch.bernoulli or func is Tensor.bernoulli
        if drawn and len(args) == 1 and not kwargs.keys() - {"generator"}:
            return _as_if(out, args[0])
        return out


def _as_if(value: Tensor, giver: Tensor) -> Tensor:
    """``value``, with the gradient of ``giver`` (same shape)."""
    return value.detach() + (giver - giver.detach())


def _secant(
    code: Callable[[Tensor], Tensor], x: Tensor, *, reach: float, highest: float = 1.0
) -> Tensor:
    """``code(x)`` ``[steps, *x]`` for ``x`` in [0, ``highest``], with the slope of its secant."""
    now = code(x.detach())
    if not (x.requires_grad and torch.is_grad_enabled()):
        return now
    below, above = (x.detach() + move for move in (-reach, reach))
    below, above = below.clamp(min=0), above.clamp(max=highest)
    slope = (code(above) - code(below)) / (above - below)
    return now + slope * (x - x.detach())


def _repeated(x: Tensor, steps: int) -> Tensor:
    """``[N, T, ...]`` with every bin ``steps`` times in a row; images are a single bin."""
    x = x if x.dim() == 5 else x.unsqueeze(1)
    return x.repeat_interleave(steps, 1)


def _positive(steps: int) -> int:
    if steps < 1:
        raise InvalidModel(f"an encoder needs at least 1 time step, not {steps}")
    return steps


def _rate(rate: float) -> float:
    if not 0 < rate < math.inf:
        raise InvalidModel(f"the rate of an encoder must be positive, not {rate}")
    return rate
