"""Codes: what turns intensities into spikes, open to gradients.

A model that takes images, or rates instead of events, begins with a code: constant current
(:class:`Direct`), random spikes whose probability is the intensity (:class:`Bernoulli`, which
most frameworks call Poisson; :class:`Poisson` is the process itself), one spike that comes the
earlier the stronger the input (:class:`Latency`; Thorpe et al., Neural Networks 14, 2001), or the
exact time of that spike (:class:`SpikeTime`), for networks that compute with times. Put before a
network by :class:`Encoded` they are part of the model, so that an attack changes what the sensor
sees and not what the code made of it. Draws come from torch's global generator, which
:class:`~spikeproof.adapters.eot.ExpectationOverTransformation` seeds at every call: a random model
is attacked and judged as the mean of draws that are the same each time.

Spikes are steps of the input and have no gradient. On the backward pass:

* random spikes pass the gradient of their probability, as if they were it (the straight-through
  estimator, Bengio et al., arXiv 1308.3432, 2013). Its mean is exact where the network is linear.
* a spike train ``code(x)`` without randomness has the slope of the secant

      (code(min(x + reach, 1)) - code(max(x - reach, 0))) / their distance,

  so with ``reach`` 1 the gradient of a cell is the exact first-order effect of flipping it
  between 0 and 1, and with a small one it is local.
* currents and exact times are smooth, and have their own derivative.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spikeproof.errors import InvalidModel
from spikeproof.types import Model

_LONGEST_LOG = 80  # steps; beyond it exp(steps) leaves single precision


class Direct(nn.Module):
    """The input itself as a constant current for ``steps`` time steps.

    This and the other encoders take images ``[N, C, H, W]`` (or any ``[N, ...]``) to
    ``[N, steps, C, H, W]``, and recordings ``[N, T, P, H, W]``, each bin in turn, to
    ``[N, T*steps, P, H, W]``. A single image is not copied: its steps are one place in memory.
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
        return as_if(torch.bernoulli(chance.detach().clamp(0, 1)), chance)

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
        return as_if(torch.bernoulli(chance.detach()), chance)

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
        x = as_if(x.detach().clamp(0, 1), x)
        x = x if x.dim() == 5 else x.unsqueeze(1)  # [N, T, ...]
        spikes = secant(self._code, x, reach=self.reach)  # [steps, N, T, ...]
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


class SpikeTime(nn.Module):
    """The exact time of an input's only spike, ``horizon * (1 - x)``; no time bins.

    Inputs are cut to [0, 1]; those at or below ``threshold`` spike ``never``. It is
    :class:`Latency` with infinitely many steps, for networks that compute with spike times
    (Mostafa, IEEE TNNLS 29, 2018). The gradient is ``-horizon`` also where there is no spike, so
    that an attack sees what it could wake.
    """

    def __init__(
        self, horizon: float = 1.0, *, threshold: float = 0.0, never: float = math.inf
    ) -> None:
        super().__init__()
        if not 0 < horizon < math.inf or not 0 <= threshold < 1:
            raise InvalidModel(
                f"spike times need a positive horizon and a threshold in [0, 1), not {horizon} and"
                f" {threshold}"
            )
        self.horizon, self.threshold, self.never = horizon, threshold, never

    def forward(self, x: Tensor) -> Tensor:
        """Times, in the unit of ``horizon``; see :class:`Direct` for the shapes, with 1 step."""
        x = _repeated(as_if(x.detach().clamp(0, 1), x), 1)
        times = self.horizon * (1.0 - x)
        return as_if(times.detach().masked_fill(x <= self.threshold, self.never), times)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"horizon={self.horizon:g}, threshold={self.threshold:g}"


class Encoded(nn.Module):
    """A ``network`` over spike trains ``[N, T, ...]`` with its ``encoder``, as one model."""

    def __init__(self, encoder: nn.Module, network: Model) -> None:
        super().__init__()
        self.encoder, self.network = encoder, network
        self.training = bool(getattr(network, "training", False))

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, K]`` of what the encoder takes."""
        return self.network(self.encoder(x))


def as_if(value: Tensor, giver: Tensor) -> Tensor:
    """``value``, with the gradient of ``giver`` (same shape)."""
    return value.detach() + (giver - giver.detach())


def secant(
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
    if x.shape[1] == 1:
        return x.expand(-1, steps, *x.shape[2:])
    return x.repeat_interleave(steps, 1)


def _positive(steps: int) -> int:
    if steps < 1:
        raise InvalidModel(f"an encoder needs at least 1 time step, not {steps}")
    return steps


def _rate(rate: float) -> float:
    if not 0 < rate < math.inf:
        raise InvalidModel(f"the rate of an encoder must be positive, not {rate}")
    return rate
